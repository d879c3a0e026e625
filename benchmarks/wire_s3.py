"""S3 through the facade, beside bare aioboto3 doing the same work, on a server started here."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import aioboto3
from aiobotocore.config import AioConfig

from benchmarks.report import Progress, Report
from benchmarks.timing import Subject, side_by_side
from lamina.backends.s3 import S3Media
from lamina.domains.media import PART, Media
from lamina.stack import Stack
from lamina.testing.servers import S3

SMALL = os.urandom(1024)
LARGE = os.urandom(1024 * 1024)
GIGABYTE = 1024**3
BARE = ("aioboto3", "aioboto3 without validation")


async def measure(report: Report, progress: Progress, *, quick: bool) -> None:
    """Measure single objects, and the memory that a large one takes on its way up and down."""
    with S3() as server:
        bucket = server.bucket()
        async with _all(server, bucket) as (ours, bare, unvalidated):
            progress.begin("s3")
            subjects = _subjects(ours, {BARE[0]: bare, BARE[1]: unvalidated}, bucket)
            for subject in subjects.values():
                await subject()
            rounds = 6 if quick else 40
            timed = await side_by_side(subjects, progress=progress, rounds=rounds, calls=100_000)
            size = GIGABYTE // 16 if quick else GIGABYTE
            progress.begin("s3, memory")
            up, down = await _memory(ours, size)
    for name, each in timed.items():
        report.add("s3", name, each.quiet, "us")
    for name in ("set 1 KiB", "get 1 KiB", "set 1 MiB", "get 1 MiB"):
        for client in BARE:
            ratio = timed[f"{client}, {name}"].ratio(timed[f"lamina, {name}"])
            target = 0.97 if client == BARE[0] else None
            report.add(
                f"s3, time of {client} / ours", name, ratio, "ratio", target=target, least=True
            )
    told = f"of {size // 1024**2} MiB, most memory added"
    report.add("s3, memory", f"upload {told}", up, "MiB", target=64)
    report.add("s3, memory", f"download {told}", down, "MiB", target=64)


@asynccontextmanager
async def _all(server: S3, bucket: str) -> AsyncGenerator[tuple[Media, Any, Any], None]:
    """Give a store and two clients with its settings, none of which repeats anything.

    The first client validates parameters, as is the default; the second does not, as ours.
    """
    backend = S3Media(
        bucket,
        endpoint=server.url,
        region=server.region,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )
    async with (
        Stack().over(backend) as ours,
        _client(server) as bare,
        _client(server, parameter_validation=False) as unvalidated,
    ):
        yield ours, bare, unvalidated


def _client(server: S3, **options: Any) -> Any:
    config = AioConfig(
        retries={"total_max_attempts": 1},
        max_pool_connections=50,
        signature_version="s3v4",
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        **options,
    )
    session: Any = aioboto3.Session()
    return session.client(
        "s3",
        endpoint_url=server.url,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=config,
    )


def _subjects(ours: Media, bare: dict[str, Any], bucket: str) -> dict[str, Subject]:
    """The same work: a SHA-256 that S3 checks when written, and one that is checked when read."""

    async def put(client: Any, key: str, data: bytes) -> None:
        digest = await _digest(data)
        await client.put_object(
            Bucket=bucket,
            Key=key,
            Body=data,
            ContentType="application/octet-stream",
            Metadata={"sha256": digest.hex()},
            ChecksumSHA256=base64.b64encode(digest).decode(),
        )

    async def get(client: Any, key: str) -> bytes:
        told = await client.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{PART - 1}")
        async with told["Body"] as body:
            data: bytes = await body.read()
        if (await _digest(data)).hex() != told["Metadata"]["sha256"]:
            raise ValueError
        return data

    found: dict[str, Subject] = {}
    for size, data in (("1 KiB", SMALL), ("1 MiB", LARGE)):
        for name, client in bare.items():
            key = f"{name} {size}"
            found[f"{name}, set {size}"] = partial(put, client, key, data)
            found[f"{name}, get {size}"] = partial(get, client, key)
        found[f"lamina, set {size}"] = partial(ours.set, f"ours {size}", data)
        found[f"lamina, get {size}"] = partial(ours.get, f"ours {size}")
    return found


async def _digest(data: bytes) -> bytes:
    """Hash it, not on the loop if that takes long, as any hand would write it."""
    made = sha256(data) if len(data) < 64 * 1024 else await asyncio.to_thread(sha256, data)
    return made.digest()


@final
class _Made:
    """So many bytes, made as they are asked for."""

    def __init__(self, size: int) -> None:
        self._size = size

    async def read(self, start: int, length: int) -> bytes:
        return bytes(max(min(length, self._size - start), 0))


async def _memory(ours: Media, size: int) -> tuple[float, float]:
    """Return the MiB that an upload and a download add at most, after one of two parts each."""

    async def download(key: str) -> int:
        reader = await ours.open_reader(key)
        assert reader is not None
        return sum([len(chunk) async for chunk in reader])

    await ours.set("warm", _Made(2 * PART))
    await download("warm")
    up = await _added(ours.set("large", _Made(size)))
    down = await _added(download("large"))
    info = await ours.head("large")
    assert info is not None
    assert info.size == size
    return up, down


async def _added(work: Any) -> float:
    before = most = _resident()
    task = asyncio.ensure_future(work)
    while not task.done():
        most = max(most, _resident())
        await asyncio.sleep(0.005)
    await task
    return (most - before) / 1024**2


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
