"""Networks and servers that fail by script, to see what a backend makes of it.

`FaultProxy` stands in front of a real server; `FaultServer` speaks HTTP/1.1 and `RawServer` any
other protocol, by a script of steps. All listen on a free port of loopback, inside a running loop
(``async with``) or in a thread (``with``). To kill, pause or restart a process, see
`lamina.testing.servers`.
"""

from lamina.testing.faults.proxy import FaultProxy
from lamina.testing.faults.request import Request
from lamina.testing.faults.script import Ending, Harm
from lamina.testing.faults.server import FaultServer, RawServer
from lamina.testing.faults.splitting import Splitter, http_request, line, resp_command
from lamina.testing.faults.steps import (
    Answer,
    Close,
    Delay,
    Garbage,
    Hang,
    Reset,
    Step,
    Truncate,
)

__all__ = [
    "Answer",
    "Close",
    "Delay",
    "Ending",
    "FaultProxy",
    "FaultServer",
    "Garbage",
    "Hang",
    "Harm",
    "RawServer",
    "Request",
    "Reset",
    "Splitter",
    "Step",
    "Truncate",
    "http_request",
    "line",
    "resp_command",
]
