"""What the failures of S3 become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from lamina.backends.failures import Failures, Row, seconds_of
from lamina.errors import AuthError, Conflict, Corrupt, Invalid, Throttled, TimedOut, Unavailable

if TYPE_CHECKING:
    from lamina.errors import StorageError


class NoObject(Invalid):
    """There is no such object."""


class PastEnd(Invalid):
    """A range begins behind the end of an object."""


class NoUpload(Invalid):
    """There is no such upload."""


FAILURES: Final = Failures(
    Row("not connected", Unavailable, "cannot connect", sent="no"),
    Row("connect timeout", Unavailable, "no connection in time", sent="no"),
    Row("no answer", TimedOut, "no answer in time"),
    Row("cut off", Unavailable, "the connection was lost"),
    Row("not understood", Corrupt, "the answer is not that of S3"),
    Row("bad checksum", Corrupt, "the bytes are not those that were written"),
    Row("no credentials", AuthError, "there are no credentials", sent="no"),
    Row("bad settings", Invalid, "the SDK's own settings are wrong", sent="no"),
    Row("bad key", AuthError, "the access key is refused", sent="no"),
    Row("bad signature", AuthError, "the secret key is refused", sent="no"),
    Row("denied", AuthError, "the credentials do not allow it", sent="no"),
    Row("expired", AuthError, "the session's token has expired", sent="no"),
    Row("clock", AuthError, "this machine's clock is wrong, or the service's", sent="no"),
    Row("no object", NoObject, "there is no such object", sent="no"),
    Row("past the end", PastEnd, "the range is not within the object", sent="no"),
    Row("no upload", NoUpload, "there is no such upload", sent="no"),
    Row("no bucket", Invalid, "there is no such bucket", sent="no"),
    Row("elsewhere", Invalid, "the bucket is in another region: set region", sent="no"),
    Row("bad part", Invalid, "a part was not written, or is another than its etag says"),
    Row("small part", Invalid, "a part that is not the last has less than 5 MiB"),
    Row("too large", Invalid, "the object is too large", sent="no"),
    Row("damaged on the way", Unavailable, "the bytes were changed on their way", sent="no"),
    Row("other version", Conflict, "the object is not the version that was asked for", sent="no"),
    Row("raced", Conflict, "another write was under way", transient=True, sent="no"),
    Row("throttled", Throttled, "asked to slow down", sent="no"),
    Row("slow client", Unavailable, "the request did not arrive in time", sent="no"),
    Row("failed", Unavailable, "the service failed"),
    Row("full", Unavailable, "the service has no room left", transient=False, sent="no"),
    Row("not served", Invalid, "the service does not know this operation", sent="no"),
    Row("refused", Invalid, "the service refuses it", sent="no"),
)

_CODES: Final[dict[str, str]] = {
    "InvalidAccessKeyId": "bad key",
    "InvalidToken": "expired",
    "ExpiredToken": "expired",
    "ExpiredTokenException": "expired",
    "TokenRefreshRequired": "expired",
    "SignatureDoesNotMatch": "bad signature",
    "AccessDenied": "denied",
    "AllAccessDisabled": "denied",
    "AccountProblem": "denied",
    "Forbidden": "denied",
    "RequestTimeTooSkewed": "clock",
    "NoSuchKey": "no object",
    "NoSuchBucket": "no bucket",
    "NoSuchUpload": "no upload",
    "PermanentRedirect": "elsewhere",
    "TemporaryRedirect": "elsewhere",
    "AuthorizationHeaderMalformed": "elsewhere",
    "IllegalLocationConstraintException": "elsewhere",
    "InvalidRange": "past the end",
    "InvalidPart": "bad part",
    "InvalidPartOrder": "bad part",
    "EntityTooSmall": "small part",
    "EntityTooLarge": "too large",
    "MaxMessageLengthExceeded": "too large",
    "BadDigest": "damaged on the way",
    "XAmzContentSHA256Mismatch": "damaged on the way",
    "XAmzContentChecksumMismatch": "damaged on the way",
    "IncompleteBody": "damaged on the way",
    "PreconditionFailed": "other version",
    "ConditionalRequestConflict": "raced",
    "OperationAborted": "raced",
    "SlowDown": "throttled",
    "TooManyRequests": "throttled",
    "ThrottlingException": "throttled",
    "RequestLimitExceeded": "throttled",
    "BandwidthLimitExceeded": "throttled",
    "RequestTimeout": "slow client",
    "QuotaExceeded": "full",
    "XMinioStorageFull": "full",
    "InsufficientCapacity": "full",
    "NotImplemented": "not served",
    "MethodNotAllowed": "not served",
}
_STATUSES: Final[dict[int, str]] = {
    301: "elsewhere",
    307: "elsewhere",
    401: "denied",
    403: "denied",
    404: "no object",
    408: "slow client",
    409: "raced",
    411: "refused",
    412: "other version",
    413: "too large",
    416: "past the end",
    429: "throttled",
    501: "not served",
    507: "full",
}
_SETTINGS: Final = (
    boto.ConfigNotFound,
    boto.ConfigParseError,
    boto.InvalidConfigError,
    boto.InvalidRegionError,
    boto.NoRegionError,
    boto.ProfileNotFound,
    boto.UnknownCredentialError,
)
"""What the SDK finds wrong in its own files and environment variables."""

_RAISED: Final[tuple[tuple[type[Exception], str], ...]] = (
    (boto.NoCredentialsError, "no credentials"),
    (boto.PartialCredentialsError, "no credentials"),
    (boto.CredentialRetrievalError, "no credentials"),
    (boto.MetadataRetrievalError, "no credentials"),
    (boto.TokenRetrievalError, "no credentials"),
    (boto.RefreshWithMFAUnsupportedError, "no credentials"),
    (boto.SSOError, "no credentials"),
    *((each, "bad settings") for each in _SETTINGS),
    (boto.ConnectTimeoutError, "connect timeout"),
    (boto.ReadTimeoutError, "no answer"),
    (boto.ResponseStreamingError, "cut off"),
    (boto.IncompleteReadError, "cut off"),
    (boto.ConnectionClosedError, "cut off"),
    (boto.SSLError, "not connected"),
    (boto.ProxyConnectionError, "not connected"),
    (boto.HTTPClientError, "cut off"),
    (boto.FlexibleChecksumError, "bad checksum"),
    (ResponseParserError, "not understood"),
    (TimeoutError, "no answer"),
    (aiohttp.ClientError, "cut off"),
    (ConnectionError, "cut off"),
)

KNOWN: Final = (
    boto.ClientError,
    boto.BotoCoreError,
    ResponseParserError,
    aiohttp.ClientError,
    TimeoutError,
    OSError,
)
"""What the client raises when it is asked something."""


def failure(error: Exception, now: float) -> StorageError:
    """Return what an exception of the client becomes; *now* is in Unix seconds."""
    if isinstance(error, boto.ClientError):
        return _answered(error, now)
    if isinstance(error, boto.EndpointConnectionError):  # also of one lost once it was sent
        return FAILURES["not connected" if _never_connected(error) else "cut off"].error()
    for kind, name in _RAISED:
        if isinstance(error, kind):
            detail = type(error).__name__ if name == "bad settings" else ""
            return FAILURES[name].error(detail=detail)
    return FAILURES["not understood"].error(detail=type(error).__name__)


def _never_connected(error: boto.EndpointConnectionError) -> bool:
    cause = error.kwargs.get("error")
    return isinstance(cause, aiohttp.ClientConnectorError)


def _answered(error: boto.ClientError, now: float) -> StorageError:
    told = cast("Mapping[str, Any]", error.response)
    code = str(told.get("Error", {}).get("Code", ""))
    meta = cast("Mapping[str, Any]", told.get("ResponseMetadata", {}))
    status = int(meta.get("HTTPStatusCode", 0) or 0)
    if code.isdecimal():  # of an answer without a body, or without S3's
        code, status = "", status or int(code)
    name = _CODES.get(code) or _STATUSES.get(status)
    if name is None:
        name = "failed" if status >= 500 else "refused" if status >= 400 else "not understood"
    if name == "no object" and not code and not error.operation_name.startswith("Head"):
        name = "not understood"  # a gateway's: S3 says what is not there
    headers = cast("Mapping[str, str]", meta.get("HTTPHeaders", {}))
    if status == 400 and not code and "x-amz-bucket-region" in headers:  # to HEAD, without a body
        name = "elsewhere"
    wait = seconds_of(headers.get("retry-after"), now)
    return FAILURES[name].error(detail=_shown(code, status), retry_after=wait)


def _shown(code: str, status: int) -> str:
    return code if code.isalnum() and len(code) <= 60 else f"HTTP {status}"
