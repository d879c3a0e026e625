"""Kill writers of one root at random moments and look what is left; run as a program.

One process forks them all, which is much faster than to start Python anew.
"""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import sys
import time
import traceback
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.backends.files import FilesMedia
from lamina.domains.media import Begin, Finish, Media, PutPart
from lamina.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

KEYS = ("a", "b", "c")
ABSENT = "absent"


def main(root: Path, rounds: int) -> None:
    allowed = {key: {ABSENT} for key in KEYS}
    acknowledged = 0
    for seed in range(rounds):
        rng = random.Random(seed)
        pid, reading = fork(partial(write, root, rng))
        told = listen(reading, rng.randrange(60))
        time.sleep(rng.random() * 0.004)  # the moment of the kill is what is drawn
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        told += drain(reading)
        acknowledged += account(told, allowed)
        pid, reading = fork(partial(look, root, allowed))
        found = drain(reading).decode().splitlines()
        assert os.waitpid(pid, 0)[1] == 0, f"round {seed}"
        allowed = {key: {digest} for key, digest in map(str.split, found)}
    sys.stdout.write(f"acknowledged {acknowledged}\n")


def fork(work: Callable[[int], Coroutine[Any, Any, None]]) -> tuple[int, int]:
    """Run *work* in a child; this process has no threads, which a fork would lose."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            asyncio.run(work(writing))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    return pid, reading


async def write(root: Path, rng: random.Random, out: int) -> None:
    async with Stack().over(FilesMedia(root, threads=2)) as media:
        await asyncio.gather(*(work(media, key, rng, out) for key in KEYS))


async def work(media: Media, key: str, rng: random.Random, out: int) -> None:
    while True:
        data = bytes([rng.randrange(3)]) * rng.choice((10, 300_000))
        digest = sha256(data).hexdigest()
        chosen = rng.random()
        os.write(out, f"{key} try {ABSENT if chosen < 0.3 else digest}\n".encode())
        if chosen < 0.3:
            await media.delete(key)
        elif chosen < 0.5:
            await upload(media, key, data)
        else:
            await media.set(key, data, metadata={"digest": digest})
        os.write(out, f"{key} done\n".encode())


async def upload(media: Media, key: str, data: bytes) -> None:
    send, half = media.bound.send, len(data) // 2
    name = await send(Begin(key))
    etags = [
        await send(PutPart(key, name, number, part))
        for number, part in enumerate((data[:half], data[half:]), 1)
    ]
    await send(Finish(key, name, tuple(etags)))


def listen(reading: int, lines: int) -> bytes:
    told = b""
    while told.count(b"\n") < lines:
        assert select.select([reading], [], [], 20)[0], "the writer is silent"
        data = os.read(reading, 4096)
        assert data, "the writer died of itself"
        told += data
    return told


def drain(reading: int) -> bytes:
    with os.fdopen(reading, "rb") as file:
        return file.read()


def account(told: bytes, allowed: dict[str, set[str]]) -> int:
    done = 0
    tried: dict[str, str] = {}
    for line in told.decode().splitlines():
        key, word, *rest = line.split()
        if word == "try":
            tried[key] = rest[0]
            allowed[key] = allowed[key] | {rest[0]}
        else:
            allowed[key] = {tried[key]}
            done += 1
    return done


async def look(root: Path, allowed: dict[str, set[str]], out: int) -> None:
    async with Stack().over(FilesMedia(root)) as media:
        named = set()
        for key in KEYS:
            data = await media.get(key)  # checks the digest
            found = ABSENT if data is None else sha256(data).hexdigest()
            assert found in allowed[key], f"{key} holds what nobody wrote last"
            os.write(out, f"{key} {found}\n".encode())
            info = await media.head(key)
            if info is not None:
                named.add(info.etag)
                assert info.metadata.get("digest", found) == found, "of two versions"
        blobs = {path.name for path in (root / "blobs").glob("*/*")}
        assert blobs == named, f"{len(blobs - named)} orphans, {len(named - blobs)} missing"
        assert len(list((root / "temp").iterdir())) == 2, "temporary files of the dead are left"
    assert not list((root / "temp").iterdir())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
