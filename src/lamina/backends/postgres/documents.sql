-- Documents of Lamina: the table, and what is done to it in more than one step.
--
-- Runs as it is on PostgreSQL 14 and later, and on Supabase; it needs no extension and no
-- superuser. Another schema than lamina: replace "lamina." everywhere, and "SCHEMA lamina" in the
-- first statement. All names begin with lamina_, so that they may live in a schema of others.
--
-- The client gives for each document, the same on every door to this table:
--   metadata  jsonb for conditions: floats of 2^53 and more as whole numbers, in strings U+0001
--             as U+0001 U+0002 and NUL as U+0001 U+0001 (jsonb holds no NUL; order is kept)
--   exact     the metadata's JSON text where jsonb would not give it back as it was, else null
--   words     each word of the content once, folded; one too long for an index is hashed
--   weights   how much the word at the same place counts: more than 0

CREATE SCHEMA IF NOT EXISTS lamina;

CREATE TABLE IF NOT EXISTS lamina.lamina_versions (
    name text PRIMARY KEY,
    version integer NOT NULL
);

-- The one clock, in Unix seconds.
CREATE OR REPLACE FUNCTION lamina.lamina_now() RETURNS double precision
LANGUAGE sql VOLATILE
AS $$ SELECT extract(epoch FROM clock_timestamp())::double precision $$;

CREATE TABLE IF NOT EXISTS lamina.lamina_documents (
    scope text COLLATE "C" NOT NULL DEFAULT '',
    id text COLLATE "C" NOT NULL,
    path text COLLATE "C",
    version bigint NOT NULL DEFAULT 1,
    created_at double precision NOT NULL DEFAULT lamina.lamina_now(),
    updated_at double precision NOT NULL DEFAULT lamina.lamina_now(),
    metadata jsonb NOT NULL DEFAULT '{}',
    exact text,
    content text NOT NULL,
    words text[] COLLATE "C" NOT NULL DEFAULT '{}',
    weights real[] NOT NULL DEFAULT '{}',
    CONSTRAINT lamina_documents_id PRIMARY KEY (scope, id),
    CONSTRAINT lamina_documents_path UNIQUE (scope, path)
);

CREATE INDEX IF NOT EXISTS lamina_documents_created
    ON lamina.lamina_documents (scope, created_at, id);

CREATE INDEX IF NOT EXISTS lamina_documents_updated
    ON lamina.lamina_documents (scope, updated_at, id);

CREATE INDEX IF NOT EXISTS lamina_documents_words
    ON lamina.lamina_documents USING gin (words);

-- How well a document fits, more than 0: the weights of the words asked for. It depends on nothing
-- but the document, so the place of a page's end stays where it was while others write.
CREATE OR REPLACE FUNCTION lamina.lamina_score(_words text[], _weights real[], _asked text[])
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT coalesce(sum(_weights[array_position(_words, asked)]::double precision ORDER BY asked), 0)
    FROM unnest(_asked) AS asked
$$;

-- Whether metadata meets a condition, with Lamina's meaning: what is missing or of another type
-- compares as false. A condition is one of
--   ["every", [conditions]], ["some", [conditions]], ["not", condition],
--   ["exists", "a.b"], ["contains", "a.b", value], ["in", "a.b", [values]],
--   ["==", "a.b", value], and likewise != < <= > >=
-- with values written as in the column metadata.
CREATE OR REPLACE FUNCTION lamina.lamina_meets(_metadata jsonb, _condition jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    op text := _condition ->> 0;
    part jsonb;
    found jsonb;
    wanted jsonb := _condition -> 2;
BEGIN
    IF op = 'every' THEN
        FOR part IN SELECT jsonb_array_elements(_condition -> 1) LOOP
            IF NOT lamina.lamina_meets(_metadata, part) THEN
                RETURN false;
            END IF;
        END LOOP;
        RETURN true;
    ELSIF op = 'some' THEN
        FOR part IN SELECT jsonb_array_elements(_condition -> 1) LOOP
            IF lamina.lamina_meets(_metadata, part) THEN
                RETURN true;
            END IF;
        END LOOP;
        RETURN false;
    ELSIF op = 'not' THEN
        RETURN NOT lamina.lamina_meets(_metadata, _condition -> 1);
    END IF;
    found := _metadata #> string_to_array(_condition ->> 1, '.');
    IF op = 'exists' THEN
        RETURN found IS NOT NULL;
    ELSIF found IS NULL THEN
        RETURN false;
    ELSIF op = 'in' THEN
        RETURN EXISTS (SELECT 1 FROM jsonb_array_elements(wanted) AS one WHERE one.value = found);
    ELSIF op = 'contains' THEN
        RETURN jsonb_typeof(found) = 'array'
            AND EXISTS (SELECT 1 FROM jsonb_array_elements(found) AS one WHERE one.value = wanted);
    ELSIF jsonb_typeof(found) <> jsonb_typeof(wanted) THEN
        RETURN false;
    END IF;
    RETURN CASE op
        WHEN '==' THEN found = wanted
        WHEN '!=' THEN found <> wanted
        ELSE lamina.lamina_ordered(found, op, wanted)
    END;
END
$$;

-- Compare two JSON values of one type by order; texts by code point.
CREATE OR REPLACE FUNCTION lamina.lamina_ordered(_found jsonb, _op text, _value jsonb)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    way integer;
BEGIN
    IF jsonb_typeof(_found) = 'string' THEN
        way := CASE
            WHEN (_found #>> '{}') COLLATE "C" < (_value #>> '{}') COLLATE "C" THEN -1
            WHEN (_found #>> '{}') COLLATE "C" > (_value #>> '{}') COLLATE "C" THEN 1
            ELSE 0
        END;
    ELSE
        way := CASE WHEN _found < _value THEN -1 WHEN _found > _value THEN 1 ELSE 0 END;
    END IF;
    CASE _op
        WHEN '<' THEN RETURN way < 0;
        WHEN '<=' THEN RETURN way <= 0;
        WHEN '>' THEN RETURN way > 0;
        WHEN '>=' THEN RETURN way >= 0;
        ELSE RAISE EXCEPTION 'no such comparison' USING ERRCODE = '22023';
    END CASE;
END
$$;

-- Write whole documents, one after the other, each by itself. An item has id, path, content,
-- metadata, exact, words, weights. Tells for each 'done', or 'path' if another document has its
-- path: then it is not written.
CREATE OR REPLACE FUNCTION lamina.lamina_documents_write(_scope text, _items jsonb) RETURNS text[]
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    item record;
    outcomes text[] := '{}';
    violated text;
    moment double precision := lamina.lamina_now();
BEGIN
    FOR item IN
        SELECT one.* FROM jsonb_array_elements(_items) WITH ORDINALITY AS each (value, place),
        jsonb_to_record(each.value) AS one (
            id text, path text, content text, metadata jsonb, exact text,
            words text[], weights real[])
        ORDER BY each.place
    LOOP
        BEGIN
            INSERT INTO lamina.lamina_documents AS old
                (scope, id, path, created_at, updated_at, content, metadata, exact, words, weights)
            VALUES (_scope, item.id, item.path, moment, moment, item.content, item.metadata,
                item.exact, item.words, item.weights)
            ON CONFLICT ON CONSTRAINT lamina_documents_id DO UPDATE SET
                path = excluded.path, version = old.version + 1,
                updated_at = excluded.updated_at, content = excluded.content,
                metadata = excluded.metadata, exact = excluded.exact,
                words = excluded.words, weights = excluded.weights;
            outcomes := outcomes || 'done'::text;
        EXCEPTION WHEN unique_violation THEN
            GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
            IF violated <> 'lamina_documents_path' THEN
                RAISE;
            END IF;
            outcomes := outcomes || 'path'::text;
        END;
    END LOOP;
    RETURN outcomes;
END
$$;

-- Write a whole document at a path: the one that is there, or a new one with this id. Gives its
-- id, null if the id is that of a document elsewhere.
CREATE OR REPLACE FUNCTION lamina.lamina_documents_write_at(
    _scope text, _path text, _id text, _content text, _metadata jsonb, _exact text,
    _words text[], _weights real[]
) RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    written text;
    moment double precision := lamina.lamina_now();
BEGIN
    FOR attempt IN 1..100 LOOP
        UPDATE lamina.lamina_documents AS old SET
            version = old.version + 1, updated_at = moment, content = _content,
            metadata = _metadata, exact = _exact, words = _words, weights = _weights
        WHERE old.scope = _scope AND old.path = _path
        RETURNING old.id INTO written;
        IF FOUND THEN
            RETURN written;
        END IF;
        BEGIN
            INSERT INTO lamina.lamina_documents
                (scope, id, path, created_at, updated_at, content, metadata, exact, words, weights)
            VALUES (_scope, _id, _path, moment, moment, _content, _metadata, _exact, _words,
                _weights);
            RETURN _id;
        EXCEPTION WHEN unique_violation THEN
            -- Another has the id or, by a race, the path: which, the next look tells.
            PERFORM 1 FROM lamina.lamina_documents AS other
            WHERE other.scope = _scope AND other.id = _id AND other.path IS DISTINCT FROM _path;
            IF FOUND AND NOT EXISTS (
                SELECT 1 FROM lamina.lamina_documents AS other
                WHERE other.scope = _scope AND other.path = _path
            ) THEN
                RETURN NULL;
            END IF;
        END;
    END LOOP;
    RAISE EXCEPTION 'the path changed hands too often' USING ERRCODE = '40001';
END
$$;

-- Change what is given (null stays) of a document, if it has the expected version (null: any).
-- Gives its new version, its present one below zero if another was expected, null if absent.
CREATE OR REPLACE FUNCTION lamina.lamina_documents_update(
    _scope text, _id text, _expected bigint, _content text, _words text[], _weights real[],
    _metadata jsonb, _exact text
) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    present bigint;
BEGIN
    SELECT old.version INTO present FROM lamina.lamina_documents AS old
    WHERE old.scope = _scope AND old.id = _id FOR UPDATE;
    IF present IS NULL THEN
        RETURN NULL;
    ELSIF present <> _expected THEN
        RETURN -present;
    END IF;
    UPDATE lamina.lamina_documents AS old SET
        version = old.version + 1, updated_at = lamina.lamina_now(),
        content = coalesce(_content, old.content),
        words = CASE WHEN _content IS NULL THEN old.words ELSE _words END,
        weights = CASE WHEN _content IS NULL THEN old.weights ELSE _weights END,
        metadata = coalesce(_metadata, old.metadata),
        exact = CASE WHEN _metadata IS NULL THEN old.exact ELSE _exact END
    WHERE old.scope = _scope AND old.id = _id;
    RETURN present + 1;
END
$$;

-- Find the documents of a scope that hold every word (null: whatever they hold) and meet the
-- condition (null: any), sorted by 'rank' (the score below zero), 'created_at', 'updated_at', 'id'
-- or 'path' and then by id, after a place: the sorted value, as JSON, and the id.
CREATE OR REPLACE FUNCTION lamina.lamina_documents_find(
    _scope text, _words text[], _condition jsonb, _sorted_by text, _descending boolean,
    _after_value jsonb, _after_id text, _most integer
) RETURNS TABLE (
    id text, content text, metadata text, version bigint, path text,
    created_at double precision, updated_at double precision, score double precision
)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    sorted text := CASE _sorted_by
        WHEN 'rank' THEN '(-lamina.lamina_score(words, weights, $2))'
        WHEN 'created_at' THEN 'created_at'
        WHEN 'updated_at' THEN 'updated_at'
        WHEN 'id' THEN 'id'
        WHEN 'path' THEN 'coalesce(path, '''')'
    END;
    kind text := CASE WHEN _sorted_by IN ('id', 'path') THEN 'text' ELSE 'double precision' END;
    way text := CASE WHEN _descending THEN 'DESC' ELSE 'ASC' END;
    wheres text := 'scope = $1';
BEGIN
    IF sorted IS NULL THEN
        RAISE EXCEPTION 'no such order' USING ERRCODE = '22023';
    END IF;
    IF _words IS NOT NULL THEN
        wheres := wheres || ' AND words @> $2';
    END IF;
    IF _condition IS NOT NULL THEN
        wheres := wheres || ' AND lamina.lamina_meets(metadata, $3)';
    END IF;
    IF _after_id IS NOT NULL THEN
        wheres := wheres || format(' AND (%s, id) %s (($4 #>> ''{}'')::%s, $5)',
            sorted, CASE WHEN _descending THEN '<' ELSE '>' END, kind);
    END IF;
    RETURN QUERY EXECUTE
        'SELECT id, content, coalesce(exact, metadata::text), version, path, created_at, '
        'updated_at, CASE WHEN $2 IS NULL THEN 0 ELSE lamina.lamina_score(words, weights, $2) END '
        'FROM lamina.lamina_documents WHERE ' || wheres ||
        format(' ORDER BY %s %s, id %s LIMIT $6', sorted, way, way)
    USING _scope, _words, _condition, _after_value, _after_id, _most;
END
$$;

INSERT INTO lamina.lamina_versions VALUES ('documents', 1) ON CONFLICT DO NOTHING;
