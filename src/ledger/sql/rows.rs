//! From rows to records and back: every conversion between the database's types and Quire's.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::database::Columns;
use crate::error::{Blame, Error, Result};
use crate::ledger::transitions::{InBuild, Seen, Standing};
use crate::ledger::{
    Build, Chapter, CollectionRecord, DocumentRecord, Garbage, HeldKey, Job, KeyRecord, Progress, Receipt, SameContent,
    State, StoryEvent, Task,
};
use crate::types::{ContentHash, DocumentId, Generation, Priority, RecipeId, SourceRef, Tenant};

pub fn collection(row: &impl Columns) -> Result<CollectionRecord> {
    let build = |physical: String, prefix: &str| -> Result<Build> {
        Ok(Build {
            physical,
            recipe: RecipeId(row.text(&format!("{prefix}recipe"))?),
            definition: row.text(&format!("{prefix}definition"))?,
            incarnations: from_json(&row.text(&format!("{prefix}incarnations"))?)?,
        })
    };
    let next = row.optional_text("next_physical")?.map(|physical| build(physical, "next_")).transpose()?;
    Ok(CollectionRecord {
        name: row.text("name")?,
        active: build(row.text("physical")?, "")?,
        next,
        created_at: to_rfc3339(row.integer("created_at_ms")?)?,
    })
}

/// Collection and role of a build.
pub fn owner(row: &impl Columns) -> Result<(String, String)> {
    Ok((row.text("collection")?, row.text("role")?))
}

pub fn physical(row: &impl Columns) -> Result<String> {
    row.text("physical")
}

pub fn jobs(row: &impl Columns) -> Result<u64> {
    Ok(row.integer("jobs")?.unsigned_abs())
}

/// A document that a switch would lose, and why: its reason, else its state.
pub fn loss(row: &impl Columns) -> Result<(SourceRef, String)> {
    let reason = row.optional_text("reason")?.map_or_else(|| row.text("state"), Ok)?;
    Ok((source(row)?, reason))
}

pub fn document_id(row: &impl Columns) -> Result<DocumentId> {
    let id = row.text("document_id")?;
    id.parse().map_err(|_| unreadable("the document id", &id))
}

/// A document whose target is in a build that is given up, with what people see of it.
pub struct Aimed {
    pub document: DocumentId,
    pub content_hash: ContentHash,
    pub tags: BTreeMap<String, String>,
    pub seen: Option<(Generation, Seen)>,
}

pub fn aimed(row: &impl Columns) -> Result<Aimed> {
    let seen = match row.optional_text("seen_generation")? {
        None => None,
        Some(generation) => Some((
            Generation(generation),
            Seen {
                content_hash: ContentHash(row.text("seen_hash")?),
                recipe: RecipeId(row.text("seen_recipe")?),
                tags: from_json(&row.text("seen_tags")?)?,
            },
        )),
    };
    let content_hash = ContentHash(row.text("content_hash")?);
    Ok(Aimed { document: document_id(row)?, content_hash, tags: tags(row)?, seen })
}

/// A document as its row tells, and where it stands.
pub struct Known {
    pub tenant: Tenant,
    pub collection: String,
    pub standing: Standing,
}

pub fn known(row: &impl Columns) -> Result<Known> {
    let indexed = match row.optional_text("indexed_generation")? {
        None => None,
        Some(generation) => Some(InBuild {
            generation: Generation(generation),
            failed_pages: from_json(&row.text("indexed_failed_pages")?)?,
        }),
    };
    let standing = Standing {
        state: state(row)?,
        physical: row.text("physical")?,
        recipe: RecipeId(row.text("recipe")?),
        content_hash: ContentHash(row.text("content_hash")?),
        generation: Generation(row.text("generation")?),
        tags: tags(row)?,
        reason: row.optional_text("reason")?,
        limit: row.optional_text("met_limit")?.as_deref().map(from_json).transpose()?,
        indexed,
    };
    Ok(Known { tenant: Tenant(row.text("tenant")?), collection: row.text("collection")?, standing })
}

pub fn attempts(row: &impl Columns) -> Result<u32> {
    small(row, "attempts")
}

pub fn due(row: &impl Columns) -> Result<Option<i64>> {
    row.optional_integer("due_at_ms")
}

pub fn document(row: &impl Columns) -> Result<DocumentRecord> {
    let state = state(row)?;
    let progress = Progress { pages_done: small(row, "pages_done")?, pages: small(row, "pages")? };
    Ok(DocumentRecord {
        document_id: document_id(row)?,
        tenant: Tenant(row.text("tenant")?),
        collection: row.text("collection")?,
        source: source(row)?,
        title: row.text("title")?,
        state,
        reason: row.optional_text("reason")?,
        page_count: small(row, "page_count")?,
        failed_pages: from_json(&row.text("failed_pages")?)?,
        notes: from_json(&row.text("notes")?)?,
        content_hash: ContentHash(row.text("content_hash")?),
        recipe: RecipeId(row.text("recipe")?),
        visible: row.optional_text("visible")?.map(Generation),
        tags: tags(row)?,
        attempts: attempts(row)?,
        priority: priority(row)?,
        progress: (state == State::Processing && progress.pages > 0).then_some(progress),
        size_bytes: row.integer("size_bytes")?.unsigned_abs(),
        updated_at: to_rfc3339(row.integer("updated_at_ms")?)?,
    })
}

pub fn same_content(row: &impl Columns) -> Result<SameContent> {
    Ok(SameContent {
        document: document_id(row)?,
        source: source(row)?,
        generation: Generation(row.text("generation")?),
        page_count: small(row, "page_count")?,
        notes: from_json(&row.text("notes")?)?,
    })
}

/// Jobs of one tenant in one collection.
pub struct Queue {
    pub tenant: Tenant,
    pub collection: String,
    /// When it was served last, when its tenant was, and when anybody was: the larger the later.
    pub turn: i64,
    pub tenant_turn: i64,
    pub last_turn: i64,
    /// The job that may be handed out next.
    pub next: Option<Next>,
}

/// What is known of a job that may be handed out, in the order in which they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Next {
    pub priority: Priority,
    pub id: i64,
}

pub fn queue(row: &impl Columns) -> Result<Queue> {
    Ok(Queue {
        tenant: Tenant(row.text("tenant")?),
        collection: row.text("collection")?,
        turn: row.integer("turn")?,
        tenant_turn: row.integer("tenant_turn")?,
        last_turn: row.integer("last_turn")?,
        next: row.optional_integer("next")?.map(|id| Ok(Next { priority: priority(row)?, id })).transpose()?,
    })
}

pub fn next(row: &impl Columns) -> Result<Next> {
    Ok(Next { priority: priority(row)?, id: row.integer("next")? })
}

fn priority(row: &impl Columns) -> Result<Priority> {
    let rank = row.integer("priority")?;
    let known = Priority::ALL.into_iter().find(|priority| i64::from(priority.rank()) == rank);
    known.ok_or_else(|| unreadable("the priority", &rank.to_string()))
}

/// The job as it is handed out by the claim that follows what the row says, and the worker whose lease ran out. An attempt that
/// was cut off does not count, and that it was counts as a crash.
pub fn claimed_job(row: &impl Columns) -> Result<(Job, Option<String>)> {
    let taken_over = row.integer("taken_over")? == 1;
    let before = taken_over.then(|| row.optional_text("worker")).transpose()?.flatten();
    let job = Job {
        id: row.integer("id")?,
        document: document_id(row)?,
        tenant: Tenant(row.text("tenant")?),
        collection: row.text("collection")?,
        physical: row.text("physical")?,
        source: source(row)?,
        content_hash: ContentHash(row.text("content_hash")?),
        recipe: RecipeId(row.text("recipe")?),
        generation: Generation(row.text("generation")?),
        tags: tags(row)?,
        size_bytes: row.integer("size_bytes")?.unsigned_abs(),
        priority: priority(row)?,
        task: Task::parse(&row.text("task")?)?,
        attempt: attempts(row)?.saturating_add(u32::from(!taken_over)),
        crashes: small(row, "crashes")?.saturating_add(u32::from(taken_over)),
        lease: row.integer("claims")? + 1,
    };
    Ok((job, before))
}

pub fn garbage(row: &impl Columns) -> Result<Garbage> {
    Ok(Garbage {
        document: document_id(row)?,
        tenant: Tenant(row.text("tenant")?),
        collection: row.text("physical")?,
        generation: Generation(row.text("generation")?),
    })
}

pub fn visible(row: &impl Columns) -> Result<(DocumentId, Generation)> {
    Ok((document_id(row)?, Generation(row.text("generation")?)))
}

pub fn owning_tenant(row: &impl Columns) -> Result<Tenant> {
    Ok(Tenant(row.text("tenant")?))
}

/// Jobs, those of them that are held, and when the oldest of the others became due.
pub fn jobs_of_queue(row: &impl Columns) -> Result<(u64, u64, Option<i64>)> {
    let (jobs, held) = (row.integer("jobs")?.unsigned_abs(), row.integer("held")?.unsigned_abs());
    Ok((jobs, held, row.optional_integer("due_at_ms")?))
}

/// How many events may be forgotten, and the last of them.
pub fn to_forget(row: &impl Columns) -> Result<(u64, i64)> {
    Ok((u64::try_from(row.integer("events")?).unwrap_or_default(), row.integer("last")?))
}

pub fn event(row: &impl Columns) -> Result<StoryEvent> {
    let name = row.text("what")?;
    let what = Chapter::ALL.into_iter().find(|chapter| chapter.as_str() == name);
    Ok(StoryEvent {
        at: to_rfc3339(row.integer("at_ms")?)?,
        what: what.ok_or_else(|| unreadable("the event", &name))?,
        detail: row.optional_text("detail")?,
    })
}

pub fn key(row: &impl Columns) -> Result<KeyRecord> {
    Ok(KeyRecord {
        key_id: row.text("key_id")?,
        name: row.text("name")?,
        tenant: Tenant(row.text("tenant")?),
        permissions: from_json(&row.text("permissions")?)?,
        groups: from_json(&row.text("members")?)?,
        created_at: to_rfc3339(row.integer("created_at_ms")?)?,
        expires_at: row.optional_integer("expires_at_ms")?.map(to_rfc3339).transpose()?,
        revoked_at: row.optional_integer("revoked_at_ms")?.map(to_rfc3339).transpose()?,
    })
}

pub fn held_key(row: &impl Columns) -> Result<HeldKey> {
    Ok(HeldKey { record: key(row)?, secret_hash: row.text("secret_hash")? })
}

pub fn value(row: &impl Columns) -> Result<String> {
    row.text("value")
}

pub fn receipt(row: &impl Columns) -> Result<Receipt> {
    Ok(Receipt { request: row.text("request")?, response: row.text("response")? })
}

pub fn count(row: &impl Columns) -> Result<(State, u64)> {
    Ok((state(row)?, row.integer("documents")?.unsigned_abs()))
}

fn small(row: &impl Columns, column: &str) -> Result<u32> {
    let value = row.integer(column)?;
    u32::try_from(value).map_err(|_| unreadable(column, &value.to_string()))
}

fn state(row: &impl Columns) -> Result<State> {
    let name = row.text("state")?;
    State::parse(&name).map_err(|_| unreadable("the state", &name))
}

fn source(row: &impl Columns) -> Result<SourceRef> {
    Ok(SourceRef { uri: row.text("source_uri")?, name: row.text("source_name")? })
}

fn tags(row: &impl Columns) -> Result<BTreeMap<String, String>> {
    from_json(&row.text("tags")?)
}

/// A value that no Quire wrote: the ledger is damaged, which is no document's fault.
fn unreadable(what: &str, value: &str) -> Error {
    Error::permanent(format!(
        "the ledger holds {what} '{value}', which cannot be read: it is damaged, restore a backup"
    ))
    .blaming(Blame::Dependency)
}

pub fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::bug("cannot write JSON for the ledger").with_source(error))
}

fn from_json<T: serde::de::DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| unreadable("the JSON", json).with_source(error))
}

pub fn to_rfc3339(unix_ms: i64) -> Result<String> {
    let time = Timestamp::from_millisecond(unix_ms)
        .map_err(|error| unreadable("the time in ms", &unix_ms.to_string()).with_source(error))?;
    Ok(format!("{time:.3}"))
}

/// The moment `wait` after `now_ms`.
pub fn after(now_ms: i64, wait: Duration) -> i64 {
    now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// A size or limit as the database counts.
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
    }
}
