"""What each kind of index takes."""

from __future__ import annotations

from typing import Literal, TypeAlias

from lamina.errors import Invalid

Kind: TypeAlias = Literal["dense", "sparse", "hybrid"]


def check_written(kind: Kind, *, dense: bool, sparse: bool) -> None:
    """Refuse a record that lacks what *kind* needs: hybrid needs both vectors."""
    if kind == "hybrid" and not (dense and sparse):
        msg = "this index requires dense and sparse vectors"
        raise Invalid(msg)
    check_asked(kind, dense=dense, sparse=sparse)


def check_asked(kind: Kind, *, dense: bool, sparse: bool) -> None:
    """Refuse a query that *kind* cannot answer: hybrid takes either vector or both."""
    if kind == "dense" and (sparse or not dense):
        msg = "this index requires dense vectors"
    elif kind == "sparse" and (dense or not sparse):
        msg = "this index requires sparse vectors"
    elif not (dense or sparse):
        msg = "a search needs a vector"
    else:
        return
    raise Invalid(msg)
