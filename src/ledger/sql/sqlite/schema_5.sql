-- Version 5. Who may ask: keys, of which only hashes are kept; secrets that all processes share; answers to requests that may come
-- twice. For whom a document is kept, what happened to it, and how far the work on it is.

CREATE TABLE keys (
    key_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    permissions TEXT NOT NULL,
    members TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    revoked_at_ms INTEGER
) STRICT;

CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE receipts (
    tenant TEXT NOT NULL,
    request_key TEXT NOT NULL,
    request TEXT NOT NULL,
    response TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, request_key)
) STRICT;

-- A document without a row is for everybody of its tenant.
CREATE TABLE access (
    document_id TEXT NOT NULL REFERENCES documents (document_id) ON DELETE CASCADE,
    member TEXT NOT NULL,
    PRIMARY KEY (document_id, member)
) STRICT;

CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL REFERENCES documents (document_id) ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    what TEXT NOT NULL,
    detail TEXT
) STRICT;
CREATE INDEX history_by_document ON history (document_id, id);

ALTER TABLE jobs ADD COLUMN pages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN pages_done INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 5;
