"""What the preset production refuses on top of everything else."""

from __future__ import annotations

import pytest

from lamina.config.load import load
from lamina.config.registry import LAYERS
from lamina.errors import StackError

MEMORY = {
    f"LAMINA_{domain}__BACKEND": "memory"
    for domain in ("KEYVALUE", "VECTORS", "DOCUMENTS", "MEDIA")
}


def test_chaos_is_refused_in_production_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYERS, "chaos", "lamina.layers.chaos:Chaos")
    chaotic = {**MEMORY, "LAMINA_MEDIA__CHAOS__SEED": "7"}

    settings = load(preset="test", environ=chaotic)
    assert [layer.slot for layer in settings.sections["media"].stack.layers][-1] == "chaos"

    with pytest.raises(
        StackError, match=r"E11: Chaos\(seed=7\) has no place in production"
    ) as caught:
        load(preset="production", environ=chaotic)
    assert "media.layers" in str(caught.value)
    load(preset="production", environ=MEMORY)


def test_the_presets_break_no_rule_about_times() -> None:
    for preset in ("embedded", "test"):
        for section in load(preset=preset, environ={}).sections.values():
            breaker, timeout = section.stack.layers[-2:]
            assert breaker.options()["window"] >= 2 * timeout.options()["seconds"]
