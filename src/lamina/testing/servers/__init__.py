"""Real servers for tests and local development, each started by one line."""

from __future__ import annotations

from lamina.testing.servers.postgres import Postgres
from lamina.testing.servers.problems import NoStart
from lamina.testing.servers.s3 import S3
from lamina.testing.servers.server import Server
from lamina.testing.servers.valkey import OldRedis, Redis, Valkey

__all__ = ["S3", "NoStart", "OldRedis", "Postgres", "Redis", "Server", "Valkey"]
