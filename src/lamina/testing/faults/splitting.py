"""Where one request ends and the next begins, for the protocols that matter here.

A splitter gets the bytes since the end of the last request and returns the length of the first
whole request in them, or 0 while there is none.
"""

from __future__ import annotations

from collections.abc import Callable

Splitter = Callable[[bytes], int]


def resp_command(data: bytes) -> int:
    """Split Redis commands: arrays of bulk strings, or one line."""
    end = data.find(b"\r\n")
    if end < 0 or not data.startswith(b"*"):
        return end + 2 if end >= 0 else 0
    place = end + 2
    for _ in range(int(data[1:end])):
        end = data.find(b"\r\n", place)
        if end < 0:
            return 0
        place = end + 2 + int(data[place + 1 : end]) + 2
    return place if place <= len(data) else 0


def http_request(data: bytes) -> int:
    """Split HTTP/1.1 requests, with bodies by ``Content-Length`` or in chunks."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 0
    length = 0
    for line in data[:head].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        elif name.lower() == b"transfer-encoding" and b"chunked" in value.lower():
            return _chunks(data, head + 4)
    whole = head + 4 + length
    return whole if whole <= len(data) else 0


def line(data: bytes) -> int:
    """Split by line ends."""
    return data.find(b"\n") + 1


def _chunks(data: bytes, place: int) -> int:
    while True:
        end = data.find(b"\r\n", place)
        if end < 0:
            return 0
        size = int(data[place:end].split(b";")[0], 16)
        if size == 0:
            last = data.find(b"\r\n\r\n", end)
            return last + 4 if last >= 0 else 0
        place = end + 2 + size + 2
