//! What every [`VectorStore`] must do, one rule a test, by subject. A backend runs all of it with [`contract_tests`].

pub mod collections;
mod expected;
pub mod filters;
pub mod in_place;
mod queries;
pub mod ranking;
pub mod upkeep;
pub mod writing;

use std::sync::Arc;

use async_trait::async_trait;

use super::fixtures::{self, Page, TENANT, all, points, query};
use super::{Condition, QueryNode, ScoredPoint, VectorStore};
use crate::types::{PointId, Tenant};

pub(super) use queries::{by_anchors, by_fde, fused, over, trees};

/// A place where a store can be opened, closed by dropping it, and opened again with what it held.
#[async_trait]
pub trait Place: Send + Sync {
    async fn open(&self) -> Arc<dyn VectorStore>;

    /// Takes away what was made there, if it does not go by itself.
    async fn clear(&self) {}
}

/// Makes a test of each rule; `$place` gives a new, empty [`Place`], or None if there is none here: the test then says that it
/// was skipped.
macro_rules! contract_tests {
    ($place:expr) => {
        $crate::store::contract::contract_tests!($place =>
            collections: collections_come_and_go, another_schema_is_refused, an_incarnation_stays, an_empty_collection_is_known, what_does_not_exist_is_named, a_published_name_leads_to_its_collection, a_collection_tells_of_itself;
            writing: a_point_is_overwritten, a_generation_is_deleted, what_was_flushed_is_there_again, broken_points_are_refused, many_tasks_at_once, vectors_come_back_as_stored, no_point_changes_its_number_of_rows, tags_are_replaced;
            ranking: exact_max_sim_is_exact, a_rerank_scores_what_the_prefetch_found, rare_terms_weigh_more, ranks_are_fused, scores_are_fused, one_prefetch_stands_for_itself, a_threshold_cuts, broken_queries_are_refused, pages_without_text_are_pages;
            filters: filters_hold_in_every_branch, each_condition_filters, pages_are_seen_by_their_groups, another_tenants_points_never_come_back;
            in_place: vectors_come_to_stored_points, vectors_go_from_stored_points;
            upkeep: optimizing_changes_no_answer, purging_changes_no_answer, a_walk_meets_every_point_once;
        );
    };
    ($place:expr => $($subject:ident: $($rule:ident),*;)*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let Some(place) = $place else { return };
                $crate::store::contract::$subject::$rule(&place).await;
                $crate::store::contract::Place::clear(&place).await;
            }
        )*)*
    };
}
pub(crate) use contract_tests;

const DOCS: &str = "documents";

async fn filled(place: &dyn Place, pages: &[Page]) -> Arc<dyn VectorStore> {
    let store = place.open().await;
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    store.upsert(DOCS, points(pages)).await.unwrap();
    store
}

async fn run(store: &Arc<dyn VectorStore>, root: QueryNode) -> Vec<ScoredPoint> {
    store.query(DOCS, query(root)).await.unwrap()
}

async fn count(store: &Arc<dyn VectorStore>, must: Vec<Condition>) -> usize {
    store.count(DOCS, &all().with(must)).await.unwrap()
}

fn tenant() -> Tenant {
    Tenant(TENANT.into())
}

fn ids(hits: &[ScoredPoint]) -> Vec<PointId> {
    hits.iter().map(|hit| hit.id).collect()
}
