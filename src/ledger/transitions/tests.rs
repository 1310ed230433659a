//! The decisions, one by one.

use super::super::testing::{build, submission};
use super::*;
use crate::error::Kind;

fn collection() -> CollectionRecord {
    CollectionRecord {
        name: "documents".into(),
        active: build("active"),
        next: None,
        created_at: "2023-11-14T22:13:20.000Z".into(),
    }
}

fn rebuilding() -> CollectionRecord {
    CollectionRecord { next: Some(build("next")), ..collection() }
}

fn generation(name: &str) -> Generation {
    Generation(name.into())
}

/// A document that stands where `submission` would bring it.
fn standing(submission: &Submission, state: State) -> Standing {
    Standing {
        state,
        physical: "active".into(),
        recipe: build("active").recipe,
        content_hash: submission.content_hash.clone(),
        generation: generation("target"),
        tags: submission.tags.clone(),
        reason: Some("a reason".into()),
        limit: None,
        indexed: None,
    }
}

fn indexed(submission: &Submission, failed_pages: Vec<PageFailure>) -> Standing {
    let in_build = InBuild { generation: generation("target"), failed_pages };
    Standing { indexed: Some(in_build), ..standing(submission, State::Indexed) }
}

fn page(limit: Option<u64>, again: bool) -> PageFailure {
    let limit = limit.map(|value| Limit { name: "max".into(), value });
    PageFailure { page: 1, reason: "no".into(), limit, again }
}

const INDEX: OnSubmit = OnSubmit::Index { garbage: None };

#[test]
fn states_survive_their_names() {
    for state in State::ALL {
        assert_eq!(State::parse(state.as_str()).unwrap(), state);
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
    assert!(State::parse("done").unwrap_err().to_string().contains("'done'"));
    for task in [Task::Index, Task::Retag] {
        assert_eq!(Task::parse(task.as_str()).unwrap(), task);
    }
    assert!(Task::parse("paint").unwrap_err().to_string().contains("'paint'"));
}

#[test]
fn the_last_attempt_has_no_successor() {
    assert_eq!(on_fail(2, 3), Fate::Retry);
    assert_eq!(on_fail(3, 3), Fate::DeadLettered);
    assert_eq!(on_fail(7, 3), Fate::DeadLettered);
}

#[test]
fn what_stands_as_submitted_is_left_alone() {
    let new = submission("a", 1);
    let answer = OnSubmit::Answer(Submitted::Unchanged(vec![page(None, false)]));
    assert_eq!(on_submit(Some(&indexed(&new, vec![page(None, false)])), &new, &collection()), answer);
    assert_eq!(on_submit(None, &new, &collection()), INDEX);
    let forced = Submission { force: true, ..new.clone() };
    assert_eq!(on_submit(Some(&indexed(&new, Vec::new())), &forced, &collection()), INDEX);
    let changed = submission("a", 2);
    assert_eq!(on_submit(Some(&indexed(&new, Vec::new())), &changed, &collection()), INDEX);
}

#[test]
fn another_build_is_another_target() {
    let new = submission("a", 1);
    assert_eq!(on_submit(Some(&indexed(&new, Vec::new())), &new, &rebuilding()), INDEX);
    let other_recipe = Standing { recipe: build("other").recipe, ..indexed(&new, Vec::new()) };
    assert_eq!(on_submit(Some(&other_recipe), &new, &collection()), INDEX);
    let refused = standing(&new, State::Rejected);
    assert_eq!(on_submit(Some(&refused), &new, &rebuilding()), INDEX, "another model may take it");
}

#[test]
fn pages_are_tried_again_when_that_may_help() {
    let mut new = submission("a", 1);
    new.limits.insert("max".into(), 7);
    let unchanged = |page: PageFailure| OnSubmit::Answer(Submitted::Unchanged(vec![page]));
    for (page, again) in [
        (page(None, false), false),
        (page(None, true), true),
        (page(Some(7), false), false),
        (page(Some(6), false), true),
    ] {
        let expected = if again { INDEX } else { unchanged(page.clone()) };
        assert_eq!(on_submit(Some(&indexed(&new, vec![page])), &new, &collection()), expected);
    }
    let unnamed = Submission { limits: BTreeMap::new(), ..new.clone() };
    assert_eq!(
        on_submit(Some(&indexed(&new, vec![page(Some(6), false)])), &unnamed, &collection()),
        unchanged(page(Some(6), false))
    );
}

#[test]
fn tags_alone_take_no_vectors() {
    let old = submission("a", 1);
    let new = Submission { tags: BTreeMap::new(), ..old.clone() };
    for (state, expected) in [
        (State::Indexed, OnSubmit::Retag),
        (State::Queued, OnSubmit::Retag),
        (State::Dead, OnSubmit::Retag),
        // Somebody writes tags just now.
        (State::Processing, INDEX),
    ] {
        let stands = Standing { state, ..indexed(&old, Vec::new()) };
        assert_eq!(on_submit(Some(&stands), &new, &collection()), expected, "{state:?}");
    }
    assert_eq!(on_submit(Some(&indexed(&old, vec![page(None, true)])), &new, &collection()), INDEX);
    let in_next = Standing { physical: "next".into(), recipe: build("next").recipe, ..indexed(&old, Vec::new()) };
    assert_eq!(on_submit(Some(&in_next), &new, &rebuilding()), INDEX);
}

#[test]
fn an_unfinished_target_that_is_replaced_is_garbage() {
    let (old, new) = (submission("a", 1), submission("a", 2));
    for state in [State::Queued, State::Processing] {
        let garbage = Some(generation("target"));
        assert_eq!(on_submit(Some(&standing(&old, state)), &new, &collection()), OnSubmit::Index { garbage });
        assert_eq!(on_submit(Some(&standing(&old, state)), &old, &collection()), OnSubmit::Answer(Submitted::Queued));
        // A retagging: the target stands.
        let stands = Standing { state, ..indexed(&old, Vec::new()) };
        assert_eq!(on_submit(Some(&stands), &new, &collection()), INDEX);
    }
    for state in [State::Dead, State::Rejected, State::Deleting] {
        assert_eq!(on_submit(Some(&standing(&old, state)), &new, &collection()), INDEX);
    }
}

#[test]
fn a_rejection_stands_until_its_limit_is_another() {
    let mut new = submission("a", 1);
    new.limits.insert("max".into(), 7);
    let at = |value| Standing {
        limit: Some(Limit { name: "max".into(), value }),
        ..standing(&submission("a", 1), State::Rejected)
    };
    let before = OnSubmit::Answer(Submitted::RejectedBefore("a reason".into()));
    assert_eq!(on_submit(Some(&standing(&new, State::Rejected)), &new, &collection()), before);
    assert_eq!(on_submit(Some(&at(7)), &new, &collection()), before);
    assert_eq!(on_submit(Some(&at(8)), &new, &collection()), INDEX);
}

#[test]
fn builds_are_defined_and_replaced_by_name() {
    assert_eq!(on_define("documents", None, &build("x")).unwrap(), OnDefine::Create);
    for name in ["active", "next"] {
        assert_eq!(on_define("documents", Some(&rebuilding()), &build(name)).unwrap(), OnDefine::Replace);
    }
    let error = on_define("documents", Some(&collection()), &build("next")).unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration);

    assert_eq!(on_rebuild(&collection(), &build("x")).unwrap(), OnRebuild::Begin { instead_of: None });
    let instead_of = Some("next".to_owned());
    assert_eq!(on_rebuild(&rebuilding(), &build("x")).unwrap(), OnRebuild::Begin { instead_of });
    assert_eq!(on_rebuild(&rebuilding(), &build("next")).unwrap(), OnRebuild::GoOn);
    assert!(on_rebuild(&collection(), &build("active")).is_err());
}

#[test]
fn what_people_see_already_needs_no_new_vectors() {
    let target = submission("a", 1);
    let seen = |version, tags: bool, of: &str| Seen {
        content_hash: submission("a", version).content_hash,
        recipe: build(of).recipe,
        tags: if tags { target.tags.clone() } else { BTreeMap::new() },
    };
    let then = |seen: Option<Seen>| on_abandon(seen.as_ref(), &target.content_hash, &target.tags, &build("active"));
    assert_eq!(then(None), OnAbandon::Index);
    assert_eq!(then(Some(seen(1, true, "active"))), OnAbandon::Stands);
    assert_eq!(then(Some(seen(1, false, "active"))), OnAbandon::Retag);
    assert_eq!(then(Some(seen(2, true, "active"))), OnAbandon::Index);
    assert_eq!(then(Some(seen(1, true, "of version 1"))), OnAbandon::Index);
}
