"""What must happen at once in the server, as Lua.

Values are read by ``pcall`` first, so that a key of another kind is answered by the server's own
error on every version. No script decodes JSON or computes: numbers in Lua have 53 bits. Lists are
spliced as text, which is only done if they are, to the byte, as one of us wrote them last: beside
each list a proof is kept, the SHA-1 of its bytes and its length. Where there is none, because
another program wrote the list, the script gives it back, and `REPLACE` takes what was made of it
in Python, provided that the list is still the same.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, final

from redis.exceptions import NoScriptError, ResponseError

from lamina.backends.redis.failures import refused
from lamina.backends.redis.wire import pack

if TYPE_CHECKING:
    from typing import Protocol

    from lamina.backends.redis.wire import Packed

    class Asks(Protocol):
        """Answers one command on a key."""

        async def ask(self, command: Packed, name: bytes = b"") -> Any:
            """Return the answer."""


@final
class Script:
    """A script that the server is told by its hash, and in full when it does not know it."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self._hash = hashlib.sha1(self._text, usedforsecurity=False).hexdigest().encode()

    def packed(self, *names: bytes) -> Packed:
        """Return what runs it on *names* whether or not the server knows it."""
        return pack(b"EVAL", self._text, b"%d" % len(names), *names)

    async def run(self, server: Asks, names: tuple[bytes, ...], *words: bytes) -> Any:
        """Return its answer; *names* are its keys, all in one slot.

        Raises:
            StorageError: There is no answer, or the server refuses.
        """
        rest = (b"%d" % len(names), *names, *words)
        try:
            try:
                return await server.ask(pack(b"EVALSHA", self._hash, *rest), names[0])
            except NoScriptError:  # so nothing was done
                return await server.ask(pack(b"EVAL", self._text, *rest), names[0])
        except ResponseError as error:
            raise refused(error) from error


GET_STAMPED: Final = Script("""
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
return {value, redis.call('PTTL', KEYS[1])}
""")
"""KEYS: the key. Gives its value and the milliseconds left, -1 for no end."""

TIMES_LEFT: Final = Script("""
local left, call = {}, redis.call
for place = 1, #KEYS do left[place] = call('PTTL', KEYS[place]) end
return table.concat(left, ' ')
""")
"""KEYS: keys. Gives the milliseconds that each has left as one text, which is read faster than so
many numbers: -1 for no end, -2 if it is absent."""

PERSIST: Final = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('PERSIST', KEYS[1])
return 1
""")
"""KEYS: the key. Gives 1 if it exists, which it then does without end."""

COMPARE_AND_SET: Final = Script("""
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
if value ~= ARGV[1] then return 0 end
local done
if ARGV[4] then
  done = redis.pcall('SET', KEYS[1], ARGV[2], ARGV[3], ARGV[4])
elseif ARGV[3] then
  done = redis.pcall('SET', KEYS[1], ARGV[2], ARGV[3])
else
  done = redis.pcall('SET', KEYS[1], ARGV[2])
end
if done.err then return done end
return 1
""")
"""KEYS: the key. ARGV: the value expected; the new one; the rest of SET: PX and milliseconds, or
KEEPTTL, or nothing. Gives 1 if it was written."""

INCREMENT: Final = Script("""
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
if value and value ~= '0' and not (#value <= 18 and string.match(value, '^%-?[1-9]%d*$')) then
  return {0, value}
end
local done = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(done) == 'table' then return done end
if ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return {1, redis.call('GET', KEYS[1])}
""")
"""KEYS: the key. ARGV: how much, of at most 18 digits; milliseconds or nothing. Gives 1 and the
new value, or 0 and what is stored if it must be looked at in Python."""

_WRITTEN: Final = """
local function write(text, length, ttl, proof_ttl, once_ttl)
  local done
  if ttl ~= '' then
    done = redis.pcall('SET', KEYS[1], text, 'PX', ttl)
  else
    done = redis.pcall('SET', KEYS[1], text, 'KEEPTTL')
  end
  if done.err then return done end
  local proof = redis.sha1hex(text) .. string.format(' %d', length)
  redis.call('SET', KEYS[2], proof, 'PX', proof_ttl)
  if KEYS[3] then redis.call('SET', KEYS[3], string.format('%d', length), 'PX', once_ttl) end
  return {1, length}
end
if KEYS[3] then
  local told = redis.call('GET', KEYS[3])
  if told then return {1, tonumber(told)} end
end
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then return value end
"""

APPEND: Final = Script(
    _WRITTEN
    + """
local function without(text, dropped)
  local at, depth = 1, 0
  while true do
    local from = string.find(text, '[%[%]{},"]', at)
    local byte = string.byte(text, from)
    if byte == 34 then
      from = string.find(text, '["\\\\]', from + 1)
      while string.byte(text, from) == 92 do from = string.find(text, '["\\\\]', from + 2) end
    elseif byte == 44 then
      if depth == 0 then dropped = dropped - 1 end
      if dropped == 0 then return string.sub(text, from + 1) end
    elseif byte == 91 or byte == 123 then
      depth = depth + 1
    else
      depth = depth - 1
    end
    at = from + 1
  end
end
local items, added, keep = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local length, text = 0, ''
if value and value ~= '[]' then
  local proof = redis.call('GET', KEYS[2])
  local count = proof and string.match(proof, '^' .. redis.sha1hex(value) .. ' (%d+)$')
  if not count then return {0, value} end
  length, text = tonumber(count), string.sub(value, 2, -2)
end
if keep > 0 and length + added > keep then
  local dropped = math.min(length + added - keep, length)
  if dropped == length then text = '' elseif dropped > 0 then text = without(text, dropped) end
  length = length - dropped
end
if text ~= '' and items ~= '' then text = text .. ',' end
return write('[' .. text .. items .. ']', length + added, ARGV[4], ARGV[5], ARGV[6])
"""
)
"""KEYS: the list, its proof, perhaps where the answer is kept. ARGV: the items, joined; how many;
how many to keep or 0, not fewer; milliseconds of the list or nothing, of the proof, of the answer.
Gives 1 and the length, or 0 and what is stored if it must be looked at in Python."""

REPLACE: Final = Script(
    _WRITTEN
    + """
if not value or value ~= ARGV[1] then return {0, value} end
return write(ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6])
"""
)
"""KEYS as for APPEND. ARGV: what is stored, what shall be; its length; milliseconds as for APPEND.
Gives 1 and the length, or 0 and what is stored if that is something else."""
