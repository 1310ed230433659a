//! The tables of the ledger as they are in both databases, for whoever copies all of it. A table or column that is missing here would be
//! left behind: a test compares this list with what the databases have.

/// What a column holds; both may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
}

/// A table, with the statements that read and fill it.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
    /// Rows have a number, `id`, that the database gives.
    pub is_numbered: bool,
    /// Every row, by its key. No job is in work: leases are left out, and the attempt that they were for does not count.
    pub rows: &'static str,
    /// `counted` rows.
    pub count: &'static str,
    /// What values of all columns follow.
    pub insert: &'static str,
}

/// Columns with what they hold, and what is read in their place where that is not the column itself.
macro_rules! table {
    (
        $name:literal by $key:literal, numbered: $numbered:literal,
        $first:literal $first_kind:ident $(, $column:literal $kind:ident $(= $expression:literal)?)* $(,)?
    ) => {
        Table {
            name: $name,
            columns: &[($first, Kind::$first_kind) $(, ($column, Kind::$kind))*],
            is_numbered: $numbered,
            rows: concat!(
                "SELECT ", $first, $(", ", $($expression, " AS ",)? $column,)* " FROM ", $name, " ORDER BY ", $key
            ),
            count: concat!("SELECT COUNT(*) AS counted FROM ", $name),
            insert: concat!("INSERT INTO ", $name, " (", $first, $(", ", $column,)* ") "),
        }
    };
}

/// In an order in which they can be filled: what others refer to comes first.
pub const TABLES: [Table; 12] = [
    table!("collections" by "name", numbered: false, "name" Text, "created_at_ms" Integer),
    table!(
        "builds" by "physical", numbered: false,
        "physical" Text, "collection" Text, "role" Text, "recipe" Text, "definition" Text, "incarnations" Text
    ),
    table!(
        "documents" by "document_id", numbered: false,
        "document_id" Text, "tenant" Text, "collection" Text, "source_uri" Text, "source_name" Text,
        "state" Text = "CASE WHEN state = 'processing' THEN 'queued' ELSE state END",
        "reason" Text, "met_limit" Text, "physical" Text, "content_hash" Text, "recipe" Text, "generation" Text, "tags" Text,
        "size_bytes" Integer,
        "attempts" Integer = "CASE WHEN state = 'processing' THEN attempts - 1 ELSE attempts END",
        "updated_at_ms" Integer, "priority" Integer
    ),
    table!("queues" by "tenant, collection", numbered: false, "tenant" Text, "collection" Text, "turn" Integer),
    table!(
        "jobs" by "id", numbered: true,
        "id" Integer, "document_id" Text, "tenant" Text, "collection" Text, "task" Text,
        "attempts" Integer = "CASE WHEN lease_until_ms IS NULL THEN attempts ELSE attempts - 1 END",
        "claims" Integer, "crashes" Integer, "due_at_ms" Integer,
        "lease_until_ms" Integer = "CAST(NULL AS BIGINT)",
        "worker" Text, "pages" Integer, "pages_done" Integer, "priority" Integer
    ),
    table!(
        "indexed" by "document_id, physical", numbered: false,
        "document_id" Text, "physical" Text, "generation" Text, "content_hash" Text, "recipe" Text, "tags" Text, "title" Text,
        "page_count" Integer, "failed_pages" Text, "notes" Text
    ),
    table!(
        "garbage" by "id", numbered: true,
        "id" Integer, "document_id" Text, "tenant" Text, "physical" Text, "generation" Text
    ),
    table!(
        "keys" by "key_id", numbered: false,
        "key_id" Text, "name" Text, "tenant" Text, "permissions" Text, "members" Text, "secret_hash" Text,
        "created_at_ms" Integer, "expires_at_ms" Integer, "revoked_at_ms" Integer
    ),
    table!("secrets" by "name", numbered: false, "name" Text, "value" Text),
    table!(
        "receipts" by "tenant, request_key", numbered: false,
        "tenant" Text, "request_key" Text, "request" Text, "response" Text, "at_ms" Integer
    ),
    table!("access" by "document_id, member", numbered: false, "document_id" Text, "member" Text),
    table!(
        "history" by "id", numbered: true,
        "id" Integer, "document_id" Text, "at_ms" Integer, "what" Text, "detail" Text
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_name_every_column() {
        let jobs = &TABLES[4];
        assert_eq!(
            jobs.rows,
            "SELECT id, document_id, tenant, collection, task, CASE WHEN lease_until_ms IS NULL THEN attempts ELSE attempts - 1 \
             END AS attempts, claims, crashes, due_at_ms, CAST(NULL AS BIGINT) AS lease_until_ms, worker, pages, pages_done, \
             priority FROM jobs ORDER BY id"
        );
        assert_eq!(TABLES[8].insert, "INSERT INTO secrets (name, value) ");
    }
}
