"""Where the servers are and how to log in: read from a URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NoReturn, TypeAlias, final
from urllib.parse import parse_qsl, unquote, urlsplit

from lamina.errors import StackError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

Topology: TypeAlias = Literal["standalone", "sentinel", "cluster"]
Host: TypeAlias = tuple[str, int]

TOPOLOGIES: Final = ("standalone", "sentinel", "cluster")
_PORTS: Final[dict[Topology, int]] = {"standalone": 6379, "sentinel": 26379, "cluster": 6379}
_FILES: Final = {"ca": "ssl_ca_certs", "cert": "ssl_certfile", "key": "ssl_keyfile"}
_SENTINEL: Final = {"sentinel_username": "username", "sentinel_password": "password"}
_LIKE: Final = (
    "the url must be like redis://user:password@host:6379/0, "
    "with special letters of the password percent-encoded"
)
_HIGHEST_PORT: Final = 65535


@final
@dataclass(frozen=True, slots=True)
class Address:
    """What a URL says; secrets are in no repr."""

    hosts: tuple[Host, ...] = ()
    path: str = ""
    tls: bool = False
    database: int = 0
    login: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    sentinel_login: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    files: dict[str, str] = field(default_factory=dict[str, str], repr=False)


def address(url: str, topology: Topology) -> Address:
    """Read ``redis://[user:password@]host[:port][,host...][/database][?options]``.

    ``rediss://`` adds TLS, with *ca*, *cert* and *key* (files) as options;
    ``unix://[user:password@]/path[?db=0]`` is a socket. *sentinel_username* and
    *sentinel_password* log in to the sentinels themselves.

    Raises:
        StackError: It cannot be read; the message shows nothing of it.
    """
    try:
        parts = urlsplit(url)
        told = parts.query.replace("+", "%2B")  # it is no form, where + is a space
        query = parse_qsl(told, strict_parsing=True) if told else []
    except ValueError:  # which quotes what it could not read
        _wrong()
    options = dict(query)
    if parts.scheme not in {"redis", "rediss", "unix"} or parts.fragment:
        _wrong()
    return (_socket if parts.scheme == "unix" else _servers)(parts, options, topology)


def _socket(parts: SplitResult, options: dict[str, str], topology: Topology) -> Address:
    if topology != "standalone":
        msg = f"a unix socket leads to one server, topology is {topology!r}"
        raise StackError(msg)
    login, _, host = parts.netloc.rpartition("@")
    database = _database(options.pop("db", ""), topology)
    _check_options(options, ("db",))
    if host or not parts.path:
        _wrong("the url of a unix socket must be unix:// and an absolute path")
    return Address(path=unquote(parts.path), database=database, login=_login(login))


def _servers(parts: SplitResult, options: dict[str, str], topology: Topology) -> Address:
    login, _, hosts = parts.netloc.rpartition("@")
    if "@" in parts.path:  # so the password holds a slash
        _wrong()
    found = tuple(_host(host, _PORTS[topology]) for host in hosts.split(","))
    if len(found) > 1 and topology == "standalone":
        msg = f"the url names {len(found)} hosts: topology must be 'sentinel' or 'cluster'"
        raise StackError(msg)
    tls = parts.scheme == "rediss"
    allowed = (*(_FILES if tls else ()), *(_SENTINEL if topology == "sentinel" else ()))
    _check_options(options, allowed)
    return Address(
        hosts=found,
        tls=tls,
        database=_database(parts.path.removeprefix("/"), topology),
        login=_login(login),
        sentinel_login={_SENTINEL[n]: value for n, value in options.items() if n in _SENTINEL},
        files={_FILES[name]: value for name, value in options.items() if name in _FILES},
    )


def _host(text: str, port: int) -> Host:
    """Read ``host``, ``host:port`` or ``[v6]:port``."""
    name, colon, number = text.rpartition(":")
    if not colon or text.endswith("]"):
        name, number = text, str(port)
    name = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    if not name or not _is_number(number) or not 0 < int(number) <= _HIGHEST_PORT:
        _wrong("each host of the url must be host or host:port, with a port up to 65535")
    return unquote(name), int(number)


def _login(text: str) -> dict[str, str]:
    user, _, password = text.partition(":")
    named = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in named.items() if value}


def _database(text: str, topology: Topology) -> int:
    if text and not _is_number(text):
        _wrong("the database of the url must be a number, as in redis://host:6379/0")
    if topology == "cluster" and int(text or 0):
        _wrong("a cluster has the database 0 only")
    return int(text or 0)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _check_options(options: dict[str, str], allowed: tuple[str, ...]) -> None:
    if not set(options) <= set(allowed):
        told = ", ".join(allowed) or "no options here"
        _wrong(f"an option of the url is unknown; it may have {told}")


def _wrong(msg: str = _LIKE) -> NoReturn:
    raise StackError(msg) from None
