//! Every statement of the SQLite ledger. Parameters are numbered as PostgreSQL numbers them; lists travel as JSON
//! arrays.

pub const COLLECTION: &str = "SELECT name, definition, created_at_ms FROM collections WHERE name = $1";
pub const COLLECTIONS: &str = "SELECT name, definition, created_at_ms FROM collections ORDER BY name";
pub const PUT_COLLECTION: &str = "
    INSERT INTO collections (name, definition, created_at_ms) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, created_at_ms = excluded.created_at_ms";

pub const STANDING: &str = "
    SELECT state, content_hash, recipe, generation, tags, reason, visible FROM documents WHERE document_id = $1";

/// The document with the target `$6..$10`; what is known of the version that people see stays.
pub const PUT_TARGET: &str = "
    INSERT INTO documents (
        document_id, tenant, collection, source_uri, source_name, content_hash, recipe, generation, tags, size_bytes,
        updated_at_ms, state, reason, attempts, visible, title, page_count, failed_pages)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'queued', NULL, 0, NULL, '', 0, '[]')
    ON CONFLICT (document_id) DO UPDATE SET
        tenant = excluded.tenant, collection = excluded.collection, source_uri = excluded.source_uri,
        source_name = excluded.source_name, content_hash = excluded.content_hash, recipe = excluded.recipe,
        generation = excluded.generation, tags = excluded.tags, size_bytes = excluded.size_bytes,
        updated_at_ms = excluded.updated_at_ms, state = 'queued', reason = NULL, attempts = 0";
pub const INSERT_JOB: &str = "INSERT INTO jobs (document_id, attempts, claims, due_at_ms) VALUES ($1, 0, 0, $2)";
pub const DELETE_JOB: &str = "DELETE FROM jobs WHERE document_id = $1";

/// Jobs that may be handed out at `$1`, at most `$2`, of collection `$3` or (null) of any.
pub const CLAIMABLE: &str = "
    SELECT j.id, j.attempts, j.claims, d.document_id, d.tenant, d.collection, d.source_uri, d.source_name,
        d.content_hash, d.recipe, d.generation, d.tags
    FROM jobs j JOIN documents d ON d.document_id = j.document_id
    WHERE j.due_at_ms <= $1 AND (j.lease_until_ms IS NULL OR j.lease_until_ms <= $1)
        AND ($3 IS NULL OR d.collection = $3)
        AND NOT EXISTS (SELECT 1 FROM garbage g WHERE g.document_id = d.document_id AND g.generation = d.generation)
    ORDER BY j.id LIMIT $2";
pub const LEASE_JOB: &str = "UPDATE jobs SET attempts = $2, claims = $3, lease_until_ms = $4 WHERE id = $1";
/// What the worker that claimed job `$1` as claim `$2` still holds; no row where it holds nothing.
pub const HELD: &str = "
    SELECT j.attempts, d.visible FROM jobs j JOIN documents d ON d.document_id = j.document_id
    WHERE j.id = $1 AND j.claims = $2 AND j.lease_until_ms IS NOT NULL";
pub const RENEW: &str =
    "UPDATE jobs SET lease_until_ms = $3 WHERE id = $1 AND claims = $2 AND lease_until_ms IS NOT NULL";
pub const FREE_JOB: &str = "UPDATE jobs SET attempts = $2, due_at_ms = $3, lease_until_ms = NULL WHERE id = $1";
pub const FREE_ALL_DOCUMENTS: &str = "
    UPDATE documents SET state = 'queued', updated_at_ms = $1
    WHERE document_id IN (SELECT document_id FROM jobs WHERE lease_until_ms IS NOT NULL)";
pub const FREE_ALL_JOBS: &str = "UPDATE jobs SET lease_until_ms = NULL WHERE lease_until_ms IS NOT NULL";
pub const NEXT_DUE: &str = "
    SELECT MIN(j.due_at_ms) FROM jobs j JOIN documents d ON d.document_id = j.document_id
    WHERE (j.lease_until_ms IS NULL OR j.lease_until_ms <= $1) AND ($2 IS NULL OR d.collection = $2)";

/// Without a new reason the old one stands: a document being tried again says why.
pub const SET_STATE: &str = "
    UPDATE documents SET state = $2, reason = COALESCE($3, reason), attempts = $4, updated_at_ms = $5 WHERE document_id = $1";
pub const SHOW: &str = "
    UPDATE documents SET state = 'indexed', reason = NULL, visible = $2, title = $3, page_count = $4, failed_pages = $5,
        updated_at_ms = $6
    WHERE document_id = $1";
pub const HIDE: &str = "
    UPDATE documents SET state = 'deleting', reason = NULL, visible = NULL, updated_at_ms = $2 WHERE document_id = $1";

pub const ADD_GARBAGE: &str = "
    INSERT INTO garbage (document_id, collection, generation) VALUES ($1, $2, $3)
    ON CONFLICT (document_id, generation) DO NOTHING";
/// Garbage again, unless people see the generation or a job is about to write it.
pub const ADD_STRAY_GARBAGE: &str = "
    INSERT INTO garbage (document_id, collection, generation)
    SELECT $1, $2, $3 WHERE NOT EXISTS (
        SELECT 1 FROM documents WHERE document_id = $1
            AND (visible = $3 OR (generation = $3 AND state IN ('queued', 'processing'))))
    ON CONFLICT (document_id, generation) DO NOTHING";
pub const GARBAGE: &str = "SELECT document_id, collection, generation FROM garbage ORDER BY id LIMIT $1";
pub const DELETE_GARBAGE: &str = "DELETE FROM garbage WHERE document_id = $1 AND generation = $2";
/// Removes the row of a hidden document once nothing of it is left in the store.
pub const FORGET: &str = "
    DELETE FROM documents WHERE document_id = $1 AND state = 'deleting'
        AND NOT EXISTS (SELECT 1 FROM garbage WHERE document_id = $1)";

pub const VISIBLE: &str = "
    SELECT document_id, visible FROM documents
    WHERE visible IS NOT NULL AND document_id IN (SELECT value FROM json_each($1))";
pub const DOCUMENT: &str = "SELECT * FROM documents WHERE document_id = $1";
pub const DOCUMENTS: &str = "
    SELECT * FROM documents
    WHERE ($1 IS NULL OR collection = $1) AND ($2 IS NULL OR tenant = $2) AND ($3 IS NULL OR state = $3)
        AND ($4 IS NULL OR substr(source_uri, 1, length($4)) = $4)
    ORDER BY source_uri, document_id LIMIT $5";
pub const COUNTS: &str = "
    SELECT state, COUNT(*) AS documents FROM documents WHERE $1 IS NULL OR collection = $1 GROUP BY state";
