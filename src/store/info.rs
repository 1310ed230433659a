//! What a store says of its collections and of itself.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::types::{DocumentId, Generation, NamedVector, Schema, Tenant, VectorName, VectorSpec};

/// A store, for people.
#[derive(Debug, Clone, Serialize)]
pub struct StoreInfo {
    /// `Qdrant 1.18.3 at http://localhost:6334`, or the folder of the in-process engine.
    pub name: String,
    /// What to know of this version, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A collection of the store, whosever points it holds.
#[derive(Debug, Clone, Serialize)]
pub struct CollectionInfo {
    pub points: usize,
    /// Vectors that a graph or an inverted index was built for.
    pub indexed_vectors: usize,
    pub segments: usize,
    pub optimizer: Optimizer,
    /// Mean size of each named vector over a sample of points: bytes as they are stored, before quantization.
    pub bytes_a_page: BTreeMap<VectorName, f64>,
}

/// Whether the collection is in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Nothing is left to do.
    Idle,
    /// Segments are rewritten, or will be.
    Working,
    /// It failed, and this is what it said.
    Failed(String),
}

/// A stored point, as far as its payload says whose page it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// As the store writes it: a UUID for a page of ours.
    pub id: String,
    /// None: no page of Quire's.
    pub page: Option<PageOf>,
}

/// Which page of which generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf {
    pub tenant: Tenant,
    pub document: DocumentId,
    pub generation: Generation,
    pub page: u32,
}

/// Some of the points of a collection, and how to go on.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    pub points: Vec<Owned>,
    /// None where nothing is left.
    pub next: Option<String>,
}

/// Mean size of each vector of the schema over these points, in bytes as they are stored.
pub(super) fn mean_bytes(schema: &Schema, points: &[BTreeMap<VectorName, NamedVector>]) -> BTreeMap<VectorName, f64> {
    if points.is_empty() {
        return BTreeMap::new();
    }
    let bytes = |spec: &VectorSpec| {
        let bits = spec.datatype.bits();
        let of = |vector: &NamedVector| match vector {
            NamedVector::Dense(values) => values.len() * bits / 8,
            NamedVector::Multi(rows) => rows.as_slice().len() * bits / 8,
            // An index of four bytes beside each value.
            NamedVector::Sparse(sparse) => sparse.values.len() * (bits / 8 + 4),
        };
        let sum: usize = points.iter().filter_map(|vectors| vectors.get(&spec.name)).map(of).sum();
        (spec.name, sum as f64 / points.len() as f64)
    };
    schema.vectors.iter().map(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::{self, DIM, FDE_DIM, Page};

    #[test]
    fn sizes_are_means_of_what_is_stored() {
        let points = [Page::new(1, 1).patches(2), Page::new(1, 2).patches(4)].map(|page| page.point().vectors);
        let means = mean_bytes(&fixtures::schema(), &points);
        assert_eq!(means[&VectorName::Patches], (3 * DIM * 2) as f64);
        assert_eq!(means[&VectorName::Fde], (FDE_DIM * 4) as f64);
        assert!(mean_bytes(&fixtures::schema(), &[]).is_empty());
    }
}
