-- Version 4: what is told in ../sqlite/schema_7.sql.

ALTER TABLE documents ADD COLUMN priority BIGINT NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN priority BIGINT NOT NULL DEFAULT 1;
DROP INDEX jobs_by_queue;
CREATE INDEX jobs_by_queue ON jobs (tenant, collection, priority, id);
