"""The files under the root: blobs by digest, the parts of uploads, and what is being written."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Final, final

from lamina.backends.files.locks import FileLock
from lamina.errors import Corrupt, Invalid

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

_STEP: Final = 1024 * 1024  # bytes held in memory while a file is copied
_EXTRA: Final = (
    getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)


@final
@dataclass(frozen=True, slots=True)
class Written:
    """A whole file that is not in its place yet."""

    path: Path
    digest: str
    size: int


@final
class Tree:
    """Paths below *root* are made of digests, numbers and random names only, never of a key.

    A link below the root is never followed. Files are written under ``temp``, in a folder that
    belongs to one opening of the root: its lock falls when its process dies, however it dies.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self._temp = root / "temp"
        self._own = self._temp / token_hex(8)
        self._lock = FileLock(self._own.with_suffix(".lock"))

    def make(self) -> None:
        """Make the folders.

        Raises:
            Invalid: The root, or what is above it, is no folder.
        """
        try:
            self.root.mkdir(0o700, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            msg = "the root is not a folder"
            raise Invalid(msg) from error
        for folder in (self._blobs, self._uploads, self._temp):
            _make(folder)

    def has_blobs(self) -> bool:
        """Tell whether any bytes are stored."""
        return next(self._blobs.glob("??/*"), None) is not None

    def claim(self) -> None:
        """Remove what dead processes were writing, and begin a folder of our own.

        Others must be kept from doing this at the same time.
        """
        for path in sorted(self._temp.iterdir()):
            lock = FileLock(path.with_suffix(".lock"))
            if lock.take():
                _remove(path.with_suffix(""))
                lock.drop()
                lock.path.unlink(missing_ok=True)
        self._lock.take()
        _make(self._own)

    def release(self) -> None:
        """Give the folder of our own up."""
        _remove(self._own)
        self._lock.drop()
        self._lock.path.unlink(missing_ok=True)

    @contextmanager
    def receive(
        self, chunks: Iterable[bytes], *, sync: bool = True
    ) -> Generator[Written, None, None]:
        """Write a file that is gone at the end, unless it was put in its place before."""
        path = self._own / token_hex(8)
        digest, size = sha256(), 0
        try:
            with _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            yield Written(path, digest.hexdigest(), size)
        finally:
            path.unlink(missing_ok=True)

    def place(self, written: Written) -> None:
        """Make a file the blob of its digest; one that is there already is made whole again."""
        target = self.blob(written.digest)
        _make(target.parent)
        written.path.replace(target)
        _sync(target.parent)

    def blob(self, digest: str) -> Path:
        """Return where the bytes with that digest are."""
        return self._blobs / digest[:2] / digest

    def read(self, digest: str, size: int, start: int, length: int) -> bytes:
        """Return a range of a blob; all of it is read against its digest.

        Raises:
            FileNotFoundError: There is no such blob.
            Corrupt: It is not what was written.
        """
        length = max(0, min(length, size - start))
        _check_folder(self._blobs / digest[:2])
        with _open(self.blob(digest), os.O_RDONLY, "rb") as file:
            found = os.fstat(file.fileno()).st_size
            file.seek(min(start, size))
            data = file.read(length)
        if found != size or len(data) != length:
            msg = f"the stored bytes are damaged: {found} are there, {size} were written"
            raise Corrupt(msg)
        if length == size and sha256(data).hexdigest() != digest:
            msg = "the stored bytes are damaged: their digest is another"
            raise Corrupt(msg)
        return data

    def discard(self, digest: str) -> None:
        """Remove a blob that no key has."""
        self.blob(digest).unlink(missing_ok=True)

    def stored(self) -> Iterator[list[str]]:
        """Give the digests of all blobs, a folder at a time."""
        for folder in sorted(self._blobs.iterdir()):
            if folder.is_dir() and not folder.is_symlink():
                yield [path.name for path in folder.iterdir()]

    def place_part(self, upload: str, number: int, written: Written) -> None:
        """Keep a file as one part of an upload."""
        target = self._part(upload, number, written.digest)
        _make(target.parent)
        written.path.replace(target)

    def parts(self, upload: str, digests: tuple[str, ...]) -> Iterator[bytes]:
        """Give the bytes of an upload's parts, in steps.

        Raises:
            FileNotFoundError: A part is not there.
            Corrupt: A part is not what was written.
        """
        for number, wanted in enumerate(digests, 1):
            digest = sha256()
            with _open(self._part(upload, number, wanted), os.O_RDONLY, "rb") as file:
                while chunk := file.read(_STEP):
                    digest.update(chunk)
                    yield chunk
            if digest.hexdigest() != wanted:
                msg = f"part {number} is damaged: its digest is another"
                raise Corrupt(msg)

    def discard_upload(self, upload: str) -> None:
        """Remove the parts of an upload."""
        _remove(self._uploads / upload)

    def begun(self) -> list[str]:
        """Return the names of the uploads that have parts."""
        return [path.name for path in self._uploads.iterdir()]

    def _part(self, upload: str, number: int, digest: str) -> Path:
        return self._uploads / upload / f"{number}-{digest}"


@contextmanager
def _open(path: Path, flags: int, mode: str) -> Generator[IO[bytes], None, None]:
    """Open a plain file and never what a link leads to.

    Raises:
        Corrupt: It is a link, a folder, a pipe.
    """
    if path.is_symlink():  # where the system has no O_NOFOLLOW
        msg = "a link stands where a file was written"
        raise Corrupt(msg)
    with os.fdopen(os.open(path, flags | _EXTRA, 0o600), mode) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            msg = "something else stands where a file was written"
            raise Corrupt(msg)
        yield file


def _make(folder: Path) -> None:
    """Make a folder whose name lasts, unless it is there."""
    try:
        folder.mkdir(0o700)
    except FileExistsError:
        _check_folder(folder)
    else:
        _sync(folder.parent)


def _check_folder(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        msg = "a link, or a file, stands where a folder was made"
        raise Corrupt(msg)


def _sync(folder: Path) -> None:
    """Make the names in a folder last; Windows does so by itself."""
    if os.name != "nt":
        opened = os.open(folder, os.O_RDONLY | _EXTRA)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _remove(path: Path) -> None:
    """Remove a folder and what is in it, or a link to one, if it is there."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        with suppress(FileNotFoundError):
            shutil.rmtree(path)
