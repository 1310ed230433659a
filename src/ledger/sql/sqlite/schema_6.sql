-- Version 6. Content that stands indexed is found by what it is, under whichever path.

CREATE INDEX indexed_by_content ON indexed (physical, content_hash);

PRAGMA user_version = 6;
