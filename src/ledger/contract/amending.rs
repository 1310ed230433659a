//! Builds whose vectors were changed in place, and collections that were dropped.

use super::super::testing::{build, ordinary, submission, submission_of};
use super::*;
use crate::error::Kind;
use crate::types::RecipeId;

/// The build `documents` after its vectors were changed.
fn amended() -> Build {
    Build { recipe: RecipeId("amended".into()), definition: "{\"more\":1}".into(), ..build("documents") }
}

pub(crate) async fn a_build_is_amended_in_place(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (stands, waits, elsewhere) = (submission("a", 1), submission("b", 1), submission("c", 1));
    let generation = index(&*ledger, &stands).await;
    ledger.submit(&waits).await.unwrap();
    ledger.put_incarnations("documents", &["kept".into()]).await.unwrap();
    assert_eq!(ledger.amend("documents", &amended()).await.unwrap(), 0);

    let active = ledger.collection("documents").await.unwrap().unwrap().active;
    assert_eq!(active, Build { incarnations: vec!["kept".into()], ..amended() });
    assert_eq!(seen(&*ledger, &stands).await, Some(generation), "people see what they saw");
    assert_eq!(record(&*ledger, &stands).await.recipe, amended().recipe);
    assert_eq!(ledger.submit(&stands).await.unwrap(), Submitted::Unchanged(Vec::new()), "it is of that recipe now");
    let job = claim_one(&*ledger).await;
    assert_eq!((job.document, &job.recipe), (waits.document, &amended().recipe));
    complete(&*ledger, &job).await;
    assert!(garbage(&*ledger).await.is_empty());
    // Once more is as once.
    assert_eq!(ledger.amend("documents", &amended()).await.unwrap(), 0);
    let job = submit_and_claim(&*ledger, &elsewhere).await;
    assert_eq!(job.recipe, amended().recipe);
}

pub(crate) async fn who_writes_while_a_build_is_amended_begins_again(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (new, retagged) = (submission("a", 1), submission("b", 1));
    let kept = index(&*ledger, &retagged).await;
    let writing = submit_and_claim(&*ledger, &new).await;
    let mut tags = retagged.clone();
    tags.tags.insert("seen".into(), "twice".into());
    let retagging = submit_and_claim(&*ledger, &tags).await;
    assert_eq!(retagging.task, Task::Retag);

    assert_eq!(ledger.amend("documents", &amended()).await.unwrap(), 1);
    assert!(!ledger.complete(&writing, &Indexed::default()).await.unwrap(), "its pages lack what the others got");
    assert_eq!(garbage(&*ledger).await, std::slice::from_ref(&writing.generation));
    assert!(ledger.complete(&retagging, &Indexed::default()).await.unwrap(), "tags have no recipe");
    assert_eq!(seen(&*ledger, &retagged).await, Some(kept));
    let again = claim_one(&*ledger).await;
    assert_eq!((again.document, &again.recipe), (new.document, &amended().recipe));
    assert_ne!(again.generation, writing.generation);
    complete(&*ledger, &again).await;
    assert_eq!(seen(&*ledger, &new).await, Some(again.generation));
}

pub(crate) async fn a_build_that_is_not_there_is_not_amended(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    for (collection, physical) in [("documents", "elsewhere"), ("nowhere", "documents")] {
        let error = ledger.amend(collection, &Build { recipe: amended().recipe, ..build(physical) }).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Configuration, "{error}");
    }
    assert_eq!(ledger.collection("documents").await.unwrap().unwrap().active, build("documents"));
}

pub(crate) async fn a_dropped_collection_goes_with_all_it_had(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let (stands, in_work, waits) = (submission("a", 1), submission("b", 1), submission("c", 1));
    let of_another = submission_of(&Tenant("b".into()), "d", 1);
    let mut expected = vec![index(&*ledger, &stands).await, index(&*ledger, &of_another).await];
    let job = submit_and_claim(&*ledger, &in_work).await;
    ledger.submit(&waits).await.unwrap();

    assert_eq!(ledger.drop_collection("documents").await.unwrap(), Some(4));
    assert_eq!(ledger.collection("documents").await.unwrap(), None);
    assert_eq!(ledger.retired().await.unwrap(), ["documents"]);
    for of in [&stands, &of_another, &in_work] {
        assert_eq!(seen(&*ledger, of).await, None);
    }
    assert!(ledger.claim(&ordinary(10)).await.unwrap().is_empty());
    assert_eq!(ledger.next_due_ms(None).await.unwrap(), None);
    // Who was at it learns that it is gone, and what it wrote meanwhile is garbage.
    assert!(!ledger.complete(&job, &Indexed::default()).await.unwrap());
    expected.push(job.generation.clone());
    let found = garbage(&*ledger).await;
    assert!(expected.iter().all(|generation| found.contains(generation)), "{found:?}");
    collect_all(&*ledger).await;
    ledger.dropped("documents").await.unwrap();
    for of in [&stands, &of_another, &in_work, &waits] {
        assert_eq!(ledger.document(&of.tenant, of.document).await.unwrap(), None);
    }
    assert!(ledger.retired().await.unwrap().is_empty());
    assert_eq!(ledger.drop_collection("documents").await.unwrap(), None, "there is none any more");
}

pub(crate) async fn a_dropped_collection_leaves_others_alone(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let stays = submission("a", 1);
    let generation = index(&*ledger, &stays).await;
    ledger.rebuild("elsewhere", &build("next")).await.unwrap();
    assert_eq!(ledger.drop_collection("elsewhere").await.unwrap(), Some(0));
    assert_eq!(ledger.retired().await.unwrap(), ["elsewhere", "next"], "both of its builds");
    assert_eq!(seen(&*ledger, &stays).await, Some(generation));
    assert!(garbage(&*ledger).await.is_empty());
}

pub(crate) async fn a_dropped_collection_can_be_made_again(backend: &dyn Backend) {
    let Some((ledger, _)) = open(backend).await else { return };
    let document = submission("a", 1);
    let old = index(&*ledger, &document).await;
    ledger.drop_collection("documents").await.unwrap();
    let error = ledger.define("documents", &build("documents")).await.unwrap_err();
    assert!(error.is_transient(), "the store has still to drop what was called so: {error}");
    ledger.define("documents", &build("another")).await.unwrap();
    let new = index(&*ledger, &document).await;
    assert_ne!(old, new);
    assert_eq!(garbage(&*ledger).await, [old], "what it was before");
    collect_all(&*ledger).await;
    assert_eq!(seen(&*ledger, &document).await, Some(new));
}
