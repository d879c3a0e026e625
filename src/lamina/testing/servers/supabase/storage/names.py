"""Which names buckets and objects may have."""

from __future__ import annotations

import re
from typing import Final

from lamina.testing.servers.supabase.storage.problems import bad_bucket_name, bad_key

_KEY: Final = re.compile(r"[A-Za-z0-9_/!\-.*'() &$@=;:+,?]+")
_BUCKET: Final = re.compile(r"[A-Za-z0-9_!\-.*'() &$@=;:+,?]{1,100}")


def check_key(key: str) -> str:
    """Return *key*, an object's name."""
    if not _KEY.fullmatch(key) or len(key) > 1024:
        raise bad_key(key)
    return key


def check_bucket(name: str) -> str:
    """Return *name*, a bucket's."""
    if not _BUCKET.fullmatch(name) or name != name.strip():
        raise bad_bucket_name()
    return name
