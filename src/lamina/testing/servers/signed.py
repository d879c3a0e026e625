"""One request to an S3 server, signed with AWS's signature version 4."""

from __future__ import annotations

import hashlib
import hmac
import http.client
from datetime import UTC, datetime
from typing import Final

_EMPTY: Final = hashlib.sha256(b"").hexdigest()


def send(method: str, path: str, *, port: int, key: str, secret: str, region: str) -> int:
    """Send a request without a body to 127.0.0.1 and return the answer's status.

    The form is from "Signature Version 4 signing process" of the AWS reference.

    Raises:
        OSError: No answer within 10 s.
    """
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    host = f"127.0.0.1:{port}"
    headers = {"host": host, "x-amz-content-sha256": _EMPTY, "x-amz-date": now}
    told = "".join(f"{name}:{value}\n" for name, value in headers.items())
    names = ";".join(headers)
    canonical = f"{method}\n{path}\n\n{told}\n{names}\n{_EMPTY}"
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signing = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"
    signature = hmac.digest(signing, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return _status(method, path, port, headers)


def _status(method: str, path: str, port: int, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except http.client.HTTPException as error:
        raise ConnectionResetError from error
    finally:
        connection.close()
