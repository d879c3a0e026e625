"""Cursors that say which store's they are: another would go on somewhere else with them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lamina.errors import StorageError

if TYPE_CHECKING:
    from lamina.layers.fallback.other import Other
    from lamina.operation import Handler
    from lamina.values import Page

_THERE: Final = "fallback:"
_HERE: Final = "primary:"
"""Before a cursor of the first store that begins like a marked one."""


def paged(first: Handler[Any, Any], other: Other) -> Handler[Any, Any]:
    """Return the handler of an operation with a cursor.

    A listing that began at the other store goes on there, also once the first is back; one that
    began at the first fails with it.
    """

    async def page(op: Any) -> Any:
        cursor = op.cursor
        if cursor is not None and cursor.startswith(_THERE):
            return _marked(await other.send(_at(op, cursor[len(_THERE) :]), of=op))
        if cursor is not None and cursor.startswith(_HERE):
            op = _at(op, cursor[len(_HERE) :])
        try:
            answer = await first(op)
        except StorageError as error:
            if not other.may_answer(op, error):
                raise
            failed = error
        else:
            return _escaped(answer)
        return _marked(await other.instead(op, failed))

    return page


def _marked(answer: Page[Any]) -> Any:
    return answer if answer.next is None else replace(answer, next=_THERE + answer.next)


def _escaped(answer: Page[Any]) -> Any:
    if answer.next is None or not answer.next.startswith((_THERE, _HERE)):
        return answer
    return replace(answer, next=_HERE + answer.next)


def _at(op: Any, cursor: str) -> Any:
    made = copy.copy(op)
    made.cursor = cursor
    return made
