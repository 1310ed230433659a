-- Version 2: who may ask, for whom documents are kept, what happened to them. What the columns mean is told in
-- ../sqlite/schema_5.sql.

CREATE TABLE keys (
    key_id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT NOT NULL,
    tenant TEXT COLLATE "C" NOT NULL,
    permissions TEXT NOT NULL,
    members TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT,
    revoked_at_ms BIGINT
);

CREATE TABLE secrets (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE receipts (
    tenant TEXT COLLATE "C" NOT NULL,
    request_key TEXT COLLATE "C" NOT NULL,
    request TEXT NOT NULL,
    response TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (tenant, request_key)
);

CREATE TABLE access (
    document_id TEXT COLLATE "C" NOT NULL REFERENCES documents (document_id) ON DELETE CASCADE,
    member TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (document_id, member)
);

CREATE TABLE history (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id TEXT COLLATE "C" NOT NULL REFERENCES documents (document_id) ON DELETE CASCADE,
    at_ms BIGINT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT
);
CREATE INDEX history_by_document ON history (document_id, id);

ALTER TABLE jobs ADD COLUMN pages BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN pages_done BIGINT NOT NULL DEFAULT 0;
