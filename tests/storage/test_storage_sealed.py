"""All four stores sealed, as a file declares them."""

from __future__ import annotations

from pathlib import Path

import pytest

import lamina
from lamina.cli import main
from lamina.errors import Unsupported
from lamina.layers.seal import Seal

KEY = Seal.new_key()
SECRET = "the moon is made of cheese"
LAYERS = {"keyvalue": '"squeeze", "seal"', "vectors": '"seal"', "documents": '"seal"'}


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "lamina.toml"
    path.write_text(
        "\n".join(
            f'[{domain}]\nlayers = [{layers}]\n[{domain}.seal]\nkeys = ["${{LAMINA_SEAL_KEY}}"]'
            for domain, layers in {**LAYERS, "media": '"seal"'}.items()
        )
    )
    return path


async def test_conversations_documents_and_media_are_kept_and_nothing_is_in_clear(
    settings: Path,
) -> None:
    home = settings.parent / "home"
    told = {"role": "user", "content": SECRET}
    for opened in range(2):
        environ = {"LAMINA_SEAL_KEY": KEY}
        async with lamina.open(settings, environ=environ, home=home) as storage:
            if not opened:
                assert await storage.append_message("chat", {**told}) == 1
                document = await storage.store_document(SECRET, {}, index_for_search=False)
                media = await storage.store_media(SECRET.encode(), "a.txt", "text/plain")
            assert await storage.get_conversation("chat") == [told]
            found = await storage.get_document(document)
            assert found is not None
            assert found["content"] == SECRET
            assert await storage.get_media(media) == SECRET.encode()

    kept = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert len(kept) >= 4
    assert not any(SECRET.encode() in data or KEY.encode() in data for data in kept)


async def test_what_the_backend_would_have_to_see_is_unsupported_and_leaves_nothing(
    settings: Path,
) -> None:
    environ = {"LAMINA_SEAL_KEY": KEY}
    async with lamina.open(settings, environ=environ, home=settings.parent) as storage:
        with pytest.raises(Unsupported, match="the backend cannot embed it"):
            await storage.store_document(SECRET, {})
        assert [one async for one in storage.documents.scan()] == []
        with pytest.raises(Unsupported, match="no words are found"):
            await storage.documents.search("moon")
        with pytest.raises(Unsupported, match="a text would be told to the backend"):
            await storage.search_context("moon")


@pytest.mark.parametrize("key", [KEY, "", "hunter2-hunter2"], ids=["right", "missing", "wrong"])
@pytest.mark.parametrize("command", ["plan", "doctor"])
def test_commands_never_show_a_key(
    command: str,
    key: str,
    settings: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(settings.parent)
    monkeypatch.setenv("LAMINA_HOME", str(settings.parent / "home"))
    monkeypatch.setenv("LAMINA_SEAL_KEY", key)

    main([command])
    main([command, "--json"])

    shown = "".join(capsys.readouterr())
    assert "keyvalue" in shown
    assert not key or key not in shown
    assert KEY[:-1] not in shown
    assert ("missing, set LAMINA_SEAL_KEY" in shown) is (not key)
