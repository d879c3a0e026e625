-- Documents of Lamina behind Supabase's API: who may see what, and what its API needs besides.
-- Run it after documents.sql, in the same schema; it may be run again.
--
-- The service key sees everything. A signed-in user sees the scope that the project's admin put
-- into app_metadata (a user cannot change that one): {"lamina_scope": "acme"}. Others see nothing.

ALTER TABLE lamina.lamina_documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE lamina.lamina_versions ENABLE ROW LEVEL SECURITY;

CREATE OR REPLACE FUNCTION lamina.lamina_own_scope() RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb
        -> 'app_metadata' ->> 'lamina_scope'
$$;

DROP POLICY IF EXISTS lamina_own_scope ON lamina.lamina_documents;
CREATE POLICY lamina_own_scope ON lamina.lamina_documents FOR ALL TO authenticated
    USING (scope <> '' AND scope = (SELECT lamina.lamina_own_scope()))
    WITH CHECK (scope <> '' AND scope = (SELECT lamina.lamina_own_scope()));

DROP POLICY IF EXISTS lamina_anyone ON lamina.lamina_versions;
CREATE POLICY lamina_anyone ON lamina.lamina_versions FOR SELECT TO authenticated USING (true);

-- A project's default rights are all of them, among them to empty a table of all scopes.
REVOKE ALL ON lamina.lamina_documents, lamina.lamina_versions FROM PUBLIC, anon, authenticated;
GRANT USAGE ON SCHEMA lamina TO authenticated, service_role;
GRANT SELECT, INSERT, UPDATE, DELETE ON lamina.lamina_documents TO authenticated, service_role;
GRANT SELECT ON lamina.lamina_versions TO authenticated, service_role;

-- As one value, so that the API's limit of rows cuts nothing off.
CREATE OR REPLACE FUNCTION lamina.lamina_documents_read(_scope text, _ids text[]) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'id', id, 'content', content, 'metadata', coalesce(exact, metadata::text),
        'version', version, 'path', path, 'created_at', created_at, 'updated_at', updated_at
    )), '[]')
    FROM lamina.lamina_documents WHERE scope = _scope AND id = ANY (_ids)
$$;

CREATE OR REPLACE FUNCTION lamina.lamina_documents_page(
    _scope text, _words text[], _condition jsonb, _sorted_by text, _descending boolean,
    _after_value jsonb, _after_id text, _most integer
) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(jsonb_agg(to_jsonb(one) ORDER BY place), '[]')
    FROM lamina.lamina_documents_find(_scope, _words, _condition, _sorted_by, _descending,
        _after_value, _after_id, _most)
    WITH ORDINALITY AS one (id, content, metadata, version, path, created_at, updated_at, score,
        place)
$$;

NOTIFY pgrst, 'reload schema';
