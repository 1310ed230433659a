-- Version 1. Times are Unix milliseconds; text compares byte by byte, as in SQLite. A change to the schema is a new file beside
-- this one, never an edit of it. What the columns mean is told in ../sqlite/schema_2.sql.

CREATE TABLE ledger (version BIGINT NOT NULL);

CREATE TABLE collections (
    name TEXT COLLATE "C" PRIMARY KEY,
    created_at_ms BIGINT NOT NULL
);

CREATE TABLE builds (
    physical TEXT COLLATE "C" PRIMARY KEY,
    collection TEXT COLLATE "C" NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('active', 'next', 'retired')),
    recipe TEXT NOT NULL,
    definition TEXT NOT NULL,
    incarnations TEXT NOT NULL
);
CREATE UNIQUE INDEX builds_by_role ON builds (collection, role) WHERE role != 'retired';

CREATE TABLE documents (
    document_id TEXT COLLATE "C" PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL,
    collection TEXT COLLATE "C" NOT NULL,
    source_uri TEXT COLLATE "C" NOT NULL,
    source_name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'processing', 'indexed', 'rejected', 'dead', 'deleting')),
    reason TEXT,
    met_limit TEXT,
    physical TEXT COLLATE "C" NOT NULL,
    content_hash TEXT NOT NULL,
    recipe TEXT NOT NULL,
    generation TEXT COLLATE "C" NOT NULL,
    tags TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);
CREATE INDEX documents_by_source ON documents (tenant, source_uri, document_id);
CREATE INDEX documents_by_collection ON documents (collection, state);
CREATE INDEX documents_by_target ON documents (physical);

CREATE TABLE queues (
    tenant TEXT COLLATE "C" NOT NULL,
    collection TEXT COLLATE "C" NOT NULL,
    turn BIGINT NOT NULL,
    PRIMARY KEY (tenant, collection)
);

CREATE TABLE jobs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES documents (document_id) ON DELETE CASCADE,
    tenant TEXT COLLATE "C" NOT NULL,
    collection TEXT COLLATE "C" NOT NULL,
    task TEXT NOT NULL CHECK (task IN ('index', 'retag')),
    attempts BIGINT NOT NULL,
    claims BIGINT NOT NULL,
    crashes BIGINT NOT NULL,
    due_at_ms BIGINT NOT NULL,
    lease_until_ms BIGINT,
    worker TEXT
);
CREATE INDEX jobs_by_queue ON jobs (tenant, collection, id);

CREATE TABLE indexed (
    document_id TEXT COLLATE "C" NOT NULL REFERENCES documents (document_id) ON DELETE CASCADE,
    physical TEXT COLLATE "C" NOT NULL,
    generation TEXT COLLATE "C" NOT NULL,
    content_hash TEXT NOT NULL,
    recipe TEXT NOT NULL,
    tags TEXT NOT NULL,
    title TEXT NOT NULL,
    page_count BIGINT NOT NULL,
    failed_pages TEXT NOT NULL,
    notes TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (document_id, physical),
    UNIQUE (document_id, generation)
);
CREATE INDEX indexed_by_build ON indexed (physical);

-- No reference to documents: points of a document that is long gone can still come to light.
CREATE TABLE garbage (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id TEXT COLLATE "C" NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    physical TEXT COLLATE "C" NOT NULL,
    generation TEXT COLLATE "C" NOT NULL,
    UNIQUE (document_id, generation)
);
