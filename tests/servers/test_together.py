"""Several servers at once: side by side, watched by sentinels, and in a cluster."""

from __future__ import annotations

import jwt
import pytest

from lamina.testing.servers import (
    Cluster,
    Postgres,
    Sentinel,
    Server,
    ServerFailed,
    Servers,
    Supabase,
    Valkey,
)
from lamina.testing.servers.resp import Connection, Refused
from lamina.testing.servers.until import until

pytestmark = pytest.mark.server


def test_all_start_and_are_told_of() -> None:
    one, other = Valkey(), Postgres()
    told: list[Server] = []

    with Servers(one, other) as servers:
        assert [server.running for server in servers.servers] == [True, True]
        assert servers.environment() == {"REDIS_URL": one.url, "DATABASE_URL": other.dsn}
        with pytest.raises(ServerFailed, match="running already"):
            Servers(one).start()
    Servers(one, other).start(told.append)
    Servers(one, other).stop()

    assert {*told} == {one, other}
    assert not any((one.running, other.running))


def test_none_runs_when_one_cannot_start() -> None:
    good, bad = Valkey(), Valkey(["--no-such-option", "1"])

    with pytest.raises(ServerFailed, match="no-such-option"):
        Servers(good, bad).start()

    assert not good.running


def test_no_servers_are_no_problem() -> None:
    with Servers() as servers:
        assert servers.environment() == {}


def test_a_server_that_needs_another_waits_for_it() -> None:
    postgres = Postgres()
    with Servers(postgres, Supabase(postgres=postgres)) as servers:
        assert servers.environment()["SUPABASE_URL"]
    assert not postgres.running


def test_a_replica_becomes_the_master() -> None:
    with Sentinel() as watched:
        assert len(watched.ports) == 3
        first = watched.kill_master()
        until(lambda: watched.master() is not first, 30, "no other master")
        second = watched.master()
        until(lambda: writes(second), 30, "the new master takes no writes")

        assert watched.pause_master() is second
        assert second.state == "paused"
    assert not second.running


def writes(node: Valkey) -> bool:
    with node.connection() as run:
        return run("SET", "key", "value") == "OK"


def test_a_cluster_keeps_a_key_when_its_master_dies() -> None:
    with Cluster() as cluster:
        assert len({*cluster.ports, *cluster.urls}) == 12
        first = cluster.master_of("key")
        with first.connection() as run:
            run("SET", "key", "value")
            assert run("WAIT", 1, 10_000) == 1

        assert cluster.kill_master("key") is first
        until(lambda: has_taken_over(cluster), 30, "no replica takes over")
        with cluster.master_of("key").connection() as run:
            assert run("GET", "key") == "value"

        first.restart()
        cluster.flush()
        with cluster.master_of("key").connection() as run:
            assert run("GET", "key") is None


def has_taken_over(cluster: Cluster) -> bool:
    try:
        cluster.master_of("key")
    except ServerFailed:
        return False
    return True


def test_a_connection_that_is_refused_is_closed() -> None:
    with (
        Valkey(password="right") as server,
        pytest.raises(Refused, match="WRONGPASS"),
        Connection(server.port, "wrong"),
    ):
        pytest.fail("it was let in")


def test_keys_of_a_project_are_tokens_that_its_secret_signed() -> None:
    with Supabase(jwt_secret="a secret of at least 32 characters") as server:
        project = server.project("CREATE TABLE t (n int); INSERT INTO t VALUES (7)")
        for role, key in (("service_role", project.service_key), ("anon", project.anon_key)):
            claims = jwt.decode(key, project.jwt_secret, algorithms=["HS256"])
            assert claims["role"] == role
        assert "secret" not in repr(project)

        assert server.postgres.run("SELECT n FROM t", dsn=project.dsn) == "7"
        with pytest.raises(ServerFailed, match="supabase refuses"):
            server.project("SELEC")
        assert server.project().url != project.url
