//! Decisions about documents that every backend shares: pure functions from where a document stands to what is written.

use std::collections::BTreeMap;

use super::{Fate, State, Submission, Submitted};
use crate::error::{Error, Result};
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

/// A document before a transition. The *target* is the version submitted last, whatever became of it.
#[derive(Debug)]
pub(super) struct Standing {
    pub state: State,
    pub content_hash: ContentHash,
    pub recipe: RecipeId,
    pub generation: Generation,
    pub tags: BTreeMap<String, String>,
    pub reason: Option<String>,
    pub visible: Option<Generation>,
}

/// What a submission leads to.
#[derive(Debug, PartialEq)]
pub(super) enum OnSubmit {
    /// Nothing is written.
    Answer(Submitted),
    /// The submission becomes the target and gets a new job in place of any other; an abandoned target becomes garbage.
    Queue { garbage: Option<Generation> },
}

/// A version that already waits is left alone, so that resubmitting never takes a job from the worker that has it.
pub(super) fn on_submit(standing: Option<&Standing>, submission: &Submission) -> OnSubmit {
    let Some(standing) = standing else {
        return OnSubmit::Queue { garbage: None };
    };
    let same_version = standing.content_hash == submission.content_hash && standing.recipe == submission.recipe;
    let same_tags = standing.tags == submission.tags;
    if same_version && !submission.force {
        match standing.state {
            State::Indexed if same_tags => return OnSubmit::Answer(Submitted::Unchanged),
            State::Queued | State::Processing if same_tags => return OnSubmit::Answer(Submitted::Queued),
            State::Rejected => {
                let reason = standing.reason.clone().unwrap_or_default();
                return OnSubmit::Answer(Submitted::RejectedBefore(reason));
            }
            _ => {}
        }
    }
    let abandoned = standing.state.is_unfinished() && !same_version;
    OnSubmit::Queue { garbage: if abandoned { unless_visible(standing) } else { None } }
}

/// The generations whose points go with the document: the visible one, and the target's where work on it had begun.
pub(super) fn on_delete(standing: &Standing) -> Vec<Generation> {
    let mut garbage: Vec<Generation> = standing.visible.iter().cloned().collect();
    if standing.state.is_unfinished() {
        garbage.extend(unless_visible(standing));
    }
    garbage
}

/// The generation that people saw before `generation` takes its place; None where that is the same one.
pub(super) fn on_complete(visible: Option<Generation>, generation: &Generation) -> Option<Generation> {
    visible.filter(|earlier| earlier != generation)
}

/// Whether another attempt follows.
pub(super) fn on_fail(attempts: u32, max_attempts: u32) -> Fate {
    if attempts < max_attempts { Fate::Retry } else { Fate::DeadLettered }
}

/// The target's generation, where it is not the one that people see.
pub(super) fn unless_visible(standing: &Standing) -> Option<Generation> {
    (standing.visible.as_ref() != Some(&standing.generation)).then(|| standing.generation.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_survive_their_names() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()).unwrap(), state);
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert!(State::parse("done").unwrap_err().to_string().contains("'done'"));
    }

    #[test]
    fn the_last_attempt_has_no_successor() {
        assert_eq!(on_fail(2, 3), Fate::Retry);
        assert_eq!(on_fail(3, 3), Fate::DeadLettered);
        assert_eq!(on_fail(7, 3), Fate::DeadLettered);
    }
}
