//! Every statement of the ledger, in SQL that SQLite and PostgreSQL both understand. Parameters are numbered; lists travel as
//! JSON arrays. What the two say differently is in [`Database`](super::Database).

// ---- collections ---------------------------------------------------------------------------------------------------

/// A collection with its active build and, where there is one, the next: `next_*` are null otherwise.
pub const COLLECTION: &str = "
    SELECT c.name, c.created_at_ms, a.physical, a.recipe, a.definition, a.incarnations, n.physical AS next_physical,
        n.recipe AS next_recipe, n.definition AS next_definition, n.incarnations AS next_incarnations
    FROM collections c
        JOIN builds a ON a.collection = c.name AND a.role = 'active'
        LEFT JOIN builds n ON n.collection = c.name AND n.role = 'next'
    WHERE $1 IS NULL OR c.name = $1
    ORDER BY c.name";
pub const INSERT_COLLECTION: &str = "INSERT INTO collections (name, created_at_ms) VALUES ($1, $2)";
pub const BUILD: &str = "SELECT collection, role FROM builds WHERE physical = $1";
pub const INSERT_BUILD: &str = "
    INSERT INTO builds (physical, collection, role, recipe, definition, incarnations) VALUES ($1, $2, $3, $4, $5, $6)";
pub const SET_ROLE: &str = "UPDATE builds SET role = $2 WHERE physical = $1";
pub const SET_DEFINITION: &str = "UPDATE builds SET definition = $2 WHERE physical = $1";
pub const SET_INCARNATIONS: &str = "UPDATE builds SET incarnations = $2 WHERE physical = $1";
pub const RETIRED: &str = "SELECT physical FROM builds WHERE role = 'retired' ORDER BY physical";
pub const DROPPED: &str = "DELETE FROM builds WHERE physical = $1 AND role = 'retired'";

/// What stands whole in the build `$1` with the content `$2`, under the recipe `$3`: documents of the tenant `$4`, unless the
/// document `$5` is one of them.
pub const SAME_CONTENT: &str = "
    SELECT i.document_id, d.source_uri, d.source_name, i.generation, i.page_count, i.notes
    FROM indexed i JOIN documents d ON d.document_id = i.document_id
    WHERE i.physical = $1 AND i.content_hash = $2 AND i.recipe = $3 AND i.failed_pages = '[]' AND d.tenant = $4
        AND NOT EXISTS (SELECT 1 FROM indexed own
            WHERE own.document_id = $5 AND own.physical = $1 AND own.content_hash = $2 AND own.recipe = $3)
    ORDER BY d.source_uri, d.document_id
    LIMIT $6";

pub const COUNT_JOBS: &str = "SELECT COUNT(*) AS jobs FROM jobs j WHERE j.collection = $1";
/// Documents that stand in the build `$1`, and not in the build `$2`.
pub const WOULD_LOSE: &str = "
    SELECT d.source_uri, d.source_name, d.state, d.reason
    FROM indexed i JOIN documents d ON d.document_id = i.document_id
    WHERE i.physical = $1
        AND NOT EXISTS (SELECT 1 FROM indexed n WHERE n.document_id = i.document_id AND n.physical = $2)
    ORDER BY d.source_uri, d.document_id";

/// All that stands in the build `$1` is garbage; [`CLEAR_BUILD`] follows.
pub const DISCARD_BUILD: &str = "
    INSERT INTO garbage (document_id, tenant, physical, generation)
    SELECT i.document_id, d.tenant, i.physical, i.generation
    FROM indexed i JOIN documents d ON d.document_id = i.document_id
    WHERE i.physical = $1
    ORDER BY d.source_uri, d.document_id
    ON CONFLICT (document_id, generation) DO NOTHING";
pub const CLEAR_BUILD: &str = "DELETE FROM indexed WHERE physical = $1";
/// The document's target is garbage if it is unfinished and does not stand.
pub const DISCARD_TARGET: &str = "
    INSERT INTO garbage (document_id, tenant, physical, generation)
    SELECT d.document_id, d.tenant, d.physical, d.generation FROM documents d
    WHERE d.document_id = $1 AND d.state IN ('queued', 'processing')
        AND NOT EXISTS (SELECT 1 FROM indexed i WHERE i.document_id = d.document_id AND i.generation = d.generation)
    ON CONFLICT (document_id, generation) DO NOTHING";

/// Documents to be submitted for a build that begins: all but those being deleted.
pub const ALL: &str = "
    SELECT document_id FROM documents WHERE collection = $1 AND state != 'deleting' ORDER BY source_uri, document_id";
/// Documents without a target in the build `$2`.
pub const NOT_AIMED_AT: &str = "
    SELECT document_id FROM documents
    WHERE collection = $1 AND state != 'deleting' AND physical != $2
    ORDER BY source_uri, document_id";
/// Documents that the loss of the build `$2` concerns: of which something stands in it, or is just being written to it.
/// Those whose target waits or stands in another build are in no need.
pub const LOST: &str = "
    SELECT d.document_id FROM documents d
    WHERE d.collection = $1 AND d.state != 'deleting'
        AND (EXISTS (SELECT 1 FROM indexed i WHERE i.document_id = d.document_id AND i.physical = $2)
            OR (d.physical = $2 AND d.state = 'processing'))
        AND NOT (d.physical != $2
            AND (d.state IN ('queued', 'processing')
                OR EXISTS (SELECT 1 FROM indexed i WHERE i.document_id = d.document_id AND i.generation = d.generation)))
    ORDER BY d.source_uri, d.document_id";
/// Documents whose target is in the build `$1`, with what people see of them in the build `$2`.
pub const AIMED_AT: &str = "
    SELECT d.document_id, d.content_hash, d.tags, i.generation AS seen_generation, i.content_hash AS seen_hash,
        i.recipe AS seen_recipe, i.tags AS seen_tags
    FROM documents d LEFT JOIN indexed i ON i.document_id = d.document_id AND i.physical = $2
    WHERE d.physical = $1 AND d.state != 'deleting'
    ORDER BY d.source_uri, d.document_id";
/// The same version once more, for another build.
pub const AIM: &str = "
    UPDATE documents SET physical = $2, recipe = $3, generation = $4, state = 'queued', reason = NULL, met_limit = NULL,
        attempts = 0, updated_at_ms = $5
    WHERE document_id = $1";
/// The document is indexed, and its target is what stands.
pub const AIM_AT_SEEN: &str = "
    UPDATE documents SET physical = $2, recipe = $3, generation = $4, state = 'indexed', reason = NULL, met_limit = NULL,
        updated_at_ms = $5
    WHERE document_id = $1";

// ---- changed in place, removed as a whole ------------------------------------------------------------------------------

pub const AMEND_BUILD: &str = "UPDATE builds SET recipe = $2, definition = $3 WHERE physical = $1";
pub const AMEND_DOCUMENTS: &str = "UPDATE documents SET recipe = $2 WHERE physical = $1";
pub const AMEND_INDEXED: &str = "UPDATE indexed SET recipe = $2 WHERE physical = $1";
/// Documents whose pages somebody is writing to the build `$1` now. (Tags alone are written under any recipe.)
pub const INDEXED_NOW: &str = "
    SELECT d.document_id FROM documents d JOIN jobs j ON j.document_id = d.document_id
    WHERE d.physical = $1 AND d.state = 'processing' AND j.task = 'index'
    ORDER BY d.source_uri, d.document_id";
/// As [`DISCARD_TARGET`], of every document of the collection `$1`.
pub const DISCARD_TARGETS: &str = "
    INSERT INTO garbage (document_id, tenant, physical, generation)
    SELECT d.document_id, d.tenant, d.physical, d.generation FROM documents d
    WHERE d.collection = $1 AND d.state IN ('queued', 'processing')
        AND NOT EXISTS (SELECT 1 FROM indexed i WHERE i.document_id = d.document_id AND i.generation = d.generation)
    ORDER BY d.source_uri, d.document_id
    ON CONFLICT (document_id, generation) DO NOTHING";
pub const HIDE_ALL: &str = "
    UPDATE documents SET state = 'deleting', reason = NULL, met_limit = NULL, updated_at_ms = $2
    WHERE collection = $1 AND state != 'deleting'";
pub const DELETE_JOBS: &str = "DELETE FROM jobs WHERE collection = $1";
pub const CLOSE_QUEUES: &str = "DELETE FROM queues WHERE collection = $1";
/// As [`FORGET`], of every document of the collection `$1`.
pub const FORGET_ALL: &str = "
    DELETE FROM documents WHERE collection = $1 AND state = 'deleting'
        AND NOT EXISTS (SELECT 1 FROM garbage WHERE garbage.document_id = documents.document_id)";
pub const DELETE_COLLECTION: &str = "DELETE FROM collections WHERE name = $1";

// ---- work ----------------------------------------------------------------------------------------------------------

/// A document, and what stands in the build that its target is for.
pub const STANDING: &str = "
    SELECT d.tenant, d.collection, d.state, d.physical, d.recipe, d.content_hash, d.generation, d.tags, d.reason, d.met_limit,
        i.generation AS indexed_generation, i.failed_pages AS indexed_failed_pages
    FROM documents d LEFT JOIN indexed i ON i.document_id = d.document_id AND i.physical = d.physical
    WHERE d.document_id = $1";
/// The document with a new target. What stands of it, stands.
pub const PUT_TARGET: &str = "
    INSERT INTO documents (
        document_id, tenant, collection, source_uri, source_name, physical, content_hash, recipe, generation, tags, size_bytes,
        updated_at_ms, state, reason, met_limit, attempts, priority)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'queued', NULL, NULL, 0, $13)
    ON CONFLICT (document_id) DO UPDATE SET
        source_uri = excluded.source_uri, source_name = excluded.source_name, physical = excluded.physical,
        content_hash = excluded.content_hash, recipe = excluded.recipe, generation = excluded.generation,
        tags = excluded.tags, size_bytes = excluded.size_bytes, updated_at_ms = excluded.updated_at_ms, state = 'queued',
        reason = NULL, met_limit = NULL, attempts = 0, priority = excluded.priority";
/// A document that waits already is wanted sooner or later than it was; [`HURRY_JOB`] follows.
pub const HURRY: &str = "UPDATE documents SET priority = $2 WHERE document_id = $1 AND priority != $2";
pub const HURRY_JOB: &str = "UPDATE jobs SET priority = $2 WHERE document_id = $1";
/// A job of the document `$1`; [`OPEN_QUEUE`] goes before.
pub const INSERT_JOB: &str = "
    INSERT INTO jobs (document_id, tenant, collection, task, attempts, claims, crashes, due_at_ms, priority)
    SELECT d.document_id, d.tenant, d.collection, $2, 0, 0, 0, $3, d.priority FROM documents d WHERE d.document_id = $1";
/// The queue of the document `$1`: one a tenant and collection. One that is new is served before all others.
pub const OPEN_QUEUE: &str = "
    INSERT INTO queues (tenant, collection, turn)
    SELECT d.tenant, d.collection, 0 FROM documents d WHERE d.document_id = $1
    ON CONFLICT (tenant, collection) DO NOTHING";
pub const DELETE_JOB: &str = "DELETE FROM jobs WHERE document_id = $1";

/// Whether a job may be handed out at `$1`, to who asks for suspects (`$2` = 1) or for others (0). A job whose lease ran out is
/// handed out three times as if nothing had happened: who held it may merely have been slow, or stopped from outside.
macro_rules! may_be_handed_out {
    () => {
        "j.due_at_ms <= $1 AND (j.lease_until_ms IS NULL OR j.lease_until_ms <= $1)
        AND $2 = CASE WHEN j.crashes > CASE WHEN j.lease_until_ms IS NULL THEN 0 ELSE 2 END THEN 1 ELSE 0 END"
    };
}

/// Queues of collection `$3` or (null) of any, with the next job that may be handed out of each (null: none): the oldest of those
/// that are wanted soonest; when the queue was served last, when its tenant was, and when any was. Each job is looked for once.
pub const QUEUES: &str = concat!(
    "
    WITH waiting AS MATERIALIZED (
        SELECT q.tenant, q.collection, q.turn,
            (SELECT j.id FROM jobs j WHERE j.tenant = q.tenant AND j.collection = q.collection AND ",
    may_be_handed_out!(),
    " ORDER BY j.priority, j.id LIMIT 1) AS next
        FROM queues q WHERE $3 IS NULL OR q.collection = $3
    )
    SELECT w.tenant, w.collection, w.turn, w.next,
        (SELECT MAX(t.turn) FROM queues t WHERE t.tenant = w.tenant) AS tenant_turn,
        (SELECT MAX(l.turn) FROM queues l) AS last_turn,
        (SELECT n.priority FROM jobs n WHERE n.id = w.next) AS priority
    FROM waiting w"
);
/// What stands next in the queue of tenant `$3` and collection `$4`.
pub const NEXT_IN_QUEUE: &str = concat!(
    "
    SELECT j.id AS next, j.priority FROM jobs j WHERE j.tenant = $3 AND j.collection = $4 AND ",
    may_be_handed_out!(),
    " ORDER BY j.priority, j.id LIMIT 1"
);
pub const SERVED: &str = "UPDATE queues SET turn = $3 WHERE tenant = $1 AND collection = $2";
/// The next job of the queue of tenant `$3` and collection `$4` that may be handed out.
macro_rules! next_job {
    ($locking:literal) => {
        concat!(
            "
    SELECT j.id, j.task, j.attempts, j.claims, j.crashes, j.worker,
        CAST(CASE WHEN j.lease_until_ms IS NULL THEN 0 ELSE 1 END AS BIGINT) AS taken_over, d.document_id, d.tenant, d.collection, d.physical,
        d.source_uri, d.source_name, d.content_hash, d.recipe, d.generation, d.tags, d.size_bytes,
        d.priority
    FROM jobs j JOIN documents d ON d.document_id = j.document_id
    WHERE j.tenant = $3 AND j.collection = $4 AND ",
            $crate::ledger::sql::statements::may_be_handed_out!(),
            "
    ORDER BY j.priority, j.id LIMIT 1 ",
            $locking
        )
    };
}
pub(super) use {may_be_handed_out, next_job};
pub const LEASE_JOB: &str = "
    UPDATE jobs SET attempts = $2, claims = $3, crashes = $4, lease_until_ms = $5, worker = $6, pages = 0, pages_done = 0
    WHERE id = $1";
/// What the worker that claimed job `$1` as claim `$2` still holds; no row where it holds nothing.
pub const HELD: &str = "
    SELECT j.attempts FROM jobs j WHERE j.id = $1 AND j.claims = $2 AND j.lease_until_ms IS NOT NULL";
pub const RENEW: &str =
    "UPDATE jobs SET lease_until_ms = $3 WHERE id = $1 AND claims = $2 AND lease_until_ms IS NOT NULL";
/// Free again at `$3`; whatever the job was suspected of, this attempt ended in peace.
pub const FREE_JOB: &str =
    "UPDATE jobs SET attempts = $2, due_at_ms = $3, crashes = 0, lease_until_ms = NULL WHERE id = $1";
pub const FREE_ABANDONED_DOCUMENTS: &str = "
    UPDATE documents SET state = 'queued', updated_at_ms = $1,
        attempts = (SELECT j.attempts - 1 FROM jobs j WHERE j.document_id = documents.document_id)
    WHERE document_id IN (SELECT document_id FROM jobs WHERE lease_until_ms IS NOT NULL)";
pub const FREE_ABANDONED_JOBS: &str = "
    UPDATE jobs SET attempts = attempts - 1, crashes = crashes + 1, lease_until_ms = NULL
    WHERE lease_until_ms IS NOT NULL";
pub const NEXT_DUE: &str = "
    SELECT MIN(j.due_at_ms) AS due_at_ms FROM jobs j
    WHERE (j.lease_until_ms IS NULL OR j.lease_until_ms <= $1) AND ($2 IS NULL OR j.collection = $2)";

/// Without a new reason the old one stands: a document being tried again says why.
pub const SET_STATE: &str = "
    UPDATE documents SET state = $2, reason = COALESCE($3, reason), attempts = $4, updated_at_ms = $5
    WHERE document_id = $1";
pub const SET_MET_LIMIT: &str = "UPDATE documents SET met_limit = $2 WHERE document_id = $1";
pub const SET_INDEXED: &str = "
    UPDATE documents SET state = 'indexed', reason = NULL, met_limit = NULL, updated_at_ms = $2 WHERE document_id = $1";
/// What stood in the target's build before the target is garbage; [`STAND`] follows.
pub const DISCARD_EARLIER: &str = "
    INSERT INTO garbage (document_id, tenant, physical, generation)
    SELECT d.document_id, d.tenant, i.physical, i.generation
    FROM documents d JOIN indexed i ON i.document_id = d.document_id AND i.physical = d.physical
    WHERE d.document_id = $1
    ON CONFLICT (document_id, generation) DO NOTHING";
/// The target stands indexed in its build.
pub const STAND: &str = "
    INSERT INTO indexed (
        document_id, physical, generation, content_hash, recipe, tags, title, page_count, failed_pages, notes)
    SELECT d.document_id, d.physical, d.generation, d.content_hash, d.recipe, d.tags, $2, $3, $4, $5
    FROM documents d WHERE d.document_id = $1
    ON CONFLICT (document_id, physical) DO UPDATE SET
        generation = excluded.generation, content_hash = excluded.content_hash, recipe = excluded.recipe,
        tags = excluded.tags, title = excluded.title, page_count = excluded.page_count,
        failed_pages = excluded.failed_pages, notes = excluded.notes";
/// What stands has the target's tags now.
pub const RETAG: &str = "
    UPDATE indexed SET tags = (SELECT d.tags FROM documents d WHERE d.document_id = indexed.document_id)
    WHERE document_id = $1 AND generation = $2";

// ---- garbage -------------------------------------------------------------------------------------------------------

pub const ADD_GARBAGE: &str = "
    INSERT INTO garbage (document_id, tenant, physical, generation) VALUES ($1, $2, $3, $4)
    ON CONFLICT (document_id, generation) DO NOTHING";
/// Garbage again, unless the generation stands or a job is about to write it.
pub const ADD_STRAY_GARBAGE: &str = "
    INSERT INTO garbage (document_id, tenant, physical, generation)
    SELECT $1, $2, $3, $4
    WHERE NOT EXISTS (SELECT 1 FROM indexed WHERE document_id = $1 AND generation = $4)
        AND NOT EXISTS (
            SELECT 1 FROM documents WHERE document_id = $1 AND generation = $4 AND state IN ('queued', 'processing'))
    ON CONFLICT (document_id, generation) DO NOTHING";
pub const GARBAGE: &str = "SELECT document_id, tenant, physical, generation FROM garbage ORDER BY id LIMIT $1";
pub const DELETE_GARBAGE: &str = "DELETE FROM garbage WHERE document_id = $1 AND generation = $2";
/// Removes the row of a hidden document once nothing of it is left in the store.
pub const FORGET: &str = "
    DELETE FROM documents WHERE document_id = $1 AND state = 'deleting'
        AND NOT EXISTS (SELECT 1 FROM garbage WHERE document_id = $1)";

// ---- in the name of a tenant ---------------------------------------------------------------------------------------

/// All that stands of a document, in whatever build, is garbage; [`CLEAR_DOCUMENT`] follows.
pub const DISCARD_DOCUMENT: &str = "
    INSERT INTO garbage (document_id, tenant, physical, generation)
    SELECT i.document_id, d.tenant, i.physical, i.generation
    FROM indexed i JOIN documents d ON d.document_id = i.document_id
    WHERE i.document_id = $1
    ORDER BY i.physical
    ON CONFLICT (document_id, generation) DO NOTHING";
/// Of a document whose bytes are kept (its source begins with `$2`) these are to go as well, whatever became of it: its last generation is garbage,
/// though nothing may be left of it.
pub const DISCARD_KEPT: &str = "
    INSERT INTO garbage (document_id, tenant, physical, generation)
    SELECT d.document_id, d.tenant, d.physical, d.generation FROM documents d
    WHERE d.document_id = $1 AND substr(d.source_uri, 1, length($2)) = $2
    ON CONFLICT (document_id, generation) DO NOTHING";
pub const CLEAR_DOCUMENT: &str = "DELETE FROM indexed WHERE document_id = $1";
pub const HIDE: &str = "
    UPDATE documents SET state = 'deleting', reason = NULL, met_limit = NULL, updated_at_ms = $2 WHERE document_id = $1";

/// Documents of the tenant `$1`, with what people see of them and the job behind them.
macro_rules! of_documents {
    ($columns:literal, $condition:expr) => {
        concat!(
            $columns,
            "
    FROM documents d
        LEFT JOIN builds b ON b.collection = d.collection AND b.role = 'active'
        LEFT JOIN indexed v ON v.document_id = d.document_id AND v.physical = b.physical
        LEFT JOIN jobs j ON j.document_id = d.document_id
    WHERE d.tenant = $1 AND ",
            $condition
        )
    };
}
/// The columns of a listed document.
macro_rules! documents {
    ($condition:expr) => {
        of_documents!(
            "
    SELECT d.document_id, d.tenant, d.collection, d.source_uri, d.source_name, d.state, d.reason, d.content_hash, d.recipe,
        d.tags, d.size_bytes, d.attempts, d.priority, d.updated_at_ms, v.generation AS visible, COALESCE(v.title, '') AS title,
        COALESCE(v.page_count, 0) AS page_count, COALESCE(v.failed_pages, '[]') AS failed_pages,
        COALESCE(v.notes, '[]') AS notes, COALESCE(j.pages, 0) AS pages, COALESCE(j.pages_done, 0) AS pages_done",
            $condition
        )
    };
}
/// What a [`DocumentFilter`](crate::ledger::DocumentFilter) says: collection, state, prefix of the source, text, four tags as they
/// stand in their JSON, groups with a comma before and behind each. Null: whatever it is. Text is looked for by taking it away,
/// which both databases can do without reading any character as a pattern.
macro_rules! filtered {
    () => {
        "($2 IS NULL OR d.collection = $2) AND ($3 IS NULL OR d.state = $3)
        AND ($4 IS NULL OR substr(d.source_uri, 1, length($4)) = $4)
        AND ($5 IS NULL OR replace(lower(d.source_uri), $5, '') != lower(d.source_uri)
            OR replace(lower(COALESCE(v.title, '')), $5, '') != lower(COALESCE(v.title, '')))
        AND ($6 IS NULL OR replace(d.tags, $6, '') != d.tags) AND ($7 IS NULL OR replace(d.tags, $7, '') != d.tags)
        AND ($8 IS NULL OR replace(d.tags, $8, '') != d.tags) AND ($9 IS NULL OR replace(d.tags, $9, '') != d.tags)
        AND ($10 IS NULL OR NOT EXISTS (SELECT 1 FROM access a WHERE a.document_id = d.document_id)
            OR EXISTS (SELECT 1 FROM access a
                WHERE a.document_id = d.document_id AND replace($10, ',' || a.member || ',', '') != $10))"
    };
}
pub const DOCUMENT: &str = documents!("d.document_id = $2");
/// Behind the document `$12` of source `$11` (null: from the first on).
pub const DOCUMENTS: &str = documents!(concat!(
    filtered!(),
    "
        AND ($11 IS NULL OR (d.source_uri, d.document_id) > ($11, $12))
    ORDER BY d.source_uri, d.document_id LIMIT $13"
));
pub const COUNTS: &str =
    concat!(of_documents!("SELECT d.state, COUNT(*) AS documents", filtered!()), " GROUP BY d.state");
pub const OWNER: &str = "SELECT tenant FROM documents WHERE document_id = $1";
pub const QUEUE: &str = "
    SELECT COUNT(*) AS jobs, COUNT(lease_until_ms) AS held,
        MIN(CASE WHEN lease_until_ms IS NULL THEN due_at_ms END) AS due_at_ms
    FROM jobs";

// ---- for whom documents are kept, what happened to them -------------------------------------------------------------

pub const CLEAR_ACCESS: &str = "DELETE FROM access WHERE document_id = $1";
pub const GRANT: &str = "
    INSERT INTO access (document_id, member) VALUES ($1, $2) ON CONFLICT (document_id, member) DO NOTHING";
pub const NOTE: &str = "INSERT INTO history (document_id, at_ms, what, detail) VALUES ($1, $2, $3, $4)";
/// All but the latest `$2` events of a document go.
pub const TRIM_HISTORY: &str = "
    DELETE FROM history WHERE document_id = $1 AND id <= (
        SELECT h.id FROM history h WHERE h.document_id = $1 ORDER BY h.id DESC LIMIT 1 OFFSET $2)";
pub const STORY: &str = "
    SELECT h.at_ms, h.what, h.detail FROM history h JOIN documents d ON d.document_id = h.document_id
    WHERE d.tenant = $1 AND h.document_id = $2 ORDER BY h.id";
/// Whether the event `h` belongs to something that ended at `$1` or before: the end, and all that led to it.
macro_rules! ended {
    () => {
        "h.at_ms <= $1 AND EXISTS (
            SELECT 1 FROM history e
            WHERE e.document_id = h.document_id AND e.id >= h.id AND e.at_ms <= $1
                AND e.what IN ('indexed', 'retagged', 'rejected', 'dead', 'cancelled', 'deleted'))"
    };
}
/// How many events may be forgotten, of the `$2` oldest, and the last of them (0: there is none).
pub const TO_FORGET: &str = concat!(
    "
    SELECT COUNT(*) AS events, COALESCE(MAX(o.id), 0) AS last
    FROM (SELECT h.id FROM history h WHERE ",
    ended!(),
    " ORDER BY h.id LIMIT $2) o"
);
/// Forgets them, up to the event `$2`.
pub const FORGET_EVENTS: &str =
    concat!("DELETE FROM history WHERE id IN (SELECT h.id FROM history h WHERE h.id <= $2 AND ", ended!(), ")");
pub const NOTE_ABANDONED: &str = "
    INSERT INTO history (document_id, at_ms, what, detail)
    SELECT j.document_id, $1, 'interrupted', j.worker FROM jobs j WHERE j.lease_until_ms IS NOT NULL";
pub const PROGRESS: &str = "
    UPDATE jobs SET pages = $3, pages_done = $4 WHERE id = $1 AND claims = $2 AND lease_until_ms IS NOT NULL";
/// Whether a worker holds the document's job now.
pub const HELD_NOW: &str = "
    SELECT j.attempts FROM jobs j WHERE j.document_id = $1 AND j.lease_until_ms IS NOT NULL AND j.lease_until_ms > $2";
/// The waiting job of a document becomes due.
pub const DUE_NOW: &str = "UPDATE jobs SET due_at_ms = $2 WHERE document_id = $1";

// ---- what requests are held against --------------------------------------------------------------------------------

macro_rules! keys {
    ($condition:literal) => {
        concat!(
            "
    SELECT key_id, name, tenant, permissions, members, secret_hash, created_at_ms, expires_at_ms, revoked_at_ms
    FROM keys WHERE ",
            $condition,
            " ORDER BY created_at_ms, key_id"
        )
    };
}
/// `$8`: 0 for never.
pub const INSERT_KEY: &str = "
    INSERT INTO keys (key_id, name, tenant, permissions, members, secret_hash, created_at_ms, expires_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, NULLIF($8, 0))";
pub const KEY: &str = keys!("key_id = $1");
pub const VALID_KEY: &str =
    keys!("key_id = $1 AND revoked_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > $2)");
pub const KEYS: &str = keys!("($1 IS NULL OR tenant = $1)");
pub const ANY_KEY: &str = "SELECT key_id FROM keys LIMIT 1";
pub const REVOKE_KEY: &str = "UPDATE keys SET revoked_at_ms = $2 WHERE key_id = $1 AND revoked_at_ms IS NULL";
pub const KEEP_SECRET: &str = "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
pub const SECRET: &str = "SELECT value FROM secrets WHERE name = $1";
pub const RECEIPT: &str =
    "SELECT request, response FROM receipts WHERE tenant = $1 AND request_key = $2 AND at_ms > $3";
pub const OLD_RECEIPTS: &str = "DELETE FROM receipts WHERE at_ms <= $1";
pub const KEEP_RECEIPT: &str = "
    INSERT INTO receipts (tenant, request_key, request, response, at_ms) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant, request_key) DO NOTHING";
