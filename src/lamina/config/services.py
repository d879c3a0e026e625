"""The options of backends that are services, as a file or the environment tells them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lamina.config.options import BackendOptions, Embeds


class _Service(BackendOptions):
    timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    connect_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    connections: int | None = Field(default=None, ge=1)


class RedisOptions(_Service):
    """Redis or Valkey at *url*, alone, behind Sentinel, or a cluster."""

    url: str
    topology: Literal["standalone", "sentinel", "cluster"] | None = None
    master: str | None = None


class UpstashOptions(_Service):
    """One index of Upstash Vector."""

    url: str
    token: str
    search_lag: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class SupabaseDocumentsOptions(_Service):
    """A table of a Supabase project."""

    url: str
    key: str
    token: str | None = None
    schema_: str | None = Field(default=None, alias="schema")


class SupabaseMediaOptions(SupabaseDocumentsOptions):
    """A bucket of a Supabase project's Storage."""

    bucket: str


class S3Options(_Service):
    """A bucket of S3, or of what speaks its protocol at *endpoint*."""

    bucket: str
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    session_token: str | None = None
    prefix: str | None = None
    conditional: bool | None = None


class PostgresOptions(_Service):
    """Tables of a PostgreSQL database."""

    url: str
    schema_: str | None = Field(default=None, alias="schema")
    create: bool | None = None
    pooler: bool | None = None


class PostgresVectorsOptions(Embeds, PostgresOptions):
    """Vectors in PostgreSQL, by pgvector."""

    dimension: int | None = Field(default=None, ge=1)
    exact_below: int | None = Field(default=None, ge=1)
    ef_search: int | None = Field(default=None, ge=1)
