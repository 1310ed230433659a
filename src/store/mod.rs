//! Where vectors live. [`VectorStore`] is written for two backends: Qdrant's engine in process and a Qdrant server; one
//! contract suite runs against each, and both write equal points (`schema.rs`, `payload.rs`).
//!
//! The store knows points, never documents: which generation of a document people may see is the ledger's business. Whose
//! points they are it knows: nothing is read without a tenant.

mod console;
#[cfg(test)]
mod contract;
mod edge;
#[doc(hidden)]
pub mod faulty;
#[cfg(test)]
pub(crate) mod fixtures;
mod info;
mod names;
mod payload;
mod qdrant;
#[cfg(test)]
mod ranking;
mod rows;
mod schema;
mod tree;

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::types::{
    DocumentId, Fusion, Generation, Multivector, NamedVector, PagePayload, PagePoint, PointId, RecipeId, Schema,
    SearchParams, SparseVector, Tenant, VectorName, VectorSpec,
};

pub use console::{ConsoleRequest, collection_requests, query_request};
pub use edge::EdgeStore;
pub use info::{CollectionInfo, Optimizer, Owned, PageOf, StoreInfo, Walk};
pub use qdrant::{
    ForeignCollection, ForeignId, ForeignNote, ForeignQuestion, ForeignSlice, ForeignSource, QdrantStore,
};

/// A store of page points, one schema a collection. All methods may be called from many tasks at once. Every method that
/// reads or changes points fails with a configuration error if the collection does not exist.
///
/// A call about one collection never fails because of the state of another.
#[async_trait]
pub trait VectorStore: Send + Sync {
    /// Creates the collection with its payload indexes, or checks that the stored schema is the same.
    ///
    /// # Errors
    /// Configuration, naming the first difference, if the collection exists with another schema.
    async fn ensure_collection(&self, collection: &str, schema: &Schema) -> Result<()>;

    /// Names of existing collections, sorted.
    async fn collections(&self) -> Result<Vec<String>>;

    /// Removes a collection and everything in it. Not an error if there is none.
    async fn drop_collection(&self, collection: &str) -> Result<()>;

    /// Makes `alias`, a name that no collection has, lead to the collection, in one step if it led to another before. For whoever
    /// asks the store without Quire: Quire itself never asks by an alias. A store without aliases has nothing to do.
    ///
    /// # Errors
    /// Configuration, if a collection of the store has the alias's name, or there is no such collection.
    async fn publish(&self, alias: &str, collection: &str) -> Result<()>;

    /// Identity that was last given to the collection; None if there is no such collection, or it never got one (older
    /// folders).
    async fn incarnation(&self, collection: &str) -> Result<Option<String>>;

    /// Gives the collection an identity. Durable when it returns.
    async fn set_incarnation(&self, collection: &str, id: &str) -> Result<()>;

    /// Whether the collection exists and holds no point.
    async fn is_empty(&self, collection: &str) -> Result<bool>;

    /// Writes points, overwriting those with the same id. They may be found at once; they are durable after [`Self::flush`].
    ///
    /// **No point id ever changes its number of rows.** Servers before 1.19 and qdrant-edge 0.7.2 can damage a neighbouring
    /// page when a multivector is written again with more rows and the process dies (qdrant#9501). A generation is new
    /// with every submission, so an id that exists means that the same submission is tried again, whose pages have the same
    /// rows.
    ///
    /// # Errors
    /// A bug, naming page and vector, if a point would change its number of rows. Permanent, naming page and vector, if
    /// a point does not fit the schema. In both cases nothing is written.
    async fn upsert(&self, collection: &str, points: Vec<PagePoint>) -> Result<()>;

    /// Whether vectors can be added to a filled collection, and taken from it, where it is: a server can from 1.18 on. Where it
    /// can't, the methods that do it refuse.
    async fn changes_vectors_in_place(&self) -> Result<bool> {
        Ok(false)
    }

    /// Gives the collection a vector that its points do not have yet. Nothing happens where it has it.
    ///
    /// # Errors
    /// Configuration, where it has another of that name, or the store cannot.
    async fn add_vector(&self, collection: &str, spec: &VectorSpec) -> Result<()> {
        Err(fixed_vectors(collection, spec.name))
    }

    /// Takes a vector from the collection and from every point. Nothing happens where it has none of that name.
    ///
    /// # Errors
    /// Configuration, where the store cannot.
    async fn remove_vector(&self, collection: &str, vector: VectorName) -> Result<()> {
        Err(fixed_vectors(collection, vector))
    }

    /// As [`Self::walk`], of the points that have a vector `from_vector` and none called `vector`.
    ///
    /// # Errors
    /// Configuration, where the store cannot change vectors in place.
    async fn walk_lacking(
        &self,
        collection: &str,
        vector: VectorName,
        _from_vector: VectorName,
        _from: Option<&str>,
        _limit: usize,
    ) -> Result<Walk> {
        Err(fixed_vectors(collection, vector))
    }

    /// Adds vectors to points that are there, and says in their payloads under which recipe their vectors are now. Points that
    /// are gone by now are passed over. Durable when it returns.
    ///
    /// # Errors
    /// As [`Self::upsert`]; configuration, where the store cannot change vectors in place.
    async fn put_vectors(&self, collection: &str, _recipe: &RecipeId, points: Vec<MoreVectors>) -> Result<()> {
        match points.iter().flat_map(|more| more.vectors.keys()).next() {
            Some(name) => Err(fixed_vectors(collection, *name)),
            None => Ok(()),
        }
    }

    /// Whether other processes may have the store open at the same time.
    fn is_shared(&self) -> bool {
        false
    }

    /// How many calls of [`Self::upsert`] for one collection get more done than one: the next travels while the store applies
    /// the last.
    fn writes_at_once(&self) -> usize {
        1
    }

    /// When this returns, every change that returned before the call survives the loss of power.
    async fn flush(&self, collection: &str) -> Result<()>;

    /// Runs one query tree.
    async fn query(&self, collection: &str, query: StoreQuery) -> Result<Vec<ScoredPoint>>;

    /// Stored payloads, and vectors if `vectors` names any. Points that do not exist or belong to another tenant are left
    /// out.
    async fn retrieve(
        &self,
        collection: &str,
        tenant: &Tenant,
        ids: &[PointId],
        vectors: &[VectorName],
    ) -> Result<Vec<StoredPoint>>;

    /// Removes every page of one generation of a document. Not an error if there is none.
    async fn delete_generation(&self, collection: &str, document: DocumentId, generation: &Generation) -> Result<()>;

    /// Replaces the tags in the payload of every page of the generation; touches no vector.
    async fn set_tags(
        &self,
        collection: &str,
        document: DocumentId,
        generation: &Generation,
        tags: &BTreeMap<String, String>,
    ) -> Result<()>;

    /// Exact number of points that match.
    async fn count(&self, collection: &str, filter: &Filter) -> Result<usize>;

    /// Builds indexes and merges segments if it pays; true if something was done. Cheap if it does not pay: a long ingest
    /// calls it again and again. Queries go on meanwhile.
    async fn optimize(&self, collection: &str) -> Result<bool>;

    /// Rewrites what still holds deleted points, so that deleted text leaves the disk; true if something was done. A running
    /// engine calls it daily.
    async fn purge(&self, collection: &str) -> Result<bool>;

    /// Whose the points are, from the one with the id `from` on, by id ascending; at most `limit`. For upkeep alone: it looks at
    /// the points of every tenant, and at none of their contents.
    async fn walk(&self, collection: &str, from: Option<&str>, limit: usize) -> Result<Walk>;

    /// The store, for people.
    async fn info(&self) -> Result<StoreInfo>;

    /// The collection, for people.
    async fn collection_info(&self, collection: &str) -> Result<CollectionInfo>;
}

/// Vectors for a point that is stored without them.
#[derive(Debug, Clone, PartialEq)]
pub struct MoreVectors {
    pub id: PointId,
    /// What errors call it: `page 3 of report.pdf`.
    pub page: String,
    pub vectors: BTreeMap<VectorName, NamedVector>,
}

/// What a store says that keeps the vectors that a collection was made with.
fn fixed_vectors(collection: &str, vector: VectorName) -> Error {
    Error::configuration(format!(
        "this store cannot change the vectors of a filled collection where it is ('{vector}' of '{collection}'): a collection \
         beside it can have others"
    ))
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
    /// What this stage and those that feed it narrow the query's filter by; all must hold.
    pub conditions: Vec<Condition>,
    pub params: SearchParams,
    pub score_threshold: Option<f32>,
    pub limit: usize,
}

impl QueryNode {
    /// Every vector that the tree compares with.
    fn vectors(&self) -> Vec<VectorName> {
        let own = match &self.scoring {
            Some(Scoring::Nearest { using, .. }) => Some(*using),
            _ => None,
        };
        own.into_iter().chain(self.prefetch.iter().flat_map(Self::vectors)).collect()
    }
}

/// How a stage orders its candidates.
#[derive(Debug, Clone, PartialEq)]
pub enum Scoring {
    Nearest { using: VectorName, vector: QueryVector },
    Fusion(Fusion),
}

/// A whole query. The filter holds in every branch; each hit comes with its payload.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreQuery {
    pub filter: Filter,
    pub root: QueryNode,
}

/// One tenant's points, as far as all of the conditions hold. There is no filter without a tenant.
///
/// ```compile_fail
/// // The tenant is named, or it does not compile.
/// let everybody = quire::store::Filter { must: vec![] };
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    tenant: Tenant,
    pub must: Vec<Condition>,
}

impl Filter {
    /// Every point of the tenant.
    pub fn of(tenant: &Tenant) -> Self {
        Self { tenant: tenant.clone(), must: Vec::new() }
    }

    /// The same filter with further conditions.
    #[must_use]
    pub fn with(mut self, conditions: impl IntoIterator<Item = Condition>) -> Self {
        self.must.extend(conditions);
        self
    }

    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }
}

/// One condition on the payload.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
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
    /// Of a document that is kept for nobody in particular, or for one of these groups.
    AllowedTo(Vec<String>),
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
}

/// A stored point.
#[derive(Debug, Clone)]
pub struct StoredPoint {
    pub id: PointId,
    pub payload: PagePayload,
    pub vectors: BTreeMap<VectorName, NamedVector>,
}
