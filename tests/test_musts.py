"""The list of what the layers must do, which the checks print."""

from __future__ import annotations

import musts
import pytest


def test_a_test_carries_the_numbers_that_its_name_begins_with() -> None:
    assert musts.numbers("test_rt3_rt4_never_sleeps_too_long") == ["RT3", "RT4"]
    assert musts.numbers("test_never_sleeps_too_long_rt3") == []


def test_each_must_is_carried_or_rejected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["musts.py"])

    assert musts.main() == 0
    assert "RT8   retry                 docs/decisions/0018-retry.md" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("carried", "told"),
    [
        ({}, "BH3 has no test and no decision against it"),
        ({key: ["a test"] for key in (*musts.MUSTS, "RT99")}, "RT99 is no number of these"),
    ],
    ids=["nothing", "unknown"],
)
def test_what_nothing_carries_and_what_nobody_knows_is_told(
    carried: dict[str, list[str]],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["musts.py"])
    monkeypatch.setattr(musts, "carried", lambda: carried)

    assert musts.main() == 1
    assert told in capsys.readouterr().err
