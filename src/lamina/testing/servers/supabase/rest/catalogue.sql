SELECT json_build_object(
    'schemas', (
        SELECT coalesce(json_agg(nspname ORDER BY nspname <> 'public', nspname), '[]')
        FROM pg_namespace
        WHERE nspname !~ '^(pg_|_supabase$|information_schema$|auth$|storage$|extensions$)'
    ),
    'tables', (
        SELECT coalesce(json_agg(json_build_object(
            'schema', nspname, 'name', relname, 'kind', relkind,
            'columns', (
                SELECT coalesce(json_agg(json_build_object(
                    'name', attname,
                    'type', format_type(atttypid, NULL),
                    'base', format_type(coalesce(nullif(typbasetype, 0), atttypid), NULL),
                    'kind', typtype, 'default',
                    CASE WHEN attidentity <> ''
                        THEN format('nextval(%L)', pg_get_serial_sequence(
                            format('%I.%I', nspname, relname), attname))
                        ELSE (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
                            WHERE adrelid = c.oid AND adnum = attnum AND attgenerated = '')
                    END
                ) ORDER BY attnum), '[]')
                FROM pg_attribute JOIN pg_type AS t ON t.oid = atttypid
                WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            ),
            'key', (
                SELECT coalesce(json_agg(attname ORDER BY ord), '[]')
                FROM pg_constraint, unnest(conkey) WITH ORDINALITY AS k (num, ord), pg_attribute
                WHERE conrelid = c.oid AND contype = 'p' AND attrelid = c.oid AND attnum = num
            )
        )), '[]')
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
            AND nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', '_supabase')
    ),
    'views', (
        SELECT coalesce(json_agg(json_build_object(
            'schema', n.nspname, 'name', c.relname,
            'columns', (
                SELECT coalesce(json_agg(json_build_array(
                    sn.nspname, s.relname, sa.attname, va.attname) ORDER BY va.attnum), '[]')
                FROM (
                    SELECT DISTINCT ON (m[1]) m[1]::int AS num, m[2]::oid AS origin,
                        m[3]::int AS col
                    FROM regexp_matches(ev_action::text, ':resno (\d+) :resname '
                        '(?:\\.|[^ \\])+ :ressortgroupref \d+ :resorigtbl (\d+) '
                        ':resorigcol (\d+)', 'g') WITH ORDINALITY AS f (m, ord)
                    ORDER BY m[1], ord DESC  -- those of inner selects come first
                ) AS e
                JOIN pg_attribute AS va ON va.attrelid = c.oid AND va.attnum = num
                JOIN pg_class AS s ON s.oid = origin
                JOIN pg_namespace AS sn ON sn.oid = s.relnamespace
                JOIN pg_attribute AS sa ON sa.attrelid = origin AND sa.attnum = col
            )
        ) ORDER BY n.nspname, c.relname), '[]')
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
        JOIN pg_rewrite ON ev_class = c.oid AND rulename = '_RETURN'
        WHERE nspname NOT IN ('pg_catalog', 'information_schema', '_supabase')
    ),
    'links', (
        SELECT coalesce(json_agg(json_build_object(
            'name', conname,
            'schema', sn.nspname, 'table', s.relname,
            'columns', (SELECT json_agg(attname ORDER BY ord)
                FROM unnest(conkey) WITH ORDINALITY AS k (num, ord), pg_attribute
                WHERE attrelid = conrelid AND attnum = num),
            'to_schema', tn.nspname, 'to_table', t.relname,
            'to_columns', (SELECT json_agg(attname ORDER BY ord)
                FROM unnest(confkey) WITH ORDINALITY AS k (num, ord), pg_attribute
                WHERE attrelid = confrelid AND attnum = num),
            'single', EXISTS (SELECT FROM pg_constraint AS u
                WHERE u.conrelid = c.conrelid AND u.contype IN ('p', 'u')
                AND u.conkey <@ c.conkey AND u.conkey @> c.conkey)
        ) ORDER BY conname), '[]')
        FROM pg_constraint AS c
        JOIN pg_class AS s ON s.oid = conrelid JOIN pg_namespace AS sn ON sn.oid = s.relnamespace
        JOIN pg_class AS t ON t.oid = confrelid JOIN pg_namespace AS tn ON tn.oid = t.relnamespace
        WHERE contype = 'f' AND conparentid = 0
    ),
    'functions', (
        SELECT coalesce(json_agg(json_build_object(
            'schema', nspname, 'name', proname, 'volatile', provolatile = 'v',
            'set', proretset, 'settings', coalesce(proconfig, '{}'),
            'type', format_type(prorettype, NULL),
            'void', prorettype = 'void'::regtype,
            'table', (SELECT json_build_array(rn.nspname, r.relname) FROM pg_class AS r
                JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
                WHERE r.oid = ty.typrelid AND r.relkind <> 'c'),
            'composite', ty.typtype = 'c' OR prorettype = 'record'::regtype OR EXISTS (
                SELECT FROM unnest(proargmodes) AS m WHERE m IN ('t', 'o', 'b')),
            'variadic', provariadic <> 0,
            'row_of', (SELECT json_build_array(an.nspname, a.relname) FROM pg_class AS a
                JOIN pg_namespace AS an ON an.oid = a.relnamespace
                WHERE pronargs = 1 AND a.reltype = proargtypes[0] AND a.relkind <> 'c'),
            'one', NOT proretset OR prorows = 1,
            'arguments', (
                SELECT coalesce(json_agg(json_build_object(
                    'name', coalesce(proargnames[ord], ''),
                    'type', format_type(arg, NULL),
                    'required', ord_in <= pronargs - pronargdefaults
                ) ORDER BY ord), '[]')
                FROM (
                    SELECT arg, ord, row_number() OVER (ORDER BY ord) AS ord_in
                    FROM unnest(coalesce(proallargtypes, proargtypes::oid[]))
                        WITH ORDINALITY AS a (arg, ord)
                    WHERE proargmodes IS NULL OR proargmodes[ord] IN ('i', 'b', 'v')
                ) AS ins
            )
        ) ORDER BY p.oid), '[]')
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = pronamespace
        JOIN pg_type AS ty ON ty.oid = prorettype
        WHERE prokind = 'f' AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
            AND nspname NOT IN ('pg_catalog', 'information_schema', '_supabase')
            AND NOT EXISTS (SELECT FROM pg_depend
                WHERE objid = p.oid AND classid = 'pg_proc'::regclass AND deptype = 'e')
    )
)::text
