from __future__ import annotations

from typing import Any

import pytest
from storage_faults import make

from lamina.errors import Invalid, StackError
from lamina.layers.cache import Cache


async def test_tenants_see_nothing_of_each_other() -> None:
    whole = make(None, Cache(60.0))
    acme, other = whole.tenant("acme"), whole.tenant("other")
    await acme.append_message("1", {"role": "user", "content": "secret"})
    id_ = await acme.store_document("secret plans", {}, document_id="same")
    reference = await acme.store_media(b"secret", "a", "image/png")

    for storage in (other, whole):
        assert await storage.get_conversation("1") is None
        assert await storage.get_document(id_) is None
        assert await storage.get_media(reference) is None
        assert (await storage.search_context("secret", "1"))["vector_results"] == []
        assert not await storage.delete_conversation("1")
        assert not await storage.delete_document(id_)
        assert not await storage.delete_media(reference)
        assert not await storage.update_document(id_, "stolen")

    assert await acme.get_conversation("1") == [{"role": "user", "content": "secret"}]
    assert await acme.get_document(id_) is not None
    assert await acme.get_media(reference) == b"secret"
    assert [r["id"] for r in (await acme.search_context("secret"))["vector_results"]] == ["same"]


async def test_the_same_ids_serve_each_tenant() -> None:
    whole = make()
    for name in ("a", "b"):
        await whole.tenant(name).store_document(f"text of {name}", {}, document_id="1", path="p")

    documents = [await whole.tenant(name).get_document("1") for name in ("a", "b")]

    assert [d and d["content"] for d in documents] == ["text of a", "text of b"]


async def test_every_operation_of_a_tenant_carries_its_scope() -> None:
    acme = make().tenant("acme")

    assert {store.scope for store in acme.stores().values()} == {"acme"}


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "x" * 1025, None])
def test_refuses_a_hostile_name(name: Any) -> None:
    with pytest.raises(Invalid, match="scope"):
        make().tenant(name)


async def test_a_tenant_cannot_become_another_nor_close_the_rest() -> None:
    acme = make().tenant("acme")

    with pytest.raises(StackError, match="confined already"):
        acme.tenant("other")
    with pytest.raises(StackError, match="opened and closed by the one"):
        await acme.close()
    with pytest.raises(StackError, match="opened and closed by the one"):
        await acme.open()
    assert await acme.get_conversation("1") is None
