-- Version 7. Of what a tenant has in the queue, some goes first: 0 high, 1 normal, 2 low. A job has its document's priority.

ALTER TABLE documents ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
DROP INDEX jobs_by_queue;
CREATE INDEX jobs_by_queue ON jobs (tenant, collection, priority, id);

PRAGMA user_version = 7;
