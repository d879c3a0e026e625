-- Vectors of Lamina, by pgvector 0.7 or later. Runs as it is on PostgreSQL 14 and later, by a user
-- who may create extensions, or once one has created this one.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE SCHEMA IF NOT EXISTS lamina;

CREATE TABLE IF NOT EXISTS lamina.lamina_versions (
    name text PRIMARY KEY,
    version integer NOT NULL
);

-- What holds for all vectors here: dimension, metric, and embedder of the texts. They are noted
-- with the first record; the index, for vectors of up to 2,000 numbers, is made then:
--   CREATE INDEX lamina_vectors_nearest ON lamina.lamina_vectors
--       USING hnsw ((embedding::vector(DIMENSION)) vector_cosine_ops);
-- with vector_ip_ops for the metric dot, vector_l2_ops for euclidean.
CREATE TABLE IF NOT EXISTS lamina.lamina_vectors_facts (
    name text PRIMARY KEY,
    value text NOT NULL
);

-- A namespace of a scope; its row stays when its last record has gone.
CREATE TABLE IF NOT EXISTS lamina.lamina_vectors_spaces (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope text COLLATE "C" NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    UNIQUE (scope, namespace)
);

-- metadata and exact are as in documents.sql; text is what the vector was made from, if it was.
CREATE TABLE IF NOT EXISTS lamina.lamina_vectors (
    space bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    text text,
    metadata jsonb NOT NULL DEFAULT '{}',
    exact text,
    embedding vector NOT NULL,
    CONSTRAINT lamina_vectors_id PRIMARY KEY (space, id)
);

INSERT INTO lamina.lamina_versions VALUES ('vectors', 1) ON CONFLICT DO NOTHING;
