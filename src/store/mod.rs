//! Where vectors live. [`VectorStore`] is written for two backends: Qdrant's engine in process and a Qdrant server; one
//! contract suite runs against each.
//!
//! The store knows points, never documents: which generation of a document people may see is the ledger's business.

#[cfg(test)]
mod contract;
mod edge;
#[cfg(test)]
pub(crate) mod fixtures;

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::Result;
use crate::types::{
    DocumentId, Fusion, Generation, Multivector, NamedVector, PagePayload, PagePoint, PointId, Schema, SearchParams,
    SparseVector, Tenant, VectorName,
};

pub use edge::EdgeStore;

/// A store of page points, one schema a collection. All methods may be called from many tasks at once.
#[async_trait]
pub trait VectorStore: Send + Sync {
    /// Creates the collection with its payload indexes, or checks that the stored schema is the same.
    ///
    /// # Errors
    /// Configuration, naming the first difference, where the collection exists with another schema.
    async fn ensure_collection(&self, collection: &str, schema: &Schema) -> Result<()>;

    /// Names of existing collections, sorted.
    async fn collections(&self) -> Result<Vec<String>>;

    /// Removes a collection and everything in it. Not an error where there is none.
    async fn drop_collection(&self, collection: &str) -> Result<()>;

    /// Writes points, overwriting those with the same id. They may be found at once; they are durable after [`Self::flush`].
    async fn upsert(&self, collection: &str, points: Vec<PagePoint>) -> Result<()>;

    /// When this returns, every write that returned before the call survives the loss of power.
    async fn flush(&self, collection: &str) -> Result<()>;

    /// Runs one query tree.
    async fn query(&self, collection: &str, query: StoreQuery) -> Result<Vec<ScoredPoint>>;

    /// Stored payloads, and vectors where `vectors` names any; points that do not exist are left out.
    async fn retrieve(&self, collection: &str, ids: &[PointId], vectors: &[VectorName]) -> Result<Vec<StoredPoint>>;

    /// Removes every point that matches.
    async fn delete(&self, collection: &str, filter: &Filter) -> Result<()>;

    /// Exact number of points that match.
    async fn count(&self, collection: &str, filter: &Filter) -> Result<usize>;

    /// Payload of every point that matches, in order of id; for checks and listings, not for the query path.
    async fn scroll(&self, collection: &str, filter: &Filter, limit: usize) -> Result<Vec<StoredPoint>>;

    /// Builds indexes and merges segments where it pays; true where something was done.
    async fn optimize(&self, collection: &str) -> Result<bool>;
}

/// What one stage compares with.
#[derive(Debug, Clone, PartialEq)]
pub enum QueryVector {
    Dense(Vec<f32>),
    Multi(Multivector),
    Sparse(SparseVector),
}

/// One stage, or the root, of a query tree: prefetch stages are evaluated first, their union is what this stage scores.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryNode {
    /// None: only legal with exactly one prefetch, whose order stands.
    pub scoring: Option<Scoring>,
    pub prefetch: Vec<QueryNode>,
    pub filter: Filter,
    pub params: SearchParams,
    pub score_threshold: Option<f32>,
    pub limit: usize,
}

/// How a stage orders its candidates.
#[derive(Debug, Clone, PartialEq)]
pub enum Scoring {
    Nearest { using: VectorName, vector: QueryVector },
    Fusion(Fusion),
}

/// A whole query: the root stage, and what comes back with each hit. The payload always does.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreQuery {
    pub root: QueryNode,
    pub with_vectors: Vec<VectorName>,
}

/// Conditions that must all hold. Empty: every point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    pub must: Vec<Condition>,
    pub must_not: Vec<Condition>,
}

/// One condition on the payload.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Tenant(Tenant),
    Document(DocumentId),
    Generation(Generation),
    /// Exact source.
    Source(String),
    /// Exact title.
    Title(String),
    Tag {
        key: String,
        value: String,
    },
    /// Page number, inclusive bounds.
    Pages {
        from: Option<u32>,
        to: Option<u32>,
    },
    /// `created` or `ingested_at`, RFC 3339, inclusive bounds.
    Date {
        field: DateField,
        from: Option<String>,
        to: Option<String>,
    },
    Ids(Vec<PointId>),
    /// At least one holds.
    Any(Vec<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateField {
    Created,
    IngestedAt,
}

/// A hit.
#[derive(Debug, Clone)]
pub struct ScoredPoint {
    pub id: PointId,
    pub score: f32,
    pub payload: PagePayload,
    pub vectors: BTreeMap<VectorName, NamedVector>,
}

/// A stored point.
#[derive(Debug, Clone)]
pub struct StoredPoint {
    pub id: PointId,
    pub payload: PagePayload,
    pub vectors: BTreeMap<VectorName, NamedVector>,
}
