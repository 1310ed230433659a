-- Version 3: what is told in ../sqlite/schema_6.sql.

CREATE INDEX indexed_by_content ON indexed (physical, content_hash);
