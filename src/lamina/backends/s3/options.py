"""What the options of a client must be."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from lamina.errors import StackError

_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{3,255}|arn:[!-~]{1,250}")
_KEY: Final = re.compile(r"[!-~]+")
_URL: Final = re.compile(r"https?://[^/\s?#@]+(/[^\s?#]*)?")
_REGION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def check_place(bucket: str, endpoint: str | None, region: str | None) -> None:
    """Refuse what cannot name a bucket, where it is served, or its region.

    Raises:
        StackError: Which of them is wrong.
    """
    if not _BUCKET.fullmatch(bucket):
        msg = "bucket must be the name of one: 3 or more letters, digits, '.', '-' or '_'"
        raise StackError(msg)
    if endpoint is not None and not _is_url(endpoint):
        msg = "endpoint must be an http or https URL"
        raise StackError(msg)
    if region is not None and not _REGION.fullmatch(region):
        msg = "region must be the name of one, such as 'eu-central-1'"
        raise StackError(msg)


def check_keys(access: str | None, secret: str | None, token: str | None) -> None:
    """Refuse keys that do not belong together, or cannot be sent; tell none of them.

    Raises:
        StackError: Which of them is wrong.
    """
    if (access is None) != (secret is None):
        msg = "access_key and secret_key go together"
        raise StackError(msg)
    if not all(each is None or _KEY.fullmatch(each) for each in (access, secret, token)):
        msg = "access_key, secret_key and session_token must be printable ASCII without spaces"
        raise StackError(msg)
    if token is not None and access is None:
        msg = "session_token goes with access_key and secret_key"
        raise StackError(msg)


def check_bounds(timeout: float, connect_timeout: float, connections: int) -> None:
    """Refuse waits in seconds, and a number of connections, that bound nothing.

    Raises:
        StackError: One of them is wrong.
    """
    if not (0 < timeout < 1e9 and 0 < connect_timeout < 1e9 and connections >= 1):
        msg = (
            "timeout, connect_timeout and connections must be more than 0, "
            f"got {timeout!r}, {connect_timeout!r} and {connections!r}"
        )
        raise StackError(msg)


def _is_url(endpoint: str) -> bool:
    try:
        port = urlsplit(endpoint).port
    except ValueError:
        return False
    return _URL.fullmatch(endpoint) is not None and port != 0
