//! From rows to records and back: every conversion between the database's types and Quire's.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::error::failed;
use crate::error::{Error, Result};
use crate::ledger::transitions::Standing;
use crate::ledger::{CollectionRecord, DocumentRecord, Garbage, Job, State};
use crate::types::{ContentHash, DocumentId, Generation, RecipeId, SourceRef, Tenant};

pub fn collection(row: &SqliteRow) -> Result<CollectionRecord> {
    Ok(CollectionRecord {
        name: text(row, "name")?,
        definition: text(row, "definition")?,
        created_at: to_rfc3339(integer(row, "created_at_ms")?)?,
    })
}

pub fn standing(row: &SqliteRow) -> Result<Standing> {
    Ok(Standing {
        state: State::parse(&text(row, "state")?)?,
        content_hash: ContentHash(text(row, "content_hash")?),
        recipe: RecipeId(text(row, "recipe")?),
        generation: Generation(text(row, "generation")?),
        tags: tags(row)?,
        reason: optional_text(row, "reason")?,
        visible: optional_text(row, "visible")?.map(Generation),
    })
}

pub fn document(row: &SqliteRow) -> Result<DocumentRecord> {
    let Standing { state, content_hash, recipe, tags, reason, visible, .. } = standing(row)?;
    Ok(DocumentRecord {
        document_id: text(row, "document_id")?.parse()?,
        tenant: Tenant(text(row, "tenant")?),
        collection: text(row, "collection")?,
        source: source(row)?,
        title: text(row, "title")?,
        state,
        reason,
        page_count: small(row, "page_count")?,
        failed_pages: from_json(&text(row, "failed_pages")?)?,
        content_hash,
        recipe,
        visible,
        tags,
        attempts: small(row, "attempts")?,
        size_bytes: integer(row, "size_bytes")?.unsigned_abs(),
        updated_at: to_rfc3339(integer(row, "updated_at_ms")?)?,
    })
}

/// The job as it is handed out by the claim that follows what the row says.
pub fn claimed_job(row: &SqliteRow) -> Result<Job> {
    Ok(Job {
        id: integer(row, "id")?,
        document: text(row, "document_id")?.parse()?,
        tenant: Tenant(text(row, "tenant")?),
        collection: text(row, "collection")?,
        source: source(row)?,
        content_hash: ContentHash(text(row, "content_hash")?),
        recipe: RecipeId(text(row, "recipe")?),
        generation: Generation(text(row, "generation")?),
        tags: tags(row)?,
        attempt: small(row, "attempts")?.saturating_add(1),
        lease: integer(row, "claims")? + 1,
    })
}

pub fn garbage(row: &SqliteRow) -> Result<Garbage> {
    Ok(Garbage {
        document: text(row, "document_id")?.parse()?,
        collection: text(row, "collection")?,
        generation: Generation(text(row, "generation")?),
    })
}

pub fn visible(row: &SqliteRow) -> Result<(DocumentId, Generation)> {
    Ok((text(row, "document_id")?.parse()?, Generation(text(row, "visible")?)))
}

pub fn count(row: &SqliteRow) -> Result<(State, u64)> {
    Ok((State::parse(&text(row, "state")?)?, integer(row, "documents")?.unsigned_abs()))
}

pub fn small(row: &SqliteRow, column: &str) -> Result<u32> {
    let value = integer(row, column)?;
    u32::try_from(value).map_err(|_| Error::bug(format!("the ledger holds {column} {value}, which is no u32")))
}

pub fn optional_text(row: &SqliteRow, column: &str) -> Result<Option<String>> {
    row.try_get(column).map_err(|error| failed("read the ledger", error))
}

fn text(row: &SqliteRow, column: &str) -> Result<String> {
    row.try_get(column).map_err(|error| failed("read the ledger", error))
}

fn integer(row: &SqliteRow, column: &str) -> Result<i64> {
    row.try_get(column).map_err(|error| failed("read the ledger", error))
}

fn source(row: &SqliteRow) -> Result<SourceRef> {
    Ok(SourceRef { uri: text(row, "source_uri")?, name: text(row, "source_name")? })
}

fn tags(row: &SqliteRow) -> Result<BTreeMap<String, String>> {
    from_json(&text(row, "tags")?)
}

pub fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::bug("cannot write JSON for the ledger").with_source(error))
}

fn from_json<T: serde::de::DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json)
        .map_err(|error| Error::bug(format!("the ledger holds '{json}', which cannot be read")).with_source(error))
}

pub fn to_rfc3339(unix_ms: i64) -> Result<String> {
    let time = Timestamp::from_millisecond(unix_ms)
        .map_err(|error| Error::bug(format!("the ledger holds the time {unix_ms} ms")).with_source(error))?;
    Ok(format!("{time:.3}"))
}

pub fn from_rfc3339(time: &str) -> Result<i64> {
    let parsed: Timestamp = time
        .parse()
        .map_err(|error| Error::bug(format!("'{time}' is not a time: RFC 3339 is expected")).with_source(error))?;
    Ok(parsed.as_millisecond())
}

/// The moment `wait` after `now_ms`.
pub fn after(now_ms: i64, wait: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// A size or limit as SQLite counts.
pub fn to_integer(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_milliseconds() {
        let text = to_rfc3339(1_700_000_000_120).unwrap();
        assert_eq!(text, "2023-11-14T22:13:20.120Z");
        assert_eq!(from_rfc3339(&text).unwrap(), 1_700_000_000_120);
        assert_eq!(from_rfc3339("2023-11-14T23:13:20.12+01:00").unwrap(), 1_700_000_000_120);
    }
}
