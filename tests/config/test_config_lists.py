"""Lists in a file and in the environment, with variables in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamina.config import load
from lamina.errors import StackError
from lamina.layers.hedge import Hedge
from lamina.layers.seal import Seal

NEW, OLD = Seal.new_key(), Seal.new_key()
SEALED = """
preset = "test"
[keyvalue]
layers = ["seal"]
[keyvalue.seal]
keys = ["${NEW_KEY}", "${OLD_KEY?}"]
"""


def layer(text: str, environ: dict[str, str], folder: Path) -> Any:
    path = folder / "lamina.toml"
    path.write_text(text)
    return load(path, environ=environ, home=folder).sections["keyvalue"].stack.layers[-1]


def test_each_text_of_a_list_is_filled_by_itself(tmp_path: Path) -> None:
    both = layer(SEALED, {"NEW_KEY": NEW, "OLD_KEY": OLD}, tmp_path)

    assert both == Seal([NEW, OLD])


def test_what_may_be_missing_is_left_out_of_the_list(tmp_path: Path) -> None:
    assert layer(SEALED, {"NEW_KEY": NEW}, tmp_path) == Seal([NEW])


def test_what_is_needed_and_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        layer(SEALED, {"OLD_KEY": OLD}, tmp_path)

    assert "keyvalue.seal.keys: missing, set NEW_KEY" in str(caught.value)
    assert "empty" not in str(caught.value)


def test_the_environment_tells_a_list_with_commas(tmp_path: Path) -> None:
    text = 'preset = "test"\n[keyvalue]\nlayers = ["seal"]\n'
    keys = {"LAMINA_KEYVALUE__SEAL__KEYS": f"{NEW}, {OLD}"}
    hedged = 'preset = "test"\n[keyvalue]\nlayers = ["hedge"]\n'
    ops = {"LAMINA_KEYVALUE__HEDGE__OPS": "Get,Scan"}

    assert layer(text, keys, tmp_path) == Seal([NEW, OLD])
    assert layer(hedged, ops, tmp_path) == Hedge(ops=["Get", "Scan"])


def test_a_value_from_the_environment_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        layer(SEALED, {"NEW_KEY": "hunter2-hunter2"}, tmp_path)

    assert "hunter2" not in str(caught.value)
