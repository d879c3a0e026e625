"""Endpoints that read records: fetch, range, random."""

from __future__ import annotations

import random as chance
from itertools import islice
from typing import TYPE_CHECKING

from lamina.testing.servers.upstash.reading import Fields, identified
from lamina.testing.servers.upstash.record import Include, dumped
from lamina.testing.servers.upstash.refusals import ONE_TO_FETCH, Refused, wrong_input

if TYPE_CHECKING:
    from lamina.testing.servers.upstash.index import Asked


def fetch(asked: Asked) -> str:
    """Return records by ids, null for a missing one, or by prefix."""
    fields = identified(asked.body)
    include, ids, prefix, space = fields.include(), fields.ids(), fields.text("prefix"), asked.found
    if (ids is None) is (prefix is None):
        raise Refused(400, ONE_TO_FETCH)
    if ids is not None:
        asked.limits.check_count("vectors in one fetch", len(ids), "max_read")
        by_id = {} if space is None else space.records.by_id
        found = [by_id.get(key) for key in ids]
        texts = ["null" if record is None else record.text(include) for record in found]
    else:
        records = () if space is None else space.records.since(0, prefix or "")
        most = asked.limits.max_prefix
        texts = [record.text(include) for record in islice(records, most)]
    return f"[{','.join(texts)}]"


def page(asked: Asked) -> str:
    """Return a page of records in the order they came, and where the next begins."""
    fields = Fields(asked.body)
    start, limit = _cursor(fields), fields.count("limit", 10)
    if limit < 1:
        raise wrong_input()
    asked.limits.check_count("vectors in one range", limit, "max_range")
    include, space = fields.include(), asked.found
    records = () if space is None else space.records.since(start, fields.text("prefix") or "")
    found = list(islice(records, limit + 1))
    following = dumped(str(found[limit].slot) if len(found) > limit else "")
    texts = ",".join(record.text(include) for record in found[:limit])
    return f'{{"nextCursor":{following},"vectors":[{texts}]}}'


def random(asked: Asked) -> str:
    """Return any record with its vectors, null if there is none."""
    records = [] if asked.found is None else list(asked.found.records.by_id.values())
    return chance.choice(records).text(Include(vectors=True)) if records else "null"


def _cursor(fields: Fields) -> int:
    given = fields.cursor()
    if given == "":
        return 0
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        raise wrong_input()
    return int(given)
