-- Values of Lamina under keys. Runs as it is on PostgreSQL 14 and later.

CREATE SCHEMA IF NOT EXISTS lamina;

CREATE TABLE IF NOT EXISTS lamina.lamina_versions (
    name text PRIMARY KEY,
    version integer NOT NULL
);

-- The one clock, in Unix seconds.
CREATE OR REPLACE FUNCTION lamina.lamina_now() RETURNS double precision
LANGUAGE sql VOLATILE
AS $$ SELECT extract(epoch FROM clock_timestamp())::double precision $$;

-- expires_at: when the value ends, in Unix seconds; null for never. Who reads after that finds
-- nothing, whether or not the row is still there.
CREATE TABLE IF NOT EXISTS lamina.lamina_keyvalue (
    scope text COLLATE "C" NOT NULL DEFAULT '',
    key text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    expires_at double precision,
    CONSTRAINT lamina_keyvalue_key PRIMARY KEY (scope, key)
);

CREATE INDEX IF NOT EXISTS lamina_keyvalue_expiry
    ON lamina.lamina_keyvalue (expires_at) WHERE expires_at IS NOT NULL;

-- The appends that were done with an idempotency key: its SHA-256 with scope and key, and the
-- length that was told. Remembered for a day.
CREATE TABLE IF NOT EXISTS lamina.lamina_appends (
    token bytea PRIMARY KEY,
    length bigint NOT NULL,
    expires_at double precision NOT NULL
);

CREATE INDEX IF NOT EXISTS lamina_appends_expiry ON lamina.lamina_appends (expires_at);

INSERT INTO lamina.lamina_versions VALUES ('keyvalue', 1) ON CONFLICT DO NOTHING;
