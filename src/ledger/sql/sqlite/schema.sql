-- Version 1. Times are Unix milliseconds. A change to the schema is a new file beside this one, never an edit of it.

CREATE TABLE collections (
    name TEXT PRIMARY KEY,
    definition TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- content_hash, recipe, generation and tags are the target's: the version submitted last. What people see is `visible`.
CREATE TABLE documents (
    document_id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    collection TEXT NOT NULL,
    source_uri TEXT NOT NULL,
    source_name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'processing', 'indexed', 'rejected', 'dead', 'deleting')),
    reason TEXT,
    content_hash TEXT NOT NULL,
    recipe TEXT NOT NULL,
    generation TEXT NOT NULL,
    tags TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    visible TEXT,
    title TEXT NOT NULL,
    page_count INTEGER NOT NULL,
    failed_pages TEXT NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    CHECK (state != 'deleting' OR visible IS NULL)
) STRICT;
CREATE INDEX documents_by_source ON documents (source_uri, document_id);
CREATE INDEX documents_by_state ON documents (collection, state);

-- One job a document at most: the work that its target is owed.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL UNIQUE REFERENCES documents (document_id) ON DELETE CASCADE,
    attempts INTEGER NOT NULL,
    claims INTEGER NOT NULL,
    due_at_ms INTEGER NOT NULL,
    lease_until_ms INTEGER
) STRICT;

-- No reference to documents: points of a document that is long gone can still come to light.
CREATE TABLE garbage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL,
    collection TEXT NOT NULL,
    generation TEXT NOT NULL,
    UNIQUE (document_id, generation)
) STRICT;

PRAGMA application_id = 0x51554952;
PRAGMA user_version = 1;
