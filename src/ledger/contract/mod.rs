//! What every ledger backend must do, one test a rule. A backend runs the suite with `contract_tests!(its factory)`.

mod amending;
mod collections;
mod garbage;
mod incidents;
mod keys;
mod reads;
mod retrying;
mod stories;
mod turns;
mod work;

pub(super) use self::amending::*;
pub(super) use self::collections::*;
pub(super) use self::garbage::*;
pub(super) use self::incidents::*;
pub(super) use self::keys::*;
pub(super) use self::reads::*;
pub(super) use self::retrying::*;
pub(super) use self::stories::*;
pub(super) use self::turns::*;
pub(super) use self::work::*;

use std::sync::Arc;

use super::testing::{Backend, HandClock, OwnedLedger, build, ordinary};
use super::*;

/// A ledger with the collections "documents" and "elsewhere"; None where its server is not installed.
async fn open(backend: &dyn Backend) -> Option<(Arc<dyn OwnedLedger>, HandClock)> {
    let clock = HandClock::new();
    let ledger = backend.empty(clock.clock()).await?;
    for name in ["documents", "elsewhere"] {
        ledger.define(name, &build(name)).await.unwrap();
    }
    Some((ledger, clock))
}

async fn claim_one(ledger: &dyn Ledger) -> Job {
    let mut jobs = ledger.claim(&ordinary(1)).await.unwrap();
    assert_eq!(jobs.len(), 1, "a job was expected");
    jobs.remove(0)
}

async fn submit_and_claim(ledger: &dyn Ledger, submission: &Submission) -> Job {
    assert_eq!(ledger.submit(submission).await.unwrap(), Submitted::Queued);
    let job = claim_one(ledger).await;
    assert_eq!((job.document, &job.content_hash), (submission.document, &submission.content_hash));
    job
}

async fn complete(ledger: &dyn Ledger, job: &Job) {
    assert!(ledger.complete(job, &Indexed::default()).await.unwrap());
}

/// Indexes the version, and returns the generation under which it stands.
async fn index(ledger: &dyn Ledger, submission: &Submission) -> Generation {
    let job = submit_and_claim(ledger, submission).await;
    assert_eq!(job.task, Task::Index);
    complete(ledger, &job).await;
    job.generation
}

async fn reject(ledger: &dyn Ledger, job: &Job, reason: &str) -> bool {
    ledger.reject(job, &Rejection { reason: reason.into(), limit: None }).await.unwrap()
}

async fn record(ledger: &dyn Ledger, of: &Submission) -> DocumentRecord {
    ledger.document(&of.tenant, of.document).await.unwrap().expect("the document is known")
}

/// What people see of the document.
async fn seen(ledger: &dyn Ledger, of: &Submission) -> Option<Generation> {
    let visible = ledger.visible(&of.tenant, &[of.document]).await.unwrap().remove(&of.document);
    let record = ledger.document(&of.tenant, of.document).await.unwrap();
    assert_eq!(visible, record.and_then(|record| record.visible));
    visible
}

/// The generations that are garbage, oldest first.
async fn garbage(ledger: &dyn Ledger) -> Vec<Generation> {
    ledger.garbage(100).await.unwrap().into_iter().map(|garbage| garbage.generation).collect()
}

async fn collect_all(ledger: &dyn Ledger) {
    for garbage in ledger.garbage(100).await.unwrap() {
        ledger.collected(&garbage).await.unwrap();
    }
}

/// One test a case, and the comparison with the model, against ledgers of `$backend`.
macro_rules! contract_tests {
    ($backend:expr) => {
        $crate::ledger::contract::contract_tests! { $backend;
            a_collection_is_defined_once_and_its_definition_replaced, a_build_keeps_its_recipe,
            a_physical_collection_has_one_owner, incarnations_are_kept, a_next_build_is_filled_beside_the_active_one,
            a_switch_is_one_step, a_switch_waits_for_every_job, a_switch_loses_nothing_unasked, a_forced_switch_goes_on,
            a_rebuild_goes_on_with_what_is_missing, a_rebuild_gives_up_an_earlier_one, a_rebuild_needs_another_build,
            an_abandoned_build_leaves_all_as_it_was, an_abandoned_build_returns_what_changed_meanwhile,
            a_retired_name_is_free_once_it_was_dropped, one_recipe_in_two_builds_is_not_mixed,
            lost_vectors_are_made_again, a_lost_next_build_leaves_what_people_see,
            a_lost_active_build_leaves_the_next_one_alone, pages_in_work_are_lost_with_their_build,

            a_build_is_amended_in_place, who_writes_while_a_build_is_amended_begins_again,
            a_build_that_is_not_there_is_not_amended, a_dropped_collection_goes_with_all_it_had,
            a_dropped_collection_leaves_others_alone, a_dropped_collection_can_be_made_again,

            a_document_is_indexed, a_submission_needs_its_collection, a_document_has_one_owner,
            a_change_replaces_what_people_see_at_the_end, every_submission_has_a_generation_of_its_own,
            what_changes_nothing_leaves_nothing_locked, tags_alone_are_written_anew,
            tags_alone_are_indexed_again_beside_a_rebuild,
            tenants_take_turns, collections_of_a_tenant_take_turns, what_is_wanted_sooner_goes_first_within_a_tenant,
            a_new_tenant_does_not_wait, work_is_news,
            turns_are_taken_and_given_back,
            tags_change_while_tags_are_written, a_retagging_that_fails_hides_nothing, a_newer_version_takes_the_job_away,
            resubmitting_leaves_a_running_job_alone, jobs_are_handed_out_by_collection, no_job_is_handed_out_twice,

            a_rejected_version_is_not_tried_again, a_rejection_at_a_limit_is_tried_under_another,
            failed_pages_survive_unchanged, lost_pages_are_tried_again, pages_at_a_limit_are_tried_under_another,
            a_failing_document_is_tried_again_and_then_buried, a_released_job_is_as_before,
            a_released_job_waits_with_its_reason,

            a_lease_that_ran_out_is_taken_over, who_kills_every_worker_becomes_suspect,
            tags_of_a_worker_that_slept_are_written_again, who_was_held_when_a_process_died_is_suspect,
            ten_deaths_bury_nothing, an_end_in_peace_clears_a_suspect,

            a_deleted_document_goes_with_its_garbage, a_deleted_document_goes_from_both_builds,
            a_document_without_points_is_deleted_at_once, a_document_comes_back_while_it_is_deleted,
            garbage_names_where_it_lies,

            documents_are_listed_by_source, lists_go_on_where_they_ended, a_foreign_cursor_is_refused,
            content_is_known_under_other_paths, content_in_pieces_is_known_nowhere, tenants_see_nothing_of_each_other,

            a_key_holds_until_it_is_revoked, a_key_ends_with_its_time, keys_are_listed_by_tenant, a_secret_is_drawn_once,
            an_answer_is_kept_for_a_day,

            a_story_tells_everything_in_order, a_long_story_keeps_its_end, a_story_ends_with_its_document,
            an_old_story_is_forgotten_and_nothing_else,
            progress_is_that_of_the_attempt, what_ended_is_retried, what_waits_is_due_at_once, what_is_cancelled_stays_so,
            documents_are_seen_by_their_groups, lists_are_narrowed_by_text_and_tags, an_owner_and_a_queue_are_told,
            bytes_of_an_upload_are_garbage_with_it
        }

        #[test]
        fn random_operations_agree_with_the_model() {
            $crate::ledger::model::random_operations_agree(&$backend);
        }
    };
    ($backend:expr; $($case:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::ledger::contract::$case(&$backend).await;
            }
        )*
    };
}
pub(super) use contract_tests;
