"""Log tells what went wrong, without content, and never gets in the way."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
import structlog

from lamina.backend import serves
from lamina.domains.keyvalue import Get, KeyValueBackend, Set
from lamina.errors import StackError, Unavailable
from lamina.layers.log import Log
from lamina.stack import Stack
from lamina.testing.sweep import sweep


class Moody(KeyValueBackend):
    """Raises what it is given, else takes *seconds*."""

    name = "moody"

    def __init__(self, error: Exception | None = None, seconds: float = 0.0) -> None:
        self.error = error
        self.seconds = seconds

    @serves(Get)
    async def get(self, op: Get) -> bytes | None:
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return b"a secret"

    @serves(Set)
    async def set(self, op: Set) -> None:
        if self.error is not None:
            raise self.error


class Broken:
    """A logger that cannot log."""

    def debug(self, event: str, **values: Any) -> None:
        raise OSError(event)

    def warning(self, event: str, **values: Any) -> None:
        raise OSError(event)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, dict[str, Any]]]:
    names = ("operation", "target", "backend", "error", "reason", "seconds")
    return [
        (
            record.levelname,
            record.getMessage(),
            {name: vars(record)[name] for name in names if name in vars(record)},
        )
        for record in caplog.records
        if record.name == "lamina"
    ]


async def test_a_failure_is_a_warning_without_content(caplog: pytest.LogCaptureFixture) -> None:
    store = Stack(Log()).over(Moody(Unavailable("connection refused")))

    with pytest.raises(Unavailable):
        await store.set("a", b"a secret")

    assert told(caplog) == [
        (
            "WARNING",
            "operation failed",
            {
                "operation": "keyvalue.Set",
                "target": "'a'",
                "backend": "moody",
                "error": "Unavailable",
                "reason": "connection refused",
            },
        )
    ]
    assert "secret" not in caplog.text


async def test_the_message_of_a_foreign_error_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Stack(Log()).over(Moody(RuntimeError("password is hunter2")))

    with pytest.raises(RuntimeError):
        await store.get("a")

    assert told(caplog)[0][2]["error"] == "RuntimeError"
    assert "hunter2" not in str(told(caplog))


async def test_success_is_logged_only_while_debug_is_on(caplog: pytest.LogCaptureFixture) -> None:
    store = Stack(Log()).over(Moody(seconds=2.0))

    await store.get("a")
    assert told(caplog) == []
    with caplog.at_level(logging.DEBUG, logger="lamina"):
        await store.get("a")

    level, message, values = told(caplog)[0]
    assert (level, message, values["seconds"]) == ("DEBUG", "operation", 2.0)
    assert "a secret" not in str(told(caplog))


async def test_a_slow_operation_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    quick = Stack(Log(slow=1.0)).over(Moody(seconds=0.9))
    slow = Stack(Log(slow=1.0)).over(Moody(seconds=1.1))

    await quick.get("a")
    await slow.get("a")

    assert [(level, message) for level, message, _ in told(caplog)] == [
        ("WARNING", "operation was slow")
    ]


async def test_a_structlog_logger_of_the_user_is_used() -> None:
    with structlog.testing.capture_logs() as logs:
        store = Stack(Log(logger=structlog.get_logger())).over(Moody(Unavailable("down")))
        with pytest.raises(Unavailable):
            await store.get("a")

    assert logs[0]["event"] == "operation failed"
    assert logs[0]["operation"] == "keyvalue.Get"


async def test_a_logger_that_raises_never_fails_the_call() -> None:
    store = Stack(Log(logger=Broken())).over(Moody())

    assert await store.get("a") == b"a secret"

    layer = store.bound.layer(Log)
    assert layer is not None
    assert layer.dropped == 1


async def test_a_logger_that_raises_leaves_the_error_as_it_was() -> None:
    error = Unavailable("down")
    store = Stack(Log(logger=Broken())).over(Moody(error))

    with pytest.raises(Unavailable) as caught:
        await store.get("a")

    assert caught.value is error


async def test_a_hostile_key_cannot_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    store = Stack(Log()).over(Moody(Unavailable("down")))

    with pytest.raises(Unavailable):
        await store.get("a\nWARNING forged \u202e" + "x" * 900)

    target = told(caplog)[0][2]["target"]
    assert "\n" not in target
    assert "\u202e" not in target
    assert len(target) < 100


def test_is_cancellable_at_each_suspension() -> None:
    async def scenario() -> None:
        await Stack(Log(slow=0.5)).over(Moody(seconds=1.0)).get("a")

    assert sweep(scenario).points == 1


@pytest.mark.parametrize("slow", [0, -1.0, float("nan"), float("inf"), True, "1"])
def test_a_threshold_that_is_no_duration_is_refused(slow: float) -> None:
    with pytest.raises(StackError, match="Log: slow must be a finite number above 0, or None"):
        Log(slow=slow)


async def test_a_logger_that_only_seems_to_know_its_level_fails_no_call() -> None:
    told: list[str] = []

    class Plain:
        def msg(self, message: str) -> None:
            told.append(message)

        debug = warning = msg

    logger = structlog.wrap_logger(
        Plain(),
        wrapper_class=structlog.BoundLogger,
        processors=[structlog.processors.KeyValueRenderer()],
    )
    store = Stack(Log(logger=logger)).over(Moody())
    assert await store.get("a") == b"a secret"
    assert len(told) == 1
    assert "keyvalue.Get" in told[0]
