-- Version 2. A collection has an active build, and sometimes a next one that is being filled; what stands indexed of a document in
-- each of them has rows of its own. Generations are drawn anew for every submission; reads are in the name of a tenant.
--
-- Tables that others refer to are made anew and filled from the old ones: jobs, which refer to documents, go before them.

-- How collections are filled: one row per collection of the store, also of those that are still to be dropped.
CREATE TABLE builds (
    physical TEXT PRIMARY KEY,
    collection TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('active', 'next', 'retired')),
    recipe TEXT NOT NULL,
    definition TEXT NOT NULL,
    incarnations TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX builds_by_role ON builds (collection, role) WHERE role != 'retired';
INSERT INTO builds (physical, collection, role, recipe, definition, incarnations)
SELECT name, name, 'active',
    CASE WHEN json_valid(definition) THEN COALESCE(json_extract(definition, '$.recipe'), '') ELSE '' END,
    definition, '[]'
FROM collections;
ALTER TABLE collections DROP COLUMN definition;

-- physical, content_hash, recipe, generation and tags are the target's: the version submitted last. met_limit: of its rejection.
CREATE TABLE documents_2 (
    document_id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    collection TEXT NOT NULL,
    source_uri TEXT NOT NULL,
    source_name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'processing', 'indexed', 'rejected', 'dead', 'deleting')),
    reason TEXT,
    met_limit TEXT,
    physical TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    recipe TEXT NOT NULL,
    generation TEXT NOT NULL,
    tags TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT;
INSERT INTO documents_2
SELECT document_id, tenant, collection, source_uri, source_name, state, reason, NULL, collection, content_hash, recipe, generation,
    tags, size_bytes, attempts, updated_at_ms
FROM documents;

CREATE TABLE jobs_2 (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL UNIQUE REFERENCES documents_2 (document_id) ON DELETE CASCADE,
    task TEXT NOT NULL CHECK (task IN ('index', 'retag')),
    attempts INTEGER NOT NULL,
    claims INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    due_at_ms INTEGER NOT NULL,
    lease_until_ms INTEGER
) STRICT;
INSERT INTO jobs_2 SELECT id, document_id, 'index', attempts, claims, 0, due_at_ms, lease_until_ms FROM jobs;

-- What stands indexed: of a document at most one generation in each build. People see those of active builds. The version behind
-- what people see was not written down in version 1: it is known if it is the target.
CREATE TABLE indexed (
    document_id TEXT NOT NULL REFERENCES documents_2 (document_id) ON DELETE CASCADE,
    physical TEXT NOT NULL,
    generation TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    recipe TEXT NOT NULL,
    tags TEXT NOT NULL,
    title TEXT NOT NULL,
    page_count INTEGER NOT NULL,
    failed_pages TEXT NOT NULL,
    PRIMARY KEY (document_id, physical),
    UNIQUE (document_id, generation)
) STRICT;
INSERT INTO indexed
SELECT document_id, collection, visible,
    CASE WHEN generation = visible THEN content_hash ELSE '' END,
    CASE WHEN generation = visible THEN recipe ELSE '' END,
    CASE WHEN generation = visible AND state = 'indexed' THEN tags ELSE '{}' END,
    title, page_count, failed_pages
FROM documents WHERE visible IS NOT NULL;
CREATE INDEX indexed_by_build ON indexed (physical);

CREATE TABLE garbage_2 (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    physical TEXT NOT NULL,
    generation TEXT NOT NULL,
    UNIQUE (document_id, generation)
) STRICT;
INSERT INTO garbage_2
SELECT g.id, g.document_id, COALESCE(d.tenant, 'default'), g.collection, g.generation
FROM garbage g LEFT JOIN documents d ON d.document_id = g.document_id;

-- A job begins anew, under a generation of its own and the recipe of its collection: that of version 1 followed from version and
-- recipe, and may be what people see, or waiting to be removed.
INSERT INTO garbage_2 (document_id, tenant, physical, generation)
SELECT document_id, tenant, collection, generation FROM documents
WHERE state IN ('queued', 'processing') AND (visible IS NULL OR visible != generation)
ON CONFLICT (document_id, generation) DO NOTHING;
UPDATE documents_2 SET
    generation = lower(hex(randomblob(16))),
    recipe = COALESCE((SELECT b.recipe FROM builds b WHERE b.physical = documents_2.physical), recipe)
WHERE state IN ('queued', 'processing');

DROP TABLE jobs;
DROP TABLE garbage;
DROP TABLE documents;
ALTER TABLE documents_2 RENAME TO documents;
ALTER TABLE jobs_2 RENAME TO jobs;
ALTER TABLE garbage_2 RENAME TO garbage;
CREATE INDEX documents_by_source ON documents (tenant, source_uri, document_id);
CREATE INDEX documents_by_collection ON documents (collection, state);

PRAGMA user_version = 2;
