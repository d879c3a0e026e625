"""The statements on the table of values; what has expired is not there."""

# ruff: noqa: S608  # only constants are put together

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from lamina.backends.postgres.schema import SPLIT

_ALIVE: Final = "(expires_at IS NULL OR expires_at > lamina.lamina_now())"
_ALIVE_OLD: Final = "(old.expires_at IS NULL OR old.expires_at > lamina.lamina_now())"
_OVER: Final = "expires_at <= (SELECT lamina.lamina_now())"  # once, so that an index can tell
_KEY: Final = "scope = $1 AND key = $2"
_LEFT: Final = "expires_at - lamina.lamina_now()"
_ENDS: Final = "lamina.lamina_now() + $%d::double precision"
_COUNTS: Final = "encode(old.value, 'escape') ~ '^-?[0-9]{1,19}$'"
_SUM: Final = (
    f"CASE WHEN NOT {_ALIVE_OLD} THEN $3::numeric "
    f"WHEN {_COUNTS} THEN encode(old.value, 'escape')::numeric + $3::numeric END"
)
_KEPT: Final = (
    f"CASE WHEN $4::double precision IS NULL AND {_ALIVE_OLD} "
    f"THEN old.expires_at ELSE excluded.expires_at END"
)


@final
@dataclass(frozen=True, slots=True)
class Statements:
    """Each for the schema lamina."""

    get: str = f"SELECT value FROM lamina.lamina_keyvalue WHERE {_KEY} AND {_ALIVE}"
    get_stamped: str = (
        f"SELECT value, {_LEFT} FROM lamina.lamina_keyvalue WHERE {_KEY} AND {_ALIVE}"
    )
    get_many: str = (
        "SELECT key, value FROM lamina.lamina_keyvalue "
        f"WHERE scope = $1 AND key = ANY($2::text[]) AND {_ALIVE}"
    )
    get_joined: str = (
        "SELECT key, value FROM lamina.lamina_keyvalue "
        f"WHERE scope = $1 AND key = ANY({SPLIT % '$2'}) AND {_ALIVE}"
    )
    get_stamped_many: str = (
        f"SELECT key, value, {_LEFT} FROM lamina.lamina_keyvalue "
        f"WHERE scope = $1 AND key = ANY($2::text[]) AND {_ALIVE}"
    )
    get_stamped_joined: str = (
        f"SELECT key, value, {_LEFT} FROM lamina.lamina_keyvalue "
        f"WHERE scope = $1 AND key = ANY({SPLIT % '$2'}) AND {_ALIVE}"
    )
    set: str = (
        f"INSERT INTO lamina.lamina_keyvalue VALUES ($1, $2, $3, {_ENDS % 4}) "
        "ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, "
        "expires_at = excluded.expires_at"
    )
    set_many: str = (
        "INSERT INTO lamina.lamina_keyvalue "
        f"SELECT $1, one.key, one.value, {_ENDS % 4} "
        "FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS one (key, value, place) "
        "ORDER BY one.place "
        "ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, "
        "expires_at = excluded.expires_at"
    )
    delete: str = f"DELETE FROM lamina.lamina_keyvalue WHERE {_KEY} RETURNING {_ALIVE}"
    replace: str = (
        f"UPDATE lamina.lamina_keyvalue SET value = $4, expires_at = {_ENDS % 5} "
        f"WHERE {_KEY} AND value = $3 AND {_ALIVE} RETURNING true"
    )
    add: str = (
        f"INSERT INTO lamina.lamina_keyvalue AS old VALUES ($1, $2, $3, {_ENDS % 4}) "
        "ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, "
        f"expires_at = excluded.expires_at WHERE NOT {_ALIVE_OLD} RETURNING true"
    )
    increment: str = (
        "INSERT INTO lamina.lamina_keyvalue AS old "
        f"SELECT $1, $2, convert_to($3::numeric::text, 'UTF8'), {_ENDS % 4} "
        "ON CONFLICT (scope, key) DO UPDATE SET "
        f"value = convert_to(({_SUM})::text, 'UTF8'), expires_at = {_KEPT} "
        f"WHERE abs({_SUM}) <= 9223372036854775807 RETURNING value"
    )
    expire: str = (
        f"UPDATE lamina.lamina_keyvalue SET expires_at = {_ENDS % 3} "
        f"WHERE {_KEY} AND {_ALIVE} RETURNING true"
    )
    time_to_live: str = (
        f"SELECT coalesce({_LEFT}, 'Infinity') "
        f"FROM lamina.lamina_keyvalue WHERE {_KEY} AND {_ALIVE}"
    )
    scan: str = (
        "SELECT key FROM lamina.lamina_keyvalue WHERE scope = $1 AND key >= $2 AND key > $3 "
        f"AND {_ALIVE} ORDER BY key LIMIT $4"
    )
    scan_until: str = (
        "SELECT key FROM lamina.lamina_keyvalue WHERE scope = $1 AND key >= $2 AND key > $3 "
        f"AND key < $5 AND {_ALIVE} ORDER BY key LIMIT $4"
    )
    lock: str = (
        f"SELECT value, {_ALIVE} AS alive FROM lamina.lamina_keyvalue WHERE {_KEY} FOR UPDATE"
    )
    hold: str = (  # a row that has expired already, so that nobody finds it, to be locked
        "INSERT INTO lamina.lamina_keyvalue AS old VALUES ($1, $2, '', 0) "
        "ON CONFLICT (scope, key) DO UPDATE SET key = excluded.key "
        f"RETURNING value, {_ALIVE_OLD} AS alive"
    )
    put: str = (
        "UPDATE lamina.lamina_keyvalue SET value = $3, expires_at = CASE WHEN $5 "
        f"THEN expires_at ELSE {_ENDS % 4} END WHERE {_KEY}"
    )
    remembered: str = (
        "SELECT length FROM lamina.lamina_appends "
        "WHERE token = $1 AND expires_at > lamina.lamina_now()"
    )
    remember: str = (
        f"INSERT INTO lamina.lamina_appends VALUES ($1, $2, {_ENDS % 3}) "
        "ON CONFLICT (token) DO UPDATE SET length = excluded.length, "
        "expires_at = excluded.expires_at"
    )
    purge: str = (
        "WITH gone AS (DELETE FROM lamina.lamina_keyvalue WHERE ctid = ANY(ARRAY("
        f"SELECT ctid FROM lamina.lamina_keyvalue WHERE {_OVER} "
        "LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING true) SELECT count(*) FROM gone"
    )
    purge_appends: str = (
        "WITH gone AS (DELETE FROM lamina.lamina_appends WHERE ctid = ANY(ARRAY("
        f"SELECT ctid FROM lamina.lamina_appends WHERE {_OVER} "
        "LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING true) SELECT count(*) FROM gone"
    )
