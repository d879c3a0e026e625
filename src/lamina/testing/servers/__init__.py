"""Real servers for tests and local development, each started by one line."""

from __future__ import annotations

from lamina.testing.servers.cluster import Cluster
from lamina.testing.servers.postgres import Postgres
from lamina.testing.servers.problems import ServerFailed
from lamina.testing.servers.project import Project, Supabase
from lamina.testing.servers.s3 import S3
from lamina.testing.servers.sentinel import Sentinel
from lamina.testing.servers.server import Server
from lamina.testing.servers.together import Servers
from lamina.testing.servers.valkey import OldRedis, Redis, Valkey
from lamina.testing.servers.vector import Upstash

__all__ = [
    "S3",
    "Cluster",
    "OldRedis",
    "Postgres",
    "Project",
    "Redis",
    "Sentinel",
    "Server",
    "ServerFailed",
    "Servers",
    "Supabase",
    "Upstash",
    "Valkey",
]
