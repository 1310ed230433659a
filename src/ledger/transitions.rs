//! Decisions about documents and collections that every backend shares: pure functions from where something stands to what is
//! written.

use std::collections::BTreeMap;

use super::{Build, CollectionRecord, Fate, PageFailure, State, Submission, Submitted, Task};
use crate::error::{Blame, Error, Limit, Result};
use crate::types::{ContentHash, Generation, RecipeId};

impl State {
    /// Every state, in the order in which they sort.
    pub const ALL: [State; 6] =
        [State::Queued, State::Processing, State::Indexed, State::Rejected, State::Dead, State::Deleting];

    /// The name in the database and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Processing => "processing",
            State::Indexed => "indexed",
            State::Rejected => "rejected",
            State::Dead => "dead",
            State::Deleting => "deleting",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    ///
    /// # Errors
    /// Permanent, where there is no state of this name.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Error::permanent(format!("'{name}' is not a state of a document: one of {names} is expected"))
        })
    }

    /// Whether a job stands behind the document's target.
    pub(super) fn is_unfinished(self) -> bool {
        matches!(self, State::Queued | State::Processing)
    }
}

impl Task {
    /// The name in the database.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Task::Index => "index",
            Task::Retag => "retag",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub(super) fn parse(name: &str) -> Result<Self> {
        [Task::Index, Task::Retag].into_iter().find(|task| task.as_str() == name).ok_or_else(|| {
            Error::permanent(format!("the ledger holds a job '{name}': index or retag is expected"))
                .blaming(Blame::Dependency)
        })
    }
}

/// A document before a transition. The *target* is the version submitted last, whatever became of it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub state: State,
    /// The build that the target is for.
    pub physical: String,
    pub recipe: RecipeId,
    pub content_hash: ContentHash,
    /// Of the target.
    pub generation: Generation,
    pub tags: BTreeMap<String, String>,
    pub reason: Option<String>,
    /// The limit that the rejected target ran into.
    pub limit: Option<Limit>,
    /// What stands indexed in the target's build.
    pub indexed: Option<InBuild>,
}

/// What stands indexed of a document in a build.
#[derive(Debug, Clone)]
pub(super) struct InBuild {
    pub generation: Generation,
    pub failed_pages: Vec<PageFailure>,
}

/// What a submission leads to.
#[derive(Debug, PartialEq)]
pub(super) enum OnSubmit {
    /// Nothing is written.
    Answer(Submitted),
    /// The submission becomes the target, with a generation of its own, and gets a new job in place of any other; an
    /// abandoned target becomes garbage.
    Index { garbage: Option<Generation> },
    /// The tags become the target's, and a job writes them to the generation that stands.
    Retag,
}

/// A version that already waits is left alone, so that resubmitting never takes a job from the worker that has it.
pub(super) fn on_submit(
    standing: Option<&Standing>,
    submission: &Submission,
    collection: &CollectionRecord,
) -> OnSubmit {
    let Some(standing) = standing else {
        return OnSubmit::Index { garbage: None };
    };
    let build = collection.target();
    let same_version = standing.content_hash == submission.content_hash
        && standing.physical == build.physical
        && standing.recipe == build.recipe;
    let index = OnSubmit::Index { garbage: standing.unfinished() };
    if !same_version || submission.force {
        return index;
    }
    let same_tags = standing.tags == submission.tags;
    // What stands is this very version, if perhaps with other tags.
    let stands = standing.stands();
    let pages_to_try = stands.map(|indexed| worth_another_try(&indexed.failed_pages, &submission.limits));
    match standing.state {
        State::Rejected if standing.limit.as_ref().is_none_or(|limit| !differs(limit, &submission.limits)) => {
            OnSubmit::Answer(Submitted::RejectedBefore(standing.reason.clone().unwrap_or_default()))
        }
        State::Rejected | State::Deleting => index,
        State::Queued | State::Processing if same_tags && pages_to_try != Some(true) => {
            OnSubmit::Answer(Submitted::Queued)
        }
        // A worker writes tags into what people see: another one beside it might lose.
        State::Processing => index,
        State::Indexed if same_tags && pages_to_try == Some(false) => {
            let failed_pages = stands.map(|indexed| indexed.failed_pages.clone()).unwrap_or_default();
            OnSubmit::Answer(Submitted::Unchanged(failed_pages))
        }
        State::Queued | State::Indexed | State::Dead => match pages_to_try {
            Some(false) if collection.next.is_none() => OnSubmit::Retag,
            _ => index,
        },
    }
}

impl Standing {
    /// What stands indexed, if it is the target.
    pub fn stands(&self) -> Option<&InBuild> {
        self.indexed.as_ref().filter(|indexed| indexed.generation == self.generation)
    }

    /// The target's generation, if work on it may have begun and it does not stand: nobody will ever need it.
    pub fn unfinished(&self) -> Option<Generation> {
        (self.state.is_unfinished() && self.stands().is_none()).then(|| self.generation.clone())
    }
}

/// Whether a run under these limits may find pages that are missing.
fn worth_another_try(failed_pages: &[PageFailure], limits: &BTreeMap<String, u64>) -> bool {
    failed_pages.iter().any(|page| page.again || page.limit.as_ref().is_some_and(|limit| differs(limit, limits)))
}

/// Whether the limit that was met has another value now. One that is not named is as it was.
fn differs(met: &Limit, limits: &BTreeMap<String, u64>) -> bool {
    limits.get(&met.name).is_some_and(|value| *value != met.value)
}

/// Whether another attempt follows.
pub(super) fn on_fail(attempts: u32, max_attempts: u32) -> Fate {
    if attempts < max_attempts { Fate::Retry } else { Fate::DeadLettered }
}

/// Where the definition of a build goes.
#[derive(Debug, PartialEq)]
pub(super) enum OnDefine {
    Create,
    Replace,
}

/// # Errors
/// Configuration, where the collection has other builds.
pub(super) fn on_define(name: &str, collection: Option<&CollectionRecord>, build: &Build) -> Result<OnDefine> {
    let Some(collection) = collection else { return Ok(OnDefine::Create) };
    let Some(existing) = of_name(collection, &build.physical) else {
        return Err(Error::configuration(format!(
            "collection '{name}' is kept in '{}'{}, and not in '{}': a build beside these begins with a rebuild",
            collection.active.physical,
            collection.next.as_ref().map(|next| format!(" and being built in '{}'", next.physical)).unwrap_or_default(),
            build.physical,
        )));
    };
    same_recipe(existing, build)?;
    Ok(OnDefine::Replace)
}

/// Whether the build has another recipe so far.
///
/// # Errors
/// Configuration, where the collection has no such build.
pub(super) fn on_amend(collection: &CollectionRecord, build: &Build) -> Result<bool> {
    let existing = of_name(collection, &build.physical).ok_or_else(|| {
        Error::configuration(format!("no build of collection '{}' is kept in '{}'", collection.name, build.physical))
    })?;
    Ok(existing.recipe != build.recipe)
}

/// What a call for a new build leads to.
#[derive(Debug, PartialEq)]
pub(super) enum OnRebuild {
    /// It is being filled already: what has no target in it is submitted.
    GoOn,
    /// It is new, and the one named here is given up.
    Begin { instead_of: Option<String> },
}

/// # Errors
/// Configuration, where it is no other build.
pub(super) fn on_rebuild(collection: &CollectionRecord, next: &Build) -> Result<OnRebuild> {
    if collection.active.physical == next.physical {
        return Err(Error::configuration(format!(
            "collection '{}' answers from '{}': a new build needs a collection of the store to itself, of another name",
            collection.name, next.physical
        )));
    }
    match &collection.next {
        Some(existing) if existing.physical == next.physical => {
            same_recipe(existing, next)?;
            Ok(OnRebuild::GoOn)
        }
        earlier => Ok(OnRebuild::Begin { instead_of: earlier.as_ref().map(|build| build.physical.clone()) }),
    }
}

fn of_name<'a>(collection: &'a CollectionRecord, physical: &str) -> Option<&'a Build> {
    [&collection.active].into_iter().chain(&collection.next).find(|build| build.physical == physical)
}

/// A store's collection holds vectors of one recipe only.
fn same_recipe(existing: &Build, wanted: &Build) -> Result<()> {
    if existing.recipe == wanted.recipe {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "'{}' holds vectors of recipe {}, and {} is asked for: another recipe needs a build of another name",
        existing.physical, existing.recipe, wanted.recipe
    )))
}

/// Who uses a collection of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Questions are asked of it.
    Active,
    /// It is being filled.
    Next,
    /// Nobody: it is to be dropped.
    Retired,
}

impl Role {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Active => "active",
            Role::Next => "next",
            Role::Retired => "retired",
        }
    }
}

/// Refuses a new build in a collection of the store that is taken.
///
/// # Errors
/// Transient, while it is still to be dropped; configuration, where another collection has it.
pub(super) fn on_taken(physical: &str, collection: &str, role: &str) -> Error {
    if role == Role::Retired.as_str() {
        return Error::transient(format!(
            "'{physical}' held an earlier build of collection '{collection}', and is to be dropped from the store first"
        ));
    }
    Error::configuration(format!("'{physical}' belongs to collection '{collection}': choose another name"))
}

/// What happens to a document when the next build is given up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OnAbandon {
    /// People see the target already.
    Stands,
    /// But for its tags.
    Retag,
    Index,
}

/// What people see of a document, and what was submitted last.
pub(super) struct Seen {
    pub content_hash: ContentHash,
    pub recipe: RecipeId,
    pub tags: BTreeMap<String, String>,
}

pub(super) fn on_abandon(
    seen: Option<&Seen>,
    content_hash: &ContentHash,
    tags: &BTreeMap<String, String>,
    active: &Build,
) -> OnAbandon {
    match seen {
        Some(seen) if seen.content_hash == *content_hash && seen.recipe == active.recipe => {
            if seen.tags == *tags {
                OnAbandon::Stands
            } else {
                OnAbandon::Retag
            }
        }
        _ => OnAbandon::Index,
    }
}

#[cfg(test)]
mod tests;
