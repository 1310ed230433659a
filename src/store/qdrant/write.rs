//! Changes of points. Every change waits until the server has written it to its log and applied it, on as many replicas as the
//! collection's write consistency asks for: so what was confirmed survives the loss of power of the server, and is found.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::{
    DeletePointVectors, DeletePoints, Filter as ServerFilter, GetPoints, NamedVectors, PointId as ServerId,
    PointStruct, PointVectors, PointsIdsList, PointsOperationResponse, PointsSelector, SetPayloadPoints,
    ShardKeySelector, UpdatePointVectors, UpdateStatus, UpsertPoints, Vectors, VectorsSelector,
};

use super::connection::Connection;
use super::errors::{is_of_new_shards, store_error};
use super::query::{with_payload, with_vectors};
use super::shards::TenantShards;
use super::{json, points};
use crate::error::{Error, Result, ResultExt};
use crate::store::payload::{self, CheckedPoint};
use crate::store::{MoreVectors, rows, tree};
use crate::types::{PagePoint, PointId, RecipeId, Schema, Tenant, VectorName};

/// Numbers (f32) of one request: 8 MiB, about twenty pages of a small model. Enough to spread the cost of a request, few
/// enough for the body limits of proxies and for the server's memory.
const REQUEST_FLOATS: usize = 2 << 20;
/// Requests of one call that are under way at once: the server writes one while the next travels.
const IN_FLIGHT: usize = 2;

/// Longest wait until every node of a cluster has heard of shards that were made just now, and how often is tried.
const NEW_SHARDS: Duration = Duration::from_secs(15);
const NEW_SHARDS_PAUSE: Duration = Duration::from_millis(100);

/// Where a change goes.
pub(super) struct Target<'a> {
    pub connection: &'a Connection,
    pub name: &'a str,
    /// The shards of whose pages it concerns, where each tenant has its own.
    pub shards: Option<ShardKeySelector>,
}

/// Points as they are written.
///
/// # Errors
/// Permanent, naming page and vector, if one does not fit the schema.
pub(super) fn checked(points: Vec<PagePoint>, schema: &Schema) -> Result<Vec<CheckedPoint>> {
    points.into_iter().map(|point| payload::check(point, schema)).collect()
}

/// Writes points; rows of all are compared before the first is written.
pub(super) async fn upsert(target: &Target<'_>, schema: &Schema, points: Vec<CheckedPoint>) -> Result<()> {
    let older = existing(target, &points).await?;
    let multivectors = rows::multivectors(schema);
    let kept = kept_rows(target, &multivectors, &older).await?;
    rows::check(&multivectors, &points, kept)?;
    let batches = batches(points, &older);
    // All are waited for, whatever becomes of one: what is under way when this returns would be written behind the caller's
    // back.
    let written = batches.into_iter().map(|batch| batch.write(target));
    let written: Vec<Result<()>> = stream::iter(written).buffer_unordered(IN_FLIGHT).collect().await;
    written.into_iter().collect()
}

/// Which of the points are stored already. Hardly any ever is, a generation being new with every submission; and of those
/// that are not, nothing comes back but that they are missing.
async fn existing(target: &Target<'_>, points: &[CheckedPoint]) -> Result<Vec<PointId>> {
    let ids = points.iter().map(|point| points::server_id(point.id)).collect();
    let found = get(target, ids, false, &[]).await?;
    found.into_iter().map(|point| points::from_server_id(point.id)).collect()
}

async fn kept_rows(
    target: &Target<'_>,
    multivectors: &[VectorName],
    older: &[PointId],
) -> Result<HashMap<PointId, Vec<usize>>> {
    if older.is_empty() || multivectors.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = older.iter().copied().map(points::server_id).collect();
    let found = get(target, ids, false, multivectors).await?;
    let rows = |point: qdrant_client::qdrant::RetrievedPoint| {
        let id = points::from_server_id(point.id)?;
        Ok((id, rows::of(multivectors, &points::from_vectors(id, point.vectors)?)))
    };
    found.into_iter().map(rows).collect()
}

async fn get(
    target: &Target<'_>,
    ids: Vec<ServerId>,
    payload: bool,
    vectors: &[VectorName],
) -> Result<Vec<qdrant_client::qdrant::RetrievedPoint>> {
    let request = GetPoints {
        collection_name: target.name.to_owned(),
        ids,
        with_payload: Some(with_payload(payload)),
        with_vectors: Some(with_vectors(vectors)),
        shard_key_selector: target.shards.clone(),
        ..GetPoints::default()
    };
    Ok(target.connection.call("look up points", |client| client.get_points(request)).await?.result)
}

fn batches(points: Vec<CheckedPoint>, older: &[PointId]) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut batch = Batch::default();
    for point in points {
        if !batch.points.is_empty() && batch.floats + point.floats > REQUEST_FLOATS {
            batches.push(std::mem::take(&mut batch));
        }
        batch.add(point, older);
    }
    if !batch.points.is_empty() {
        batches.push(batch);
    }
    batches
}

#[derive(Default)]
struct Batch {
    points: Vec<PointStruct>,
    floats: usize,
    /// Stored points that lose vectors, by the vectors they lose.
    stale: BTreeMap<Vec<VectorName>, Vec<ServerId>>,
}

impl Batch {
    fn add(&mut self, point: CheckedPoint, older: &[PointId]) {
        self.floats += point.floats;
        if !point.missing.is_empty() && older.contains(&point.id) {
            self.stale.entry(point.missing.clone()).or_default().push(points::server_id(point.id));
        }
        self.points.push(points::to_server(point));
    }

    async fn write(self, target: &Target<'_>) -> Result<()> {
        let request = UpsertPoints {
            collection_name: target.name.to_owned(),
            wait: Some(true),
            points: self.points,
            shard_key_selector: target.shards.clone(),
            ..UpsertPoints::default()
        };
        write_points(target, request).await?;
        // The engine keeps vectors of an older point of the same id that the new one lacks, if that lies in an optimised
        // segment.
        for (names, ids) in self.stale {
            let request = DeletePointVectors {
                collection_name: target.name.to_owned(),
                wait: Some(true),
                points_selector: Some(these(PointsSelectorOneOf::Points(PointsIdsList { ids }))),
                shard_key_selector: target.shards.clone(),
                vectors: Some(VectorsSelector { names: names.iter().map(|name| name.as_str().to_owned()).collect() }),
                ..DeletePointVectors::default()
            };
            applied(
                target.connection.call("remove vectors of points", |client| client.delete_vectors(request)).await?,
            )?;
        }
        Ok(())
    }
}

async fn write_points(target: &Target<'_>, request: UpsertPoints) -> Result<()> {
    let connection = target.connection;
    let until = Instant::now() + NEW_SHARDS;
    // Nodes of a cluster hear one after another of a tenant's new shards, and a page may come to one of them before.
    while target.shards.is_some() && Instant::now() < until {
        match connection.try_call(|client| client.upsert_points(request.clone())).await? {
            Err(error) if is_of_new_shards(&error) => tokio::time::sleep(NEW_SHARDS_PAUSE).await,
            written => return applied(written.map_err(|error| store_error(connection.url(), "write points", error))?),
        }
    }
    applied(connection.call("write points", |client| client.upsert_points(request)).await?)
}

/// Adds vectors to points that are there. Their payloads tell of the recipe first: a point that has the vector is not looked at
/// again.
pub(super) async fn put_vectors(
    connection: &Connection,
    shards: &TenantShards,
    name: &str,
    schema: &Schema,
    recipe: &RecipeId,
    more: Vec<MoreVectors>,
) -> Result<()> {
    if more.is_empty() {
        return Ok(());
    }
    let points = more.into_iter().map(|more| vectors_of(more, schema)).collect::<Result<Vec<_>>>()?;
    // The server refuses vectors of points that it does not have; whose shards they are in, their payloads say.
    let ids: Vec<ServerId> = points.iter().filter_map(|point| point.id.clone()).collect();
    let by_tenant = shards.are_in(name);
    let there = get(&Target { connection, name, shards: None }, ids, by_tenant, &[]).await?;
    let tenant = |payload| payload::page_of(&json::object(payload)).map(|page| page.tenant);
    let there: HashMap<ServerId, Option<Tenant>> = there
        .into_iter()
        .filter_map(|point| Some((point.id?, by_tenant.then(|| tenant(point.payload)).flatten())))
        .collect();
    let mut parts: BTreeMap<Option<Tenant>, Vec<PointVectors>> = BTreeMap::new();
    for point in points {
        if let Some(tenant) = point.id.as_ref().and_then(|id| there.get(id)) {
            parts.entry(tenant.clone()).or_default().push(point);
        }
    }
    for (tenant, points) in parts {
        let shards = tenant.and_then(|tenant| shards.of(name, &tenant));
        put(&Target { connection, name, shards }, recipe, points).await?;
    }
    Ok(())
}

async fn put(target: &Target<'_>, recipe: &RecipeId, points: Vec<PointVectors>) -> Result<()> {
    let ids = points.iter().filter_map(|point| point.id.clone()).collect();
    let of_recipe = SetPayloadPoints {
        collection_name: target.name.to_owned(),
        wait: Some(true),
        payload: HashMap::from([("recipe".to_owned(), json::to_value(recipe.0.as_str().into()))]),
        points_selector: Some(these(PointsSelectorOneOf::Points(PointsIdsList { ids }))),
        shard_key_selector: target.shards.clone(),
        ..SetPayloadPoints::default()
    };
    applied(target.connection.call("set the recipe of points", |client| client.set_payload(of_recipe)).await?)?;
    update_vectors(target, points).await
}

/// Writes vectors of points that are there, and nothing else of them.
pub(super) async fn update_vectors(target: &Target<'_>, points: Vec<PointVectors>) -> Result<()> {
    let request = UpdatePointVectors {
        collection_name: target.name.to_owned(),
        wait: Some(true),
        points,
        shard_key_selector: target.shards.clone(),
        ..UpdatePointVectors::default()
    };
    applied(target.connection.call("write vectors of points", |client| client.update_vectors(request)).await?)
}

fn vectors_of(more: MoreVectors, schema: &Schema) -> Result<PointVectors> {
    let MoreVectors { id, page, vectors } = more;
    let mut named = HashMap::new();
    for (name, vector) in vectors {
        tree::known(name, schema)?;
        if let Some(spec) = schema.get(name) {
            let vector = payload::as_stored(spec, vector).context(&page)?;
            named.insert(name.as_str().to_owned(), points::vector_to_server(vector));
        }
    }
    let vectors = Vectors { vectors_options: Some(VectorsOptions::Vectors(NamedVectors { vectors: named })) };
    Ok(PointVectors { id: Some(points::server_id(id)), vectors: Some(vectors) })
}

/// Removes the points that match.
pub(super) async fn delete(target: &Target<'_>, filter: ServerFilter) -> Result<()> {
    let request = DeletePoints {
        collection_name: target.name.to_owned(),
        wait: Some(true),
        points: Some(these(PointsSelectorOneOf::Filter(filter))),
        shard_key_selector: target.shards.clone(),
        ..DeletePoints::default()
    };
    applied(target.connection.call("delete points", |client| client.delete_points(request)).await?)
}

/// Replaces the tags of the points that match: their vectors stay as they are.
pub(super) async fn set_tags(target: &Target<'_>, filter: ServerFilter, tags: &BTreeMap<String, String>) -> Result<()> {
    // Null takes a field away.
    let fields = payload::tag_fields(tags).map(|(field, value)| (field.to_owned(), json::to_value(value)));
    let request = SetPayloadPoints {
        collection_name: target.name.to_owned(),
        wait: Some(true),
        payload: HashMap::from(fields),
        points_selector: Some(these(PointsSelectorOneOf::Filter(filter))),
        shard_key_selector: target.shards.clone(),
        ..SetPayloadPoints::default()
    };
    applied(target.connection.call("set the tags of points", |client| client.set_payload(request)).await?)
}

fn these(points: PointsSelectorOneOf) -> PointsSelector {
    PointsSelector { points_selector_one_of: Some(points) }
}

/// # Errors
/// Transient, if the server took the change but did not say in time that it is applied.
fn applied(response: PointsOperationResponse) -> Result<()> {
    let status = response.result.map(|result| result.status());
    match status {
        Some(UpdateStatus::Completed) => Ok(()),
        other => Err(Error::transient(format!(
            "the Qdrant server took a change and did not confirm it ({}): it is tried again",
            other.map_or("no status", |status| status.as_str_name())
        ))),
    }
}

#[cfg(test)]
mod tests {
    use qdrant_client::qdrant::UpdateResult;

    use super::*;
    use crate::store::fixtures::{self, Page};

    fn checked(pages: &[Page]) -> Vec<CheckedPoint> {
        let schema = fixtures::schema();
        pages.iter().map(|page| payload::check(page.point(), &schema).unwrap()).collect()
    }

    #[test]
    fn requests_are_cut_by_their_size() {
        // Two of the largest pages that there may be fit into a request, a third does not.
        let large = REQUEST_FLOATS / fixtures::DIM * 3 / 7;
        let pages = [1, 2, large, large + 1, 4, large + 2].map(|rows| Page::new(1, rows as u32).patches(rows));
        let sizes: Vec<usize> = batches(checked(&pages), &[]).iter().map(|batch| batch.points.len()).collect();
        assert_eq!(sizes, [5, 1]);
        assert!(batches(vec![], &[]).is_empty());
    }

    #[test]
    fn only_a_point_that_exists_loses_vectors() {
        let pages = [Page::new(1, 1).without_text(), Page::new(1, 2).without_text(), Page::new(1, 3)];
        let mut batches = batches(checked(&pages), &[pages[1].id(), pages[2].id()]);
        let stale = batches.remove(0).stale;
        assert_eq!(stale, BTreeMap::from([(vec![VectorName::Text], vec![points::server_id(pages[1].id())])]));
    }

    #[test]
    fn a_change_that_is_not_confirmed_is_no_success() {
        let with = |status: UpdateStatus| PointsOperationResponse {
            result: Some(UpdateResult { operation_id: Some(1), status: status.into() }),
            ..PointsOperationResponse::default()
        };
        assert!(applied(with(UpdateStatus::Completed)).is_ok());
        for status in [UpdateStatus::Acknowledged, UpdateStatus::WaitTimeout, UpdateStatus::ClockRejected] {
            assert!(applied(with(status)).unwrap_err().is_transient(), "{status:?}");
        }
        assert!(applied(PointsOperationResponse::default()).unwrap_err().is_transient());
    }
}
