"""The fixtures give running servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lamina.testing.servers import S3, OldRedis, Postgres, Redis, Valkey

pytestmark = pytest.mark.server


def test_each_database_of_a_valkey_is_another(valkey: Valkey) -> None:
    assert valkey.database() != valkey.database()


def test_each_database_of_a_redis_is_another(redis8: Redis) -> None:
    assert redis8.database() != redis8.database()


def test_each_database_of_an_old_redis_is_another(redis62: OldRedis) -> None:
    assert redis62.database() != redis62.database()


def test_each_database_of_a_postgres_is_another(postgres: Postgres) -> None:
    assert postgres.database() != postgres.database()


def test_each_bucket_of_an_s3_is_another(s3: S3) -> None:
    assert s3.bucket() != s3.bucket()
