-- Version 4. What stands indexed has notes: JSON, a list of objects with page (or null), reason and lost.

ALTER TABLE indexed ADD COLUMN notes TEXT NOT NULL DEFAULT '[]';

PRAGMA user_version = 4;
