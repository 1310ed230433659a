//! Holds the store against the ledger: what people may see must be there whole, and nothing else but what somebody is working
//! on or is about to remove. Says what is wrong, and sets right what can be.
//!
//! It must never touch what people see, what is being written, or points that are not Quire's.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;

use super::scope::Scope;
use crate::error::Result;
use crate::ledger::{CollectionRecord, DocumentFilter, DocumentRecord, Ledger, State, Submission};
use crate::store::{PageOf, VectorStore};
use crate::types::{DocumentId, Generation, Tenant};

/// Points listed in one go.
const STEP: usize = 1000;
/// Points and pages that are named; the rest is counted.
const NAMED: usize = 20;

/// What was found in one collection.
#[derive(Debug, Default, Serialize)]
pub struct StoreCheck {
    pub collection: String,
    /// Points that were looked at.
    pub points: usize,
    /// Documents whose visible generation is there whole.
    pub whole: usize,
    /// Documents that people see and that lack pages.
    pub incomplete: Vec<Incomplete>,
    /// Generations that nobody sees, nobody writes and nobody is about to remove.
    pub orphans: Vec<Orphan>,
    /// Points of generations that the next collection of garbage removes.
    pub waiting_for_removal: usize,
    /// Points of documents that are being worked on.
    pub in_work: usize,
    /// Points that are no pages of Quire's, the first of them by id.
    pub foreign: Vec<String>,
    pub foreign_points: usize,
    /// Documents that were queued again, generations that were removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Repaired>,
}

/// A document that people see and that lacks pages.
#[derive(Debug, Serialize)]
pub struct Incomplete {
    pub document_id: DocumentId,
    pub source: String,
    pub expected_pages: u32,
    /// The first of the pages that are missing.
    pub missing_pages: Vec<u32>,
    pub missing: usize,
    #[serde(skip)]
    record: DocumentRecord,
}

/// Pages that nobody knows.
#[derive(Debug, Serialize)]
pub struct Orphan {
    pub tenant: Tenant,
    pub document_id: DocumentId,
    pub generation: Generation,
    pub points: usize,
}

#[derive(Debug, Default, Serialize)]
pub struct Repaired {
    pub documents_queued: usize,
    pub generations_removed: usize,
}

impl StoreCheck {
    /// Whether ledger and store say the same.
    pub fn is_sound(&self) -> bool {
        self.incomplete.is_empty() && self.orphans.is_empty() && self.foreign_points == 0
    }
}

/// Which pages of a generation are there.
type Pages = BTreeMap<(Tenant, DocumentId, Generation), BTreeSet<u32>>;

impl Scope<'_> {
    /// Holds the points of a collection against the ledger, those of its active build. With `repair`, documents that lack
    /// pages are queued again (`quire ingest` then works on them) and orphans are removed.
    ///
    /// Documents of other tenants are looked at as far as the store holds a page of theirs.
    ///
    /// # Errors
    /// What ledger and store say.
    pub async fn check_store(&self, record: &CollectionRecord, repair: bool) -> Result<StoreCheck> {
        let (store, ledger) = (self.app.store.as_ref(), self.app.ledger.as_ref());
        let physical = &record.active.physical;
        let mut check = StoreCheck { collection: record.name.clone(), ..StoreCheck::default() };
        let pages = walk(store, physical, &mut check).await?;
        self.judge(ledger, record, &pages, &mut check).await?;
        if repair {
            check.repaired = Some(mend(store, ledger, physical, &check).await?);
        }
        Ok(check)
    }

    async fn judge(
        &self,
        ledger: &dyn Ledger,
        record: &CollectionRecord,
        pages: &Pages,
        check: &mut StoreCheck,
    ) -> Result<()> {
        let physical = &record.active.physical;
        let garbage = ledger.garbage(usize::try_from(i64::MAX).unwrap_or(usize::MAX)).await?;
        let garbage: HashSet<(DocumentId, Generation)> = garbage
            .into_iter()
            .filter(|garbage| garbage.collection == *physical)
            .map(|garbage| (garbage.document, garbage.generation))
            .collect();
        let mut records = BTreeMap::new();
        let filter = DocumentFilter { collection: Some(record.name.clone()), ..DocumentFilter::default() };
        for document in self.all_documents(&filter).await? {
            records.insert(document.document_id, document);
        }
        for (tenant, document, _) in pages.keys() {
            if !records.contains_key(document)
                && let Some(found) = ledger.document(tenant, *document).await?
            {
                records.insert(*document, found);
            }
        }
        for ((tenant, document, generation), found) in pages {
            let known = records.get(document);
            if known.is_some_and(|known| known.visible.as_ref() == Some(generation)) {
                continue;
            }
            if garbage.contains(&(*document, generation.clone())) {
                check.waiting_for_removal += found.len();
            } else if known
                .is_some_and(|known| matches!(known.state, State::Queued | State::Processing | State::Deleting))
            {
                check.in_work += found.len();
            } else {
                let (tenant, generation) = (tenant.clone(), generation.clone());
                check.orphans.push(Orphan { tenant, document_id: *document, generation, points: found.len() });
            }
        }
        let none = BTreeSet::new();
        for document in records.into_values() {
            let Some(visible) = &document.visible else { continue };
            let key = (document.tenant.clone(), document.document_id, visible.clone());
            let missing = missing(&document, pages.get(&key).unwrap_or(&none));
            if missing.is_empty() {
                check.whole += 1;
                continue;
            }
            check.incomplete.push(Incomplete {
                document_id: document.document_id,
                source: document.source.uri.clone(),
                expected_pages: document.page_count,
                missing: missing.len(),
                missing_pages: missing.into_iter().take(NAMED).collect(),
                record: document,
            });
        }
        Ok(())
    }
}

/// Every point of the collection, by whose it is.
async fn walk(store: &dyn VectorStore, physical: &str, check: &mut StoreCheck) -> Result<Pages> {
    let mut pages = Pages::new();
    let mut from = None;
    loop {
        let walk = store.walk(physical, from.as_deref(), STEP).await?;
        check.points += walk.points.len();
        for point in walk.points {
            match point.page {
                Some(PageOf { tenant, document, generation, page }) => {
                    pages.entry((tenant, document, generation)).or_default().insert(page);
                }
                None => {
                    check.foreign_points += 1;
                    if check.foreign.len() < NAMED {
                        check.foreign.push(point.id);
                    }
                }
            }
        }
        match walk.next {
            Some(next) => from = Some(next),
            None => return Ok(pages),
        }
    }
}

/// Pages of the visible generation that are not there; those that could not be indexed are not expected.
fn missing(document: &DocumentRecord, found: &BTreeSet<u32>) -> Vec<u32> {
    let failed: BTreeSet<u32> = document.failed_pages.iter().map(|failure| failure.page).collect();
    (1..=document.page_count).filter(|page| !found.contains(page) && !failed.contains(page)).collect()
}

async fn mend(store: &dyn VectorStore, ledger: &dyn Ledger, physical: &str, check: &StoreCheck) -> Result<Repaired> {
    let mut repaired = Repaired::default();
    for Incomplete { record, .. } in &check.incomplete {
        let again = Submission {
            document: record.document_id,
            tenant: record.tenant.clone(),
            collection: record.collection.clone(),
            source: record.source.clone(),
            content_hash: record.content_hash.clone(),
            tags: record.tags.clone(),
            size_bytes: record.size_bytes,
            priority: record.priority,
            force: true,
            limits: BTreeMap::new(),
        };
        ledger.submit(&again).await?;
        repaired.documents_queued += 1;
    }
    for orphan in &check.orphans {
        store.delete_generation(physical, orphan.document_id, &orphan.generation).await?;
        repaired.generations_removed += 1;
    }
    if !check.orphans.is_empty() {
        store.flush(physical).await?;
    }
    Ok(repaired)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::app::{App, Installation};
    use crate::config::{Config, Environment};
    use crate::ledger::{Build, Claim, Indexed, Submitted};
    use crate::store::fixtures::{self, Page};
    use crate::types::{ContentHash, PagePoint, PointId, Priority, RecipeId, SourceRef};

    const PHYSICAL: &str = "documents--1";

    async fn opened(folder: &tempfile::TempDir) -> App {
        let config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        let app = App::open(config, Installation::of_process_in(Environment::default())).await.unwrap();
        app.store.ensure_collection(PHYSICAL, &fixtures::schema()).await.unwrap();
        let build = Build {
            physical: PHYSICAL.into(),
            recipe: RecipeId("recipe".into()),
            definition: "{}".into(),
            incarnations: vec![],
        };
        app.ledger.define("documents", &build).await.unwrap();
        app
    }

    /// A document of three pages that stands indexed, of which the store gets these.
    async fn index(app: &App, number: u64, stored: &[u32]) -> DocumentId {
        let page = Page::new(number, 1);
        let submission = Submission {
            document: page.document_id(),
            tenant: page.payload().tenant,
            collection: "documents".into(),
            source: SourceRef { uri: page.source(), name: format!("{number}.pdf") },
            content_hash: ContentHash::of(b"x"),
            tags: BTreeMap::new(),
            size_bytes: 1,
            priority: Priority::Normal,
            force: false,
            limits: BTreeMap::new(),
        };
        assert_eq!(app.ledger.submit(&submission).await.unwrap(), Submitted::Queued);
        let lease = Duration::from_secs(60);
        let claim = Claim { collection: None, except: &[], suspects: false, limit: 1, lease };
        let job = app.ledger.claim(&claim).await.unwrap().remove(0);
        let point = |&number: &u32| {
            let mut point: PagePoint = Page { page: number, ..page.clone() }.point();
            point.payload.generation = job.generation.clone();
            point.id = PointId::new(job.document, &job.generation, number);
            point
        };
        app.store.upsert(PHYSICAL, stored.iter().map(point).collect()).await.unwrap();
        let indexed = Indexed { title: "T".into(), page_count: 3, ..Indexed::default() };
        assert!(app.ledger.complete(&job, &indexed).await.unwrap());
        job.document
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_missing_and_what_nobody_knows_is_found_and_set_right() {
        let folder = tempfile::tempdir().unwrap();
        let app = opened(&folder).await;
        let scope = app.scope(Tenant(fixtures::TENANT.into()));
        index(&app, 1, &[1, 2, 3]).await;
        let record = app.ledger.collection("documents").await.unwrap().unwrap();
        let sound = scope.check_store(&record, false).await.unwrap();
        assert!(sound.is_sound() && (sound.points, sound.whole) == (3, 1), "{sound:?}");

        let broken = index(&app, 2, &[1, 3]).await;
        let stray = [Page::new(9, 1).tenant("another"), Page::new(9, 2).tenant("another")];
        app.store.upsert(PHYSICAL, fixtures::points(&stray)).await.unwrap();
        let found = scope.check_store(&record, false).await.unwrap();
        assert!(!found.is_sound() && found.repaired.is_none());
        assert_eq!((found.incomplete[0].document_id, &found.incomplete[0].missing_pages[..]), (broken, &[2][..]));
        assert_eq!((found.orphans.len(), found.orphans[0].points, found.whole), (1, 2, 1), "{found:?}");

        let repaired = scope.check_store(&record, true).await.unwrap().repaired.unwrap();
        assert_eq!((repaired.documents_queued, repaired.generations_removed), (1, 1));
        let after = scope.check_store(&record, false).await.unwrap();
        assert_eq!((after.points, after.orphans.len()), (5, 0), "{after:?}");
        let queued = app.ledger.document(scope.tenant(), broken).await.unwrap().unwrap();
        assert_eq!(queued.state, State::Queued, "the next ingest makes it whole");
        assert!(queued.visible.is_some(), "what there is of it is seen until then");
        app.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_waits_for_its_removal_is_no_orphan() {
        let folder = tempfile::tempdir().unwrap();
        let app = opened(&folder).await;
        let scope = app.scope(Tenant(fixtures::TENANT.into()));
        let document = index(&app, 1, &[1, 2, 3]).await;
        app.ledger.delete(scope.tenant(), document).await.unwrap();
        let record = app.ledger.collection("documents").await.unwrap().unwrap();
        let check = scope.check_store(&record, true).await.unwrap();
        assert!(check.is_sound() && check.waiting_for_removal == 3, "{check:?}");
        assert_eq!(check.repaired.unwrap().generations_removed, 0);
        app.close().await;
    }
}
