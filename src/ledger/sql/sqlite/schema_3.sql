-- Version 3. Tenants take turns: a job knows its queue (tenant and collection), and a queue when it was served last. A lease names
-- the worker that holds it.

CREATE TABLE queues (
    tenant TEXT NOT NULL,
    collection TEXT NOT NULL,
    turn INTEGER NOT NULL,
    PRIMARY KEY (tenant, collection)
) STRICT;

CREATE TABLE jobs_3 (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL UNIQUE REFERENCES documents (document_id) ON DELETE CASCADE,
    tenant TEXT NOT NULL,
    collection TEXT NOT NULL,
    task TEXT NOT NULL CHECK (task IN ('index', 'retag')),
    attempts INTEGER NOT NULL,
    claims INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    due_at_ms INTEGER NOT NULL,
    lease_until_ms INTEGER,
    worker TEXT
) STRICT;
INSERT INTO jobs_3
SELECT j.id, j.document_id, d.tenant, d.collection, j.task, j.attempts, j.claims, j.crashes, j.due_at_ms, j.lease_until_ms, NULL
FROM jobs j JOIN documents d ON d.document_id = j.document_id;
INSERT INTO queues SELECT DISTINCT tenant, collection, 0 FROM jobs_3;

DROP TABLE jobs;
ALTER TABLE jobs_3 RENAME TO jobs;
CREATE INDEX jobs_by_queue ON jobs (tenant, collection, id);

PRAGMA user_version = 3;
