//! A vector that the pages of a collection are given, or lose, where they are.
//!
//! The order: the ledger says that the vector is on its way; the store gets it; the ledger says that the build is made with it, so that
//! pages which come now bring it along and documents that are just being written begin again; the pages that are there are filled;
//! plans may read it. Whatever is interrupted is taken up at the same place.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::pages::Derivation;
use super::{Deriver, Done};
use crate::app::definition::Definition;
use crate::error::{Error, Result};
use crate::ledger::CollectionRecord;
use crate::store::{Owned, Walk};
use crate::types::{PointId, RecipeId, Tenant, VectorName};

/// Pages looked at together: 8 MB of patches of a large model.
const SLICE: usize = 16;
/// Slices under way at once, at most.
const AT_ONCE: usize = 8;
/// Pages between two lines of progress.
const TOLD: u64 = 10_000;

impl Deriver {
    pub(super) async fn add_in_place(
        &self,
        collection: &str,
        vector: VectorName,
        wanted: &Definition,
        derivation: &Derivation,
        stop: &CancellationToken,
    ) -> Result<Done> {
        let physical = self.announce(collection, vector, wanted).await?;
        let done = self.fill(&physical, vector, &wanted.recipe, derivation, stop).await?;
        if !done.stopped {
            self.settle(collection, vector).await?;
        }
        Ok(done)
    }

    /// Everything that comes from now on has the vector. Returns the store's collection.
    async fn announce(&self, collection: &str, vector: VectorName, wanted: &Definition) -> Result<String> {
        let _defining = self.collections.defining.lock().await;
        let _turn = self.ledger().turn(&format!("define {collection}")).await?;
        let record = self.record(collection).await?;
        let physical = record.active.physical.clone();
        let mut now = (*self.collections.defined(&record.active)?.definition).clone();
        if now.schema.get(vector).is_some() {
            return Ok(physical);
        }
        let spec = wanted.schema.get(vector).ok_or_else(|| Error::bug(format!("'{vector}' has no schema")))?;
        now.transit = vec![spec.clone()];
        self.ledger().define(collection, &now.to_build(physical.clone())?).await?;
        // What an earlier attempt left was made with other parameters, perhaps.
        self.store().remove_vector(&physical, vector).await?;
        self.store().add_vector(&physical, spec).await?;
        let mut wanted = wanted.clone();
        wanted.transit = now.transit;
        let again = self.ledger().amend(collection, &wanted.to_build(physical.clone())?).await?;
        tracing::info!(collection, %vector, documents_begun_again = again, "pages that come from now on have the vector");
        Ok(physical)
    }

    /// Plans may read the vector, or nothing of it is left.
    async fn settle(&self, collection: &str, vector: VectorName) -> Result<()> {
        let _defining = self.collections.defining.lock().await;
        let _turn = self.ledger().turn(&format!("define {collection}")).await?;
        let record = self.record(collection).await?;
        let mut now = (*self.collections.defined(&record.active)?.definition).clone();
        now.transit.retain(|spec| spec.name != vector);
        self.ledger().define(collection, &now.to_build(record.active.physical)?).await
    }

    pub(super) async fn drop_in_place(&self, collection: &str, vector: VectorName, wanted: &Definition) -> Result<()> {
        {
            let _defining = self.collections.defining.lock().await;
            let _turn = self.ledger().turn(&format!("define {collection}")).await?;
            let record = self.record(collection).await?;
            let physical = record.active.physical.clone();
            let now = self.collections.defined(&record.active)?.definition;
            let mut wanted = wanted.clone();
            wanted.transit = now.kept_schema().get(vector).cloned().into_iter().collect();
            self.ledger().amend(collection, &wanted.to_build(physical.clone())?).await?;
            self.store().remove_vector(&physical, vector).await?;
        }
        self.settle(collection, vector).await
    }

    /// # Errors
    /// Configuration, where it is being built anew: what is made then replaces what is there.
    async fn record(&self, collection: &str) -> Result<CollectionRecord> {
        let record = self.ledger().collection(collection).await?;
        let record = record.ok_or_else(|| Error::configuration(format!("there is no collection '{collection}'")))?;
        if record.next.is_some() {
            return Err(super::being_built(collection));
        }
        Ok(record)
    }

    /// Gives the vector to every page that has patches and lacks it.
    async fn fill(
        &self,
        physical: &str,
        vector: VectorName,
        recipe: &RecipeId,
        derivation: &Derivation,
        stop: &CancellationToken,
    ) -> Result<Done> {
        let slices = stream::try_unfold(Some(None::<String>), |from| async move {
            let Some(from) = from.filter(|_| !stop.is_cancelled()) else { return Ok::<_, Error>(None) };
            let walk = self.store().walk_lacking(physical, vector, VectorName::Patches, from.as_deref(), SLICE).await?;
            let Walk { points, next } = walk;
            Ok(Some((points, next.map(Some))))
        });
        let at_once = std::thread::available_parallelism().map_or(1, usize::from).min(AT_ONCE);
        let mut filled = Box::pin(
            slices.map_ok(|points| self.fill_slice(physical, recipe, derivation, points)).try_buffer_unordered(at_once),
        );
        let (mut done, mut told) = (Done::default(), 0);
        while let Some(pages) = filled.next().await {
            done.pages += pages?;
            if done.pages >= told + TOLD {
                told = done.pages;
                tracing::info!(collection = physical, %vector, pages = done.pages, "deriving");
            }
        }
        self.store().flush(physical).await?;
        done.stopped = stop.is_cancelled();
        Ok(done)
    }

    async fn fill_slice(
        &self,
        physical: &str,
        recipe: &RecipeId,
        derivation: &Derivation,
        points: Vec<Owned>,
    ) -> Result<u64> {
        let mut by_tenant: BTreeMap<Tenant, Vec<PointId>> = BTreeMap::new();
        for point in points {
            if let (Some(page), Ok(id)) = (point.page, point.id.parse()) {
                by_tenant.entry(page.tenant).or_default().push(PointId(id));
            }
        }
        let mut pages = 0;
        for (tenant, ids) in by_tenant {
            let stored = self.store().retrieve(physical, &tenant, &ids, &[VectorName::Patches]).await?;
            let made = derivation.of(stored).await?;
            let made: Vec<_> = made.into_iter().filter(|more| !more.vectors.is_empty()).collect();
            pages += made.len() as u64;
            self.store().put_vectors(physical, recipe, made).await?;
        }
        Ok(pages)
    }
}
