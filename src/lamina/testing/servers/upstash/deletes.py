"""Endpoints that delete: delete, reset, delete-namespace; and rename-namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lamina.testing.servers.upstash.reading import Fields, identified
from lamina.testing.servers.upstash.refusals import (
    DEFAULT_STAYS,
    ONE_TO_DELETE,
    Refused,
    no_namespace,
)
from lamina.testing.servers.upstash.searching import filtered

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.index import Asked
    from lamina.testing.servers.upstash.namespace import Namespace

SUCCESS: Final = '"Success"'


def delete(asked: Asked) -> str:
    """Delete by ids, prefix or filter, and tell how many there were."""
    fields = identified(asked.body)
    ids, prefix, wanted = fields.ids(), fields.text("prefix"), filtered(asked, fields)
    if (ids is not None) + bool(prefix) + (wanted is not None) != 1:
        raise Refused(400, ONE_TO_DELETE)
    space = asked.found
    if space is None:
        return '{"deleted":0}'
    if prefix:
        ids = [record.id for record in space.records.since(0, prefix)]
    elif wanted is not None:
        records = space.records.by_id.values()
        ids = [each.id for each in records if each.metadata is not None and wanted(each.metadata)]
    return f'{{"deleted":{space.drop(ids or [], asked.drop_due)}}}'


def reset(asked: Asked) -> str:
    """Empty one namespace, which need not exist, or all; they stay."""
    spaces: list[Namespace | None] = [asked.found]
    if asked.everything:
        spaces = list(asked.index.namespaces.values())
    for space in spaces:
        if space is not None:
            space.clear(asked.drop_due)
    asked.index.unsettle()
    return SUCCESS


def delete_namespace(asked: Asked) -> str:
    """Forget a namespace, but for the default one."""
    if not asked.namespace:
        raise Refused(422, f"{DEFAULT_STAYS}deleted.")
    gone = asked.index.namespaces.pop(asked.namespace, None)
    if gone is None:
        raise no_namespace(asked.namespace, asked.index.name)
    gone.clear(None)  # for resumable queries that still read it
    return SUCCESS


def rename_namespace(asked: Asked) -> str:
    """Give a namespace another name, and tell whether that was possible."""
    fields = Fields(asked.body)
    old, new = fields.needed("namespace"), fields.needed("newNamespace")
    if not (old and new):
        raise Refused(422, f"{DEFAULT_STAYS}renamed.")
    spaces = asked.index.namespaces
    if old not in spaces or old == new or (new in spaces and not fields.flag("deleteExisting")):
        return '{"renamed":false}'
    if new in spaces:
        spaces[new].clear(None)
    spaces[new] = spaces.pop(old)
    return '{"renamed":true}'
