//! Collections, and their next builds: defined, filled, switched, given up. `incidents` has the builds that were lost.

use std::collections::HashSet;

use super::super::testing::{LEASE, build, ordinary, submission};
use super::*;
use crate::error::Kind;
use crate::types::RecipeId;

fn configuration<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration, "{error}");
    error.to_string()
}

async fn names(ledger: &dyn Ledger, of: &str) -> (String, Option<String>) {
    let record = ledger.collection(of).await.unwrap().unwrap();
    (record.active.physical, record.next.map(|next| next.physical))
}

pub(crate) async fn a_collection_is_defined_once_and_its_definition_replaced(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let first = Build { incarnations: vec!["one".into()], ..build("a-1") };
    ledger.define("a", &first).await.unwrap();
    let expected = CollectionRecord {
        name: "a".into(),
        active: first.clone(),
        next: None,
        created_at: "2023-11-14T22:13:20.000Z".into(),
    };
    assert_eq!(ledger.collection("a").await.unwrap(), Some(expected.clone()));
    assert_eq!(ledger.collection("none").await.unwrap(), None);
    let all: Vec<_> = ledger.collections().await.unwrap().into_iter().map(|record| record.name).collect();
    assert_eq!(all, ["a", "documents", "elsewhere"]);

    let plans = Build { definition: "{\"plans\":[]}".into(), incarnations: Vec::new(), ..first.clone() };
    ledger.define("a", &plans).await.unwrap();
    let now = ledger.collection("a").await.unwrap().unwrap();
    assert_eq!(now.active, Build { definition: plans.definition.clone(), ..first });
    ledger.rebuild("a", &build("a-2")).await.unwrap();
    ledger.define("a", &Build { definition: "{\"next\":1}".into(), ..build("a-2") }).await.unwrap();
    let now = ledger.collection("a").await.unwrap().unwrap();
    assert_eq!(
        (now.active.definition, now.next.clone().unwrap().definition),
        (plans.definition, "{\"next\":1}".into())
    );
    let said = configuration(ledger.define("a", &build("a-3")).await);
    assert!(said.contains("'a-1'") && said.contains("'a-2'") && said.contains("'a-3'"), "{said}");
}

pub(crate) async fn a_build_keeps_its_recipe(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let other = |physical: &str| Build { recipe: RecipeId("another".into()), ..build(physical) };
    let said = configuration(ledger.define("documents", &other("documents")).await);
    assert!(said.contains("recipe of documents") && said.contains("another"), "{said}");
    ledger.rebuild("documents", &build("next")).await.unwrap();
    configuration(ledger.define("documents", &other("next")).await);
    configuration(ledger.rebuild("documents", &other("next")).await);
}

pub(crate) async fn a_physical_collection_has_one_owner(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let said = configuration(ledger.define("a", &build("documents")).await);
    assert!(said.contains("belongs to collection 'documents'"), "{said}");
    configuration(ledger.rebuild("documents", &build("elsewhere")).await);
    assert_eq!(ledger.collection("a").await.unwrap(), None);
}

pub(crate) async fn incarnations_are_kept(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    ledger.rebuild("documents", &build("next")).await.unwrap();
    ledger.put_incarnations("documents", &["x".into(), "y".into()]).await.unwrap();
    ledger.put_incarnations("next", &["z".into()]).await.unwrap();
    let now = ledger.collection("documents").await.unwrap().unwrap();
    assert_eq!(now.active.incarnations, ["x", "y"]);
    assert_eq!(now.next.unwrap().incarnations, ["z"]);
    let said = configuration(ledger.put_incarnations("nowhere", &[]).await);
    assert!(said.contains("'nowhere'"), "{said}");
}

pub(crate) async fn a_next_build_is_filled_beside_the_active_one(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (a, b, gone) = (submission("a", 1), submission("b", 1), submission("gone", 1));
    let old = index(&*ledger, &a).await;
    let job = submit_and_claim(&*ledger, &b).await;
    index(&*ledger, &gone).await;
    ledger.delete(&gone.tenant, gone.document).await.unwrap();
    collect_all(&*ledger).await;

    assert_eq!(ledger.rebuild("documents", &build("next")).await.unwrap(), 2);
    assert_eq!(names(&*ledger, "documents").await, ("documents".into(), Some("next".into())));
    assert!(!ledger.complete(&job, &Indexed::default()).await.unwrap(), "its job is another by now");
    assert_eq!(garbage(&*ledger).await, [job.generation]);
    let jobs = ledger.claim(&ordinary(10)).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.document).collect::<Vec<_>>(), [a.document, b.document]);
    for job in &jobs {
        assert_eq!((job.physical.as_str(), &job.recipe, job.task), ("next", &build("next").recipe, Task::Index));
        complete(&*ledger, job).await;
    }
    assert_eq!((seen(&*ledger, &a).await, seen(&*ledger, &b).await), (Some(old.clone()), None));
    // Submissions go to the next build from now on, and what it holds is known.
    assert_eq!(ledger.submit(&a).await.unwrap(), Submitted::Unchanged(Vec::new()));
    let job = submit_and_claim(&*ledger, &submission("a", 2)).await;
    assert_eq!(job.physical, "next");
    complete(&*ledger, &job).await;
    assert!(garbage(&*ledger).await.contains(&jobs[0].generation));
    assert_eq!(seen(&*ledger, &a).await, Some(old));
}

pub(crate) async fn a_switch_is_one_step(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    assert_eq!(ledger.switch("documents", false).await.unwrap(), Switch::Nothing);
    let a = submission("a", 1);
    let old = index(&*ledger, &a).await;
    ledger.rebuild("documents", &build("next")).await.unwrap();
    let job = claim_one(&*ledger).await;
    let indexed = Indexed { title: "New".into(), page_count: 2, ..Indexed::default() };
    ledger.complete(&job, &indexed).await.unwrap();
    assert_eq!(record(&*ledger, &a).await.title, "");
    assert_eq!(ledger.switch("documents", false).await.unwrap(), Switch::Switched);
    assert_eq!(seen(&*ledger, &a).await, Some(job.generation));
    let now = record(&*ledger, &a).await;
    assert_eq!((now.state, now.title.as_str(), now.page_count), (State::Indexed, "New", 2));
    let expected =
        Garbage { document: a.document, tenant: a.tenant.clone(), collection: "documents".into(), generation: old };
    assert_eq!(ledger.garbage(10).await.unwrap(), [expected]);
    assert_eq!(ledger.retired().await.unwrap(), ["documents"]);
    assert_eq!(names(&*ledger, "documents").await, ("next".into(), None));
    assert_eq!(ledger.switch("documents", true).await.unwrap(), Switch::Nothing);
    assert_eq!(ledger.submit(&a).await.unwrap(), Submitted::Unchanged(Vec::new()));
    configuration(ledger.switch("none", false).await);
}

pub(crate) async fn a_switch_waits_for_every_job(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let a = submission("a", 1);
    index(&*ledger, &a).await;
    ledger.rebuild("documents", &build("next")).await.unwrap();
    ledger.submit(&submission("b", 1)).await.unwrap();
    ledger.submit(&Submission { collection: "elsewhere".into(), ..submission("c", 1) }).await.unwrap();
    assert_eq!(ledger.switch("documents", false).await.unwrap(), Switch::Waiting(2));
    let of_collection = Claim { collection: Some("documents"), ..ordinary(2) };
    for job in ledger.claim(&of_collection).await.unwrap() {
        assert!(matches!(ledger.switch("documents", false).await.unwrap(), Switch::Waiting(1..)));
        complete(&*ledger, &job).await;
    }
    assert_eq!(ledger.switch("documents", false).await.unwrap(), Switch::Switched);
}

pub(crate) async fn a_switch_loses_nothing_unasked(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (a, b) = (submission("a", 1), submission("b", 1));
    let old = index(&*ledger, &a).await;
    index(&*ledger, &b).await;
    let never_seen = submit_and_claim(&*ledger, &submission("c", 1)).await;
    reject(&*ledger, &never_seen, "broken").await;
    ledger.rebuild("documents", &build("next")).await.unwrap();
    let jobs = ledger.claim(&ordinary(3)).await.unwrap();
    reject(&*ledger, &jobs[0], "too large").await;
    complete(&*ledger, &jobs[1]).await;
    reject(&*ledger, &jobs[2], "broken").await;
    let expected = Switch::WouldLose(vec![(a.source.clone(), "too large".into())]);
    assert_eq!(ledger.switch("documents", false).await.unwrap(), expected);
    assert_eq!(seen(&*ledger, &a).await, Some(old.clone()));
    assert_eq!(ledger.switch("documents", true).await.unwrap(), Switch::Switched);
    assert_eq!(seen(&*ledger, &a).await, None);
    let now = record(&*ledger, &a).await;
    assert_eq!((now.state, now.reason.as_deref()), (State::Rejected, Some("too large")));
    assert!(garbage(&*ledger).await.contains(&old));
    assert_eq!(seen(&*ledger, &b).await, Some(jobs[1].generation.clone()));
}

pub(crate) async fn a_forced_switch_goes_on(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let a = submission("a", 1);
    index(&*ledger, &a).await;
    ledger.rebuild("documents", &build("next")).await.unwrap();
    let job = claim_one(&*ledger).await;
    assert_eq!(ledger.switch("documents", true).await.unwrap(), Switch::Switched);
    assert_eq!(seen(&*ledger, &a).await, None);
    complete(&*ledger, &job).await;
    assert_eq!(seen(&*ledger, &a).await, Some(job.generation));
}

pub(crate) async fn a_rebuild_goes_on_with_what_is_missing(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let a = submission("a", 1);
    index(&*ledger, &a).await;
    assert_eq!(ledger.rebuild("documents", &build("next")).await.unwrap(), 1);
    let job = claim_one(&*ledger).await;
    let plans = Build { definition: "{\"plans\":[]}".into(), ..build("next") };
    assert_eq!(ledger.rebuild("documents", &plans).await.unwrap(), 0);
    assert_eq!(ledger.collection("documents").await.unwrap().unwrap().next, Some(plans));
    complete(&*ledger, &job).await;
}

pub(crate) async fn a_rebuild_gives_up_an_earlier_one(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (a, b) = (submission("a", 1), submission("b", 1));
    let old = index(&*ledger, &a).await;
    index(&*ledger, &b).await;
    ledger.rebuild("documents", &build("second")).await.unwrap();
    let jobs = ledger.claim(&ordinary(2)).await.unwrap();
    complete(&*ledger, &jobs[0]).await;
    assert_eq!(ledger.rebuild("documents", &build("third")).await.unwrap(), 2);
    assert_eq!(names(&*ledger, "documents").await, ("documents".into(), Some("third".into())));
    assert_eq!(ledger.retired().await.unwrap(), ["second"]);
    assert_eq!(garbage(&*ledger).await, [jobs[0].generation.clone(), jobs[1].generation.clone()]);
    assert!(!ledger.renew(&jobs[1], LEASE).await.unwrap());
    assert_eq!(seen(&*ledger, &a).await, Some(old));
    for job in ledger.claim(&ordinary(2)).await.unwrap() {
        assert_eq!(job.physical, "third");
    }
}

pub(crate) async fn a_rebuild_needs_another_build(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let said = configuration(ledger.rebuild("documents", &build("documents")).await);
    assert!(said.contains("of another name"), "{said}");
    configuration(ledger.rebuild("none", &build("next")).await);
    configuration(ledger.abandon("none").await);
}

pub(crate) async fn an_abandoned_build_leaves_all_as_it_was(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    assert!(!ledger.abandon("documents").await.unwrap());
    let names_of = ["built", "failed", "waiting"];
    let all = names_of.map(|name| submission(name, 1));
    let mut old = Vec::new();
    for submission in &all {
        old.push(index(&*ledger, submission).await);
    }
    ledger.rebuild("documents", &build("next")).await.unwrap();
    let jobs = ledger.claim(&ordinary(3)).await.unwrap();
    complete(&*ledger, &jobs[0]).await;
    reject(&*ledger, &jobs[1], "no").await;
    assert!(ledger.abandon("documents").await.unwrap());
    for (submission, old) in all.iter().zip(&old) {
        assert_eq!(seen(&*ledger, submission).await.as_ref(), Some(old));
        let now = record(&*ledger, submission).await;
        assert_eq!((now.state, now.reason, now.recipe), (State::Indexed, None, build("documents").recipe));
        assert_eq!(ledger.submit(submission).await.unwrap(), Submitted::Unchanged(Vec::new()));
    }
    assert!(ledger.claim(&ordinary(10)).await.unwrap().is_empty());
    assert!(!ledger.complete(&jobs[2], &Indexed::default()).await.unwrap());
    let gone: HashSet<_> = garbage(&*ledger).await.into_iter().collect();
    assert_eq!(gone, jobs.iter().map(|job| job.generation.clone()).collect());
    assert_eq!(ledger.retired().await.unwrap(), ["next"]);
    assert_eq!(names(&*ledger, "documents").await, ("documents".into(), None));
}

pub(crate) async fn an_abandoned_build_returns_what_changed_meanwhile(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (changed, tagged, new) = (submission("changed", 1), submission("tagged", 1), submission("new", 1));
    let old = index(&*ledger, &changed).await;
    let seen_before = index(&*ledger, &tagged).await;
    ledger.rebuild("documents", &build("next")).await.unwrap();
    ledger.submit(&submission("changed", 2)).await.unwrap();
    ledger.submit(&Submission { tags: BTreeMap::new(), ..tagged.clone() }).await.unwrap();
    ledger.submit(&new).await.unwrap();
    assert!(ledger.abandon("documents").await.unwrap());
    let jobs = ledger.claim(&ordinary(10)).await.unwrap();
    let jobs: HashMap<_, _> = jobs.into_iter().map(|job| (job.document, job)).collect();
    assert_eq!(jobs.len(), 3);
    assert_eq!(jobs[&changed.document].task, Task::Index);
    assert_eq!(jobs[&changed.document].content_hash, submission("changed", 2).content_hash);
    assert_ne!(jobs[&changed.document].generation, old);
    let retag = &jobs[&tagged.document];
    assert_eq!((retag.task, &retag.generation, retag.tags.len()), (Task::Retag, &seen_before, 0));
    assert_eq!((jobs[&new.document].task, jobs[&new.document].physical.as_str()), (Task::Index, "documents"));
    for job in jobs.values() {
        complete(&*ledger, job).await;
    }
    assert_eq!(seen(&*ledger, &tagged).await, Some(seen_before));
    assert_eq!(seen(&*ledger, &changed).await.as_ref(), Some(&jobs[&changed.document].generation));
}

pub(crate) async fn a_retired_name_is_free_once_it_was_dropped(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    ledger.rebuild("documents", &build("next")).await.unwrap();
    ledger.dropped("next").await.unwrap();
    assert_eq!(names(&*ledger, "documents").await.1.as_deref(), Some("next"), "it is not retired");
    ledger.abandon("documents").await.unwrap();
    let error = ledger.rebuild("documents", &build("next")).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("dropped"), "{error}");
    ledger.dropped("next").await.unwrap();
    assert!(ledger.retired().await.unwrap().is_empty());
    ledger.rebuild("documents", &build("next")).await.unwrap();
}

/// Another schema needs other vectors, not another recipe.
pub(crate) async fn one_recipe_in_two_builds_is_not_mixed(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let a = submission("a", 1);
    let old = index(&*ledger, &a).await;
    let next = Build { recipe: build("documents").recipe, ..build("next") };
    assert_eq!(ledger.rebuild("documents", &next).await.unwrap(), 1);
    let collection = ledger.collection("documents").await.unwrap().unwrap();
    assert_eq!(collection.build(&next.recipe), Some(&next));
    let job = claim_one(&*ledger).await;
    assert_eq!(job.physical, "next");
    complete(&*ledger, &job).await;
    assert_eq!(seen(&*ledger, &a).await, Some(old));
    assert_eq!(ledger.switch("documents", false).await.unwrap(), Switch::Switched);
    assert_eq!(seen(&*ledger, &a).await, Some(job.generation));
}
