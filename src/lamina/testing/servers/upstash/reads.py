"""Endpoints that read records: fetch, range."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from lamina.testing.servers.upstash.reading import Fields
from lamina.testing.servers.upstash.record import dumped
from lamina.testing.servers.upstash.refusals import Refused, wrong_input

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.index import Asked


def fetch(asked: Asked) -> str:
    """Return records by ids, null for a missing one, or by prefix."""
    fields = Fields({"ids": asked.body} if isinstance(asked.body, list) else asked.body)
    if sum(name in fields for name in ("ids", "prefix")) != 1:
        raise Refused(400, "Only one of ids or prefix must be provided.")
    include, ids, space = fields.include(), fields.ids(), asked.found
    if ids is not None:
        by_id = {} if space is None else space.records.by_id
        found = [by_id.get(key) for key in ids]
        texts = ["null" if record is None else record.text(include) for record in found]
    else:
        records = () if space is None else space.records.since(0, fields.text("prefix") or "")
        most = asked.options.limits.max_prefix
        texts = [record.text(include) for record in islice(records, most)]
    return f"[{','.join(texts)}]"


def page(asked: Asked) -> str:
    """Return a page of records in the order they came, and where the next begins."""
    fields = Fields(asked.body)
    start, limit = _cursor(fields), fields.count("limit", 10)
    if limit < 1:
        raise wrong_input()
    include, space = fields.include(), asked.found
    records = () if space is None else space.records.since(start, fields.text("prefix") or "")
    found = list(islice(records, limit + 1))
    following = dumped(str(found[limit].slot) if len(found) > limit else "")
    texts = ",".join(record.text(include) for record in found[:limit])
    return f'{{"nextCursor":{following},"vectors":[{texts}]}}'


def _cursor(fields: Fields) -> int:
    given = fields.cursor()
    if given == "":
        return 0
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        raise wrong_input()
    return int(given)
