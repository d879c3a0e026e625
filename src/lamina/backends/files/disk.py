"""What the operations do to tree and index; all of it blocks, so it is called in threads."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING, Final, TypeAlias, final

from lamina.backends.files.index import Entry, Index, Upload, is_digest
from lamina.backends.files.locks import FileLock
from lamina.backends.files.tree import Tree
from lamina.errors import Corrupt, Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Allowed: TypeAlias = "Callable[[str | None], None]"
"""Raises if a write may not replace what has that digest, None for nothing."""

_BUSY: Final = 10.0  # seconds to wait for others to open the same root


@final
class Disk:
    """One opened root.

    Why nothing is lost or left dangling, with any number of threads and processes: a blob is put
    in its place, and the entry that names it is written, inside one transaction, which all
    processes begin one after the other; a blob is removed in a later transaction, which looks
    again whether any entry names it. A crash between the two leaves a blob that nobody names: the
    next opening removes it.
    """

    def __init__(self, root: Path) -> None:
        self.tree = Tree(root)
        self.index = Index(root / "index.db")
        self._opening = FileLock(root / "lock")
        self._claimed = False

    def open(self, stale: float) -> None:
        """Make what is missing, and remove what dead processes and uploads before *stale* left.

        Raises:
            Invalid: The root is no folder.
            Corrupt: The index is missing or damaged.
        """
        self.tree.make()
        self._opening.wait(_BUSY)
        try:
            path = self.tree.root / "index.db"
            if path.is_symlink() or (not path.exists() and self.tree.has_blobs()):
                msg = "the index is missing, yet bytes are stored: restore index.db from a backup"
                raise Corrupt(msg)
            self.index.open()
            self._claimed = True  # from now on there may be something to release
            self.tree.claim()
            self._sweep(stale)
        finally:
            self._opening.drop()
        self.check()

    def close(self) -> None:
        """Let go of everything; what was being written is removed."""
        try:
            self.index.close()
        finally:
            if self._claimed:
                self.tree.release()

    def check(self) -> None:
        """Write, read and delete a probe, and begin and end a change of the index."""
        probe = token_hex(16).encode()
        with self.tree.receive((probe,)) as written, self.index.writing():
            if written.path.read_bytes() != probe:
                msg = "the disk does not give back what was written"
                raise Corrupt(msg)

    def read(
        self, scope: str, key: str, start: int, length: int, pinned: Callable[[Entry], None]
    ) -> tuple[bytes, Entry] | None:
        """Return a range of one version; *pinned* may refuse the version."""
        seen: Entry | None = None
        while (found := self.index.find(scope, key)) is not None:
            pinned(found)
            try:
                return self.tree.read(found.digest, found.size, start, length), found
            except FileNotFoundError as error:  # replaced meanwhile, unless nothing has changed
                if found == seen:
                    msg = "the stored bytes are missing"
                    raise Corrupt(msg) from error
            seen = found
        return None

    def put(self, entry: Entry, chunks: Iterable[bytes], *, allowed: Allowed | None) -> Entry:
        """Write one object if *allowed* does not refuse; return its entry with digest and size."""
        with self.tree.receive(chunks) as written:
            entry = replace(entry, digest=written.digest, size=written.size)
            with self.index.writing() as change:
                self._allow(allowed, entry.scope, entry.key)
                self.tree.place(written)
                old = change.put(entry)
        self._retire(old)
        return entry

    def erase(self, scope: str, key: str) -> bool:
        """Delete one object; tell whether it was there."""
        with self.index.writing() as change:
            old = change.remove(scope, key)
        self._retire(old)
        return old is not None

    def begin(self, upload: Upload) -> None:
        """Write that an upload goes on."""
        with self.index.writing() as change:
            change.begin(upload)

    def put_part(self, upload: Upload, number: int, data: bytes) -> str:
        """Keep one part, not synced: an upload does not outlive a power failure; return its digest.

        Raises:
            Invalid: There is no such upload.
        """
        with self.tree.receive((data,), sync=False) as written, self.index.writing() as change:
            if not change.touch(upload.scope, upload.key, upload.id, upload.touched):
                raise _no_upload()
            self.tree.place_part(upload.id, number, written)
        return written.digest

    def finish(
        self,
        scope: str,
        key: str,
        name: str,
        parts: tuple[str, ...],
        now: float,
        *,
        allowed: Allowed | None,
    ) -> Entry:
        """Make an object of an upload's parts if *allowed* does not refuse.

        Asked again, it returns what the first time made.

        Raises:
            Invalid: There is no such upload, or a part was not written.
        """
        upload = self.index.upload(scope, key, name)
        if upload is None:
            return self._finished(scope, key, name)
        if not all(map(is_digest, parts)):
            raise _no_part()
        entry = Entry(scope, key, "", 0, upload.type, upload.metadata, now, name)
        try:
            with self.tree.receive(self.tree.parts(name, parts)) as written:
                entry = replace(entry, digest=written.digest, size=written.size)
                with self.index.writing() as change:
                    if not change.end(scope, key, name):
                        raise _no_upload()
                    self._allow(allowed, scope, key)
                    self.tree.place(written)
                    old = change.put(entry)
        except (FileNotFoundError, Invalid) as error:
            if self.index.upload(scope, key, name) is None:  # ended by somebody else meanwhile
                return self._finished(scope, key, name)
            raise _no_part() from error
        self._retire(old)
        self._discard(name)
        return entry

    def abort(self, scope: str, key: str, name: str) -> bool:
        """Throw an upload away; tell whether there was one."""
        with self.index.writing() as change:
            ended = change.end(scope, key, name)
        if ended:
            self._discard(name)
        return ended

    def _allow(self, allowed: Allowed | None, scope: str, key: str) -> None:
        """Ask with the digest of what is there; no other can write until the change ends."""
        if allowed is None:
            return
        found = self.index.find(scope, key)
        allowed(None if found is None else found.digest)

    def _finished(self, scope: str, key: str, name: str) -> Entry:
        found = self.index.find(scope, key)
        if found is None or found.upload != name:
            raise _no_upload()
        return found

    def _retire(self, digest: str | None) -> None:
        """Remove a blob that no key has any more; if that fails, the next opening does it."""
        if digest is not None:
            with suppress(OSError, sqlite3.Error):  # what was asked for is done by now
                self._remove_unused([digest])

    def _discard(self, upload: str) -> None:
        """Remove the parts of an ended upload; if that fails, the next opening does it."""
        with suppress(OSError):
            self.tree.discard_upload(upload)

    def _sweep(self, stale: float) -> None:
        with self.index.writing() as change:
            change.end_before(stale)
        for name in self.tree.begun():
            with self.index.writing() as change:
                known = change.uploads()
            if name not in known:
                self.tree.discard_upload(name)
        for digests in self.tree.stored():
            self._remove_unused(digests)

    def _remove_unused(self, digests: list[str]) -> None:
        with self.index.writing() as change:
            for digest in digests:
                if is_digest(digest) and not change.is_used(digest):
                    self.tree.discard(digest)


def _no_upload() -> Invalid:
    return Invalid("there is no such upload: it was finished, aborted or never begun")


def _no_part() -> Invalid:
    return Invalid("a part was not written, or is another than its etag says")
