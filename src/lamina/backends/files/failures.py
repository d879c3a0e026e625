"""What the failures of the disk mean: the only place that maps them."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lamina.backends.sqlite.failures import mapped
from lamina.errors import StorageError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Generator

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def disk_failures() -> Generator[None, None, None]:
    """Raise what a failure inside means, ``from`` the original.

    A full disk may be emptied, so it is transient; a missing permission is not.

    Raises:
        StorageError: Of any kind that SQLite's failures map to; ``Unavailable`` for the disk's.
    """
    try:
        yield
    except StorageError:
        raise  # some of ours are OSErrors too
    except sqlite3.Error as error:
        raise mapped(error) from error
    except OSError as error:
        told = errno.errorcode.get(error.errno or 0, type(error).__name__)
        if error.errno in _FULL:
            msg = f"the disk, a quota or a file-size limit is full ({told}): nothing was written"
            raise Unavailable(msg) from error
        if error.errno in _REFUSED:
            msg = f"the root may not be used ({told}): give this user write permission"
            raise Unavailable(msg, transient=False) from error
        msg = f"the disk failed to read or write ({told})"
        raise Unavailable(msg) from error
