//! The points of a collection, from one store to another, in slices. What is there already is not written again.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::store::{Owned, PageOf, StoredPoint, VectorStore, Walk};
use crate::types::{DocumentId, Generation, PagePoint, PointId, Schema, Tenant, VectorName};

/// Points copied together: 16 MB of patches of a large model.
const SLICE: usize = 32;
/// Points listed together.
const STEP: usize = 1000;
/// Slices under way at once: one is read while another is written.
const AT_ONCE: usize = 3;
/// Points that are compared afterwards, spread over the collection.
const SAMPLE: usize = 64;
/// Points between two lines of progress.
const TOLD: u64 = 10_000;

/// What was copied.
#[derive(Default)]
pub struct Copied {
    /// Points of the collection.
    pub points: u64,
    pub written: u64,
    pub sample: Vec<(Tenant, PointId)>,
}

/// Copies what the other store lacks, and removes there what is gone here.
///
/// # Errors
/// Permanent, if a point is no page of Quire's.
pub async fn all(
    source: &dyn VectorStore,
    target: &dyn VectorStore,
    physical: &str,
    schema: &Schema,
    stop: &CancellationToken,
) -> Result<Copied> {
    let names: Vec<VectorName> = schema.vectors.iter().map(|spec| spec.name).collect();
    let slices = stream::try_unfold(Some(None::<String>), |from| async move {
        let Some(from) = from.filter(|_| !stop.is_cancelled()) else { return Ok::<_, Error>(None) };
        let Walk { points, next } = source.walk(physical, from.as_deref(), SLICE).await?;
        Ok(Some((points, next.map(Some))))
    });
    let mut written =
        Box::pin(slices.map_ok(|points| slice(source, target, physical, &names, points)).try_buffered(AT_ONCE));
    let mut copied = Copied::default();
    let (mut generations, mut told) = (HashSet::new(), 0);
    let mut every = 1;
    while let Some(done) = written.next().await {
        let Slice { pages, written } = done?;
        copied.written += written;
        for (page, id) in pages {
            if copied.points % every == 0 {
                copied.sample.push((page.tenant.clone(), id));
            }
            // Every second of the sample goes when it is full: what is left is spread evenly.
            if copied.sample.len() > SAMPLE {
                every *= 2;
                copied.sample = copied.sample.into_iter().step_by(2).collect();
            }
            copied.points += 1;
            generations.insert((page.document, page.generation));
        }
        if copied.points >= told + TOLD {
            told = copied.points;
            tracing::info!(physical, points = copied.points, "copying");
        }
    }
    drop(written);
    if !stop.is_cancelled() {
        remove_others(target, physical, &generations).await?;
    }
    target.flush(physical).await?;
    Ok(copied)
}

struct Slice {
    pages: Vec<(PageOf, PointId)>,
    written: u64,
}

async fn slice(
    source: &dyn VectorStore,
    target: &dyn VectorStore,
    physical: &str,
    names: &[VectorName],
    points: Vec<Owned>,
) -> Result<Slice> {
    let mut by_tenant: BTreeMap<Tenant, Vec<PointId>> = BTreeMap::new();
    let mut pages = Vec::with_capacity(points.len());
    for Owned { id, page } in points {
        let (Some(page), Ok(uuid)) = (page, id.parse()) else {
            return Err(Error::permanent(format!(
                "point {id} is no page of Quire's: `quire store check` names such points"
            )));
        };
        by_tenant.entry(page.tenant.clone()).or_default().push(PointId(uuid));
        pages.push((page, PointId(uuid)));
    }
    let mut written = 0;
    for (tenant, mut ids) in by_tenant {
        let there = target.retrieve(physical, &tenant, &ids, &[]).await?;
        let there: HashSet<PointId> = there.into_iter().map(|point| point.id).collect();
        ids.retain(|id| !there.contains(id));
        if ids.is_empty() {
            continue;
        }
        let stored = source.retrieve(physical, &tenant, &ids, names).await?;
        written += stored.len() as u64;
        let point = |StoredPoint { id, payload, vectors }| PagePoint { id, vectors, payload };
        target.upsert(physical, stored.into_iter().map(point).collect()).await?;
    }
    Ok(Slice { pages, written })
}

/// An earlier call may have copied what was deleted since.
async fn remove_others(
    target: &dyn VectorStore,
    physical: &str,
    generations: &HashSet<(DocumentId, Generation)>,
) -> Result<()> {
    let mut others = HashSet::new();
    let mut from = None;
    loop {
        let Walk { points, next } = target.walk(physical, from.as_deref(), STEP).await?;
        let found = points.into_iter().filter_map(|point| point.page).map(|page| (page.document, page.generation));
        others.extend(found.filter(|generation| !generations.contains(generation)));
        match next {
            Some(_) => from = next,
            None => break,
        }
    }
    for (document, generation) in others {
        target.delete_generation(physical, document, &generation).await?;
    }
    Ok(())
}
