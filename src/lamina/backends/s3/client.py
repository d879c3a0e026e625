"""One long-lived client of one bucket."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, final

from lamina.backends.s3.labels import Stored
from lamina.backends.s3.options import check_bounds, check_keys, check_place
from lamina.errors import AuthError, Closed, Invalid, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from types_aiobotocore_s3 import S3Client


@final
class Client:
    """The client of *bucket*; connects to nothing before ``open``.

    Raises:
        StackError: An option is wrong.
    """

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str | None,
        region: str | None,
        keys: tuple[str | None, str | None, str | None],
        connections: int,
        timeout: float,
        connect_timeout: float,
    ) -> None:
        check_place(bucket, endpoint, region)
        check_keys(*keys)
        check_bounds(timeout, connect_timeout, connections)
        self.bucket = bucket
        self.wall: Callable[[], float] = time.time
        self._endpoint = endpoint
        self._region = region
        self._keys = keys
        self._connections = connections
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._stack: AsyncExitStack | None = None
        self._s3: S3Client | None = None

    async def open(self) -> None:
        """Make the client and see that the bucket is there.

        Raises:
            StorageError: What is missing, or why the service does not answer.
        """
        await asyncio.to_thread(_imported)  # a slow disk is no slow network
        with self.asking():
            session, config = await asyncio.to_thread(self._prepared)
        self._stack = AsyncExitStack()
        try:
            async with asyncio.timeout(self._connect_timeout):
                with self.asking():
                    self._s3 = await self._made(self._stack, session, config)
                await self.look()
        except TimeoutError as error:
            msg = f"no answer within {self._connect_timeout:g} s of connecting"
            raise Unavailable(msg, sent="no") from error

    async def close(self) -> None:
        """Close all connections."""
        stack, self._stack, self._s3 = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    @property
    def s3(self) -> S3Client:
        """The client.

        Raises:
            Closed: It is not open.
        """
        if self._s3 is None:
            msg = "s3 is not open"
            raise Closed(msg)
        return self._s3

    async def head(self, name: str) -> Stored | None:
        """Return what S3 tells of an object, None if there is none.

        Raises:
            StorageError: What a failure becomes; a missing bucket is no missing object.
        """
        from lamina.backends.s3.failures import NoObject

        try:
            with self.asking():
                told = await self.s3.head_object(Bucket=self.bucket, Key=name)
        except NoObject:  # an answer to HEAD has no body that would say what is missing
            await self._see_bucket()
            return None
        except (AuthError, Invalid):
            await self.look()  # which says why
            raise
        return Stored.of(told)

    async def look(self) -> None:
        """See that the bucket is there and may be used.

        Raises:
            StorageError: Why not: in S3's words, which only a listing has.
        """
        from lamina.backends.s3.failures import FAILURES, NoObject

        try:
            with self.asking():
                told = await self.s3.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
        except NoObject as error:
            raise FAILURES["no bucket"].error() from error
        if "IsTruncated" not in told:
            raise FAILURES["not understood"].error()

    async def _see_bucket(self) -> None:
        from lamina.backends.s3.failures import FAILURES, NoObject

        try:
            with self.asking():
                await self.s3.head_bucket(Bucket=self.bucket)
        except NoObject as error:
            raise FAILURES["no bucket"].error() from error

    @contextmanager
    def asking(self) -> Generator[None, None, None]:
        """Map what the client raises.

        Raises:
            StorageError: What the failure becomes.
        """
        from lamina.backends.s3.failures import KNOWN, failure

        try:
            yield
        except KNOWN as error:
            raise failure(error, self.wall()) from error

    async def _made(self, stack: AsyncExitStack, session: Any, config: Any) -> S3Client:
        access, secret, token = self._keys
        made: S3Client = await stack.enter_async_context(
            session.client(
                "s3",
                endpoint_url=self._endpoint,
                region_name=self._region or ("us-east-1" if self._endpoint else None),
                aws_access_key_id=access,
                aws_secret_access_key=secret,
                aws_session_token=token,
                config=config,
            )
        )
        made.meta.events.register("before-parameter-build.s3", _stay)
        made.meta.events.register("before-parse.s3", _no_page)
        return made

    def _prepared(self) -> tuple[Any, Any]:
        """Read the client's models, which takes a while, in a thread."""
        import aioboto3
        from aiobotocore.config import AioConfig

        from lamina.backends.s3.once import OnceSession

        session = aioboto3.Session()
        loader = session._session.get_component("data_loader")  # noqa: SLF001  # read ahead
        loader.load_service_model("s3", "service-2", api_version=None)
        loader.load_service_model("s3", "endpoint-rule-set-1", api_version=None)
        for name in ("endpoints", "partitions", "_retry", "sdk-default-configuration"):
            loader.load_data(name)
        style = {"addressing_style": "path"} if self._endpoint else {}
        config = AioConfig(
            connect_timeout=self._connect_timeout,
            read_timeout=self._timeout,
            max_pool_connections=self._connections,
            retries={"total_max_attempts": 1},
            signature_version="s3v4",  # signed URLs would have version 2 without
            s3={"payload_signing_enabled": False, **style},  # the signed SHA-256 vouches for it
            request_checksum_calculation="when_required",  # we give ours, and look ourselves
            response_checksum_validation="when_required",
            parameter_validation=False,  # they are ours, and looking costs more than we do
            user_agent=f"lamina aiobotocore/{version('aiobotocore')}",  # else built anew each time
            proxies={},
            http_session_cls=OnceSession,
        )
        return session, config


def _stay(*, context: dict[str, Any], **_: object) -> None:
    """Keep the client from asking another region by itself."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _no_page(*, response_dict: dict[str, Any], operation_model: Any, **_: object) -> None:
    """Refuse a gateway's page with a good status: S3 has no HTML but in objects."""
    from botocore.parsers import ResponseParserError

    kind: str = response_dict["headers"].get("content-type", "")
    holds_object = operation_model.name in {"GetObject", "HeadObject"}
    if kind.startswith("text/html") and not holds_object and response_dict["status_code"] < 300:
        msg = "a page"
        raise ResponseParserError(msg)


def _imported() -> None:
    """Import the SDK, which takes a while, in a thread."""
    for name in ("aioboto3", "lamina.backends.s3.failures", "lamina.backends.s3.once"):
        import_module(name)
