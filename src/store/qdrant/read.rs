//! Reads that are no query: points by id, counts, walks over a whole collection, and what the server says of one.

use std::collections::BTreeMap;

use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions;
use qdrant_client::qdrant::{
    CollectionInfo as ServerInfo, CollectionStatus, CountPoints, Filter as ServerFilter, GetPoints,
    PayloadIncludeSelector, PointId as ServerId, RetrievedPoint, ScrollPoints, ShardKeySelector, WithPayloadSelector,
};

use super::connection::Connection;
use super::query::{with_payload, with_vectors};
use super::shards::or_nothing;
use super::{json, points};
use crate::error::Result;
use crate::store::info::{CollectionInfo, Optimizer, Owned, PageOf, Walk, mean_bytes};
use crate::store::schema::field;
use crate::store::{StoredPoint, payload};
use crate::types::{PointId, Schema, Tenant, VectorName};

/// Points that sizes are measured on.
const SAMPLE: u32 = 32;

/// The points of the tenant among these.
pub(super) async fn retrieve(
    connection: &Connection,
    name: &str,
    shards: Option<ShardKeySelector>,
    tenant: &Tenant,
    ids: &[PointId],
    vectors: &[VectorName],
) -> Result<Vec<StoredPoint>> {
    let request = GetPoints {
        collection_name: name.to_owned(),
        ids: ids.iter().copied().map(points::server_id).collect(),
        with_payload: Some(with_payload(true)),
        with_vectors: Some(with_vectors(vectors)),
        shard_key_selector: shards,
        ..GetPoints::default()
    };
    let read = connection.try_call(|client| client.get_points(request)).await?;
    let found = or_nothing(connection, "read points", read)?.result;
    let points = found.into_iter().map(points::from_server);
    points.filter(|point| point.as_ref().map_or(true, |point| point.payload.tenant == *tenant)).collect()
}

/// Exact number of points that match.
pub(super) async fn count(
    connection: &Connection,
    name: &str,
    shards: Option<ShardKeySelector>,
    filter: Option<ServerFilter>,
) -> Result<usize> {
    let request = CountPoints {
        collection_name: name.to_owned(),
        filter,
        exact: Some(true),
        shard_key_selector: shards,
        ..CountPoints::default()
    };
    let counted = connection.try_call(|client| client.count(request)).await?;
    let counted = or_nothing(connection, "count points", counted)?.result;
    Ok(counted.unwrap_or_default().count as usize)
}

/// Whether there is no point at all.
pub(super) async fn is_empty(connection: &Connection, name: &str) -> Result<bool> {
    let request = ScrollPoints {
        collection_name: name.to_owned(),
        limit: Some(1),
        with_payload: Some(with_payload(false)),
        ..ScrollPoints::default()
    };
    Ok(connection.call("look for points", |client| client.scroll(request)).await?.result.is_empty())
}

/// Whose the points that match are, by id ascending.
pub(super) async fn walk(
    connection: &Connection,
    name: &str,
    filter: Option<ServerFilter>,
    after: Option<&str>,
    limit: usize,
) -> Result<Walk> {
    let fields = [field::TENANT, field::DOCUMENT_ID, field::GENERATION, field::PAGE].map(str::to_owned).to_vec();
    let request = ScrollPoints {
        collection_name: name.to_owned(),
        filter,
        offset: after.map(id_of_text),
        limit: Some(u32::try_from(limit).unwrap_or(u32::MAX)),
        with_payload: Some(WithPayloadSelector {
            selector_options: Some(SelectorOptions::Include(PayloadIncludeSelector { fields })),
        }),
        ..ScrollPoints::default()
    };
    let response = connection.call("list points", |client| client.scroll(request)).await?;
    Ok(Walk {
        points: response.result.into_iter().map(owned).collect(),
        next: response.next_page_offset.as_ref().map(text_of_id),
    })
}

fn owned(point: RetrievedPoint) -> Owned {
    let page: Option<PageOf> = payload::page_of(&json::object(point.payload));
    Owned { id: point.id.as_ref().map(text_of_id).unwrap_or_default(), page }
}

pub(super) fn text_of_id(id: &ServerId) -> String {
    match &id.point_id_options {
        Some(PointIdOptions::Uuid(text)) => text.clone(),
        Some(PointIdOptions::Num(number)) => number.to_string(),
        None => String::new(),
    }
}

fn id_of_text(text: &str) -> ServerId {
    let id = text.parse().map_or_else(|_| PointIdOptions::Uuid(text.to_owned()), PointIdOptions::Num);
    ServerId { point_id_options: Some(id) }
}

/// What the server says of a collection, and what its points weigh.
pub(super) async fn info(
    connection: &Connection,
    name: &str,
    schema: &Schema,
    info: &ServerInfo,
) -> Result<CollectionInfo> {
    Ok(CollectionInfo {
        points: count(connection, name, None, None).await?,
        indexed_vectors: info.indexed_vectors_count.unwrap_or_default() as usize,
        segments: info.segments_count as usize,
        optimizer: optimizer(info),
        bytes_a_page: bytes_a_page(connection, name, schema).await?,
    })
}

fn optimizer(info: &ServerInfo) -> Optimizer {
    match &info.optimizer_status {
        Some(status) if !status.ok => Optimizer::Failed(status.error.clone()),
        _ if info.status() == CollectionStatus::Green => Optimizer::Idle,
        _ => Optimizer::Working,
    }
}

async fn bytes_a_page(connection: &Connection, name: &str, schema: &Schema) -> Result<BTreeMap<VectorName, f64>> {
    let names: Vec<VectorName> = schema.vectors.iter().map(|spec| spec.name).collect();
    let request = ScrollPoints {
        collection_name: name.to_owned(),
        limit: Some(SAMPLE),
        with_payload: Some(with_payload(false)),
        with_vectors: Some(with_vectors(&names)),
        ..ScrollPoints::default()
    };
    let sample = connection.call("read points", |client| client.scroll(request)).await?.result;
    let vectors = sample.into_iter().map(|point| {
        let id = points::from_server_id(point.id)?;
        points::from_vectors(id, point.vectors)
    });
    Ok(mean_bytes(schema, &vectors.collect::<Result<Vec<_>>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_apart_by_their_form() {
        for text in ["17", "6ba7b810-9dad-51d1-80b4-00c04fd430c8"] {
            assert_eq!(text_of_id(&id_of_text(text)), text);
        }
        assert_eq!(id_of_text("17").point_id_options, Some(PointIdOptions::Num(17)));
    }
}
