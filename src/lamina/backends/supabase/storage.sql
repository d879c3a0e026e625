-- Listings of objects for Lamina's media on Supabase Storage; it may be run again.
--
-- Storage itself lists by folders and offsets, which skip objects while others write.

CREATE SCHEMA IF NOT EXISTS lamina;

-- The objects of a bucket whose name begins with a stem, in order, from behind a name. Those of
-- scopes and uploads (=s/, =u/) only if they are meant too. Policies on storage.objects apply.
CREATE OR REPLACE FUNCTION lamina.lamina_objects(
    bucket text, stem text, behind text, most integer, inner_too boolean
) RETURNS jsonb
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(jsonb_agg(to_jsonb(one) ORDER BY one.name COLLATE "C"), '[]')
    FROM (
        SELECT o.name, o.updated_at, o.metadata, o.user_metadata FROM storage.objects AS o
        WHERE o.bucket_id = bucket AND starts_with(o.name, stem)
            AND o.name COLLATE "C" > behind
            AND (inner_too OR NOT (starts_with(o.name, '=s/') OR starts_with(o.name, '=u/')))
        ORDER BY o.name COLLATE "C" LIMIT most
    ) AS one
$$;

NOTIFY pgrst, 'reload schema';
