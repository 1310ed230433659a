//! What both backends keep alike of a collection: its payload indexes, and what sets one schema apart from another.

use crate::error::{Error, Result, ResultExt};
use crate::types::{Quantization, Schema, Tiers, VectorKind, VectorSpec};

/// Below this size (KB) of the vectors concerned a query scans instead of walking a graph: Qdrant's own default, written
/// down so that both backends keep to it.
pub(super) const FULL_SCAN_THRESHOLD_KB: usize = 10_000;

/// Payload keys that have an index: those that a filter may name.
pub(super) mod field {
    pub const TENANT: &str = "tenant";
    pub const DOCUMENT_ID: &str = "document_id";
    pub const GENERATION: &str = "generation";
    pub const SOURCE: &str = "source";
    pub const TITLE: &str = "title";
    /// The page's tags, flattened to `key=value`, so that one index serves tags of any key.
    pub const TAG_LIST: &str = "tag_list";
    /// The groups that the page's document is kept for; without it everybody of the tenant sees it.
    pub const ALLOWED: &str = "allowed";
    pub const PAGE: &str = "page";
    pub const CREATED: &str = "created";
    pub const INGESTED_AT: &str = "ingested_at";
}

/// How a payload field is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldIndex {
    Keyword,
    /// A keyword by which the points of one tenant are told from those of others, and kept together.
    Tenant,
    Uuid,
    /// Exact values and ranges.
    Integer,
    Datetime,
}

/// Every payload field that a filter may name, with its index.
pub(super) const PAYLOAD_INDEXES: [(&str, FieldIndex); 10] = [
    (field::TENANT, FieldIndex::Tenant),
    (field::DOCUMENT_ID, FieldIndex::Uuid),
    (field::GENERATION, FieldIndex::Keyword),
    (field::SOURCE, FieldIndex::Keyword),
    (field::TITLE, FieldIndex::Keyword),
    (field::TAG_LIST, FieldIndex::Keyword),
    (field::ALLOWED, FieldIndex::Keyword),
    (field::PAGE, FieldIndex::Integer),
    (field::CREATED, FieldIndex::Datetime),
    (field::INGESTED_AT, FieldIndex::Datetime),
];

/// What every backend refuses of a schema.
///
/// # Errors
/// Configuration, naming collection and vector.
pub(super) fn check_schema(collection: &str, schema: &Schema) -> Result<()> {
    schema.check().and_then(|()| schema.vectors.iter().try_for_each(check_vector)).context(collection)
}

fn check_vector(spec: &VectorSpec) -> Result<()> {
    if spec.kind == VectorKind::SparseIdf && (spec.quantization.is_some() || spec.hnsw.is_some()) {
        return Err(Error::configuration(format!(
            "vector '{}' is sparse: it has an inverted index of its own and takes neither hnsw nor quantization",
            spec.name
        )));
    }
    match spec.quantization {
        Some(Quantization::Scalar { quantile: Some(quantile), .. }) if !(0.5..=1.0).contains(&quantile) => {
            Err(Error::configuration(format!(
                "vector '{}': quantile {quantile} is out of range, 0.5 to 1.0 is expected",
                spec.name
            )))
        }
        _ => Ok(()),
    }
}

/// # Errors
/// Configuration, naming the first difference of two schemas.
pub(super) fn check_same(collection: &str, stored: &Schema, wanted: &Schema) -> Result<()> {
    match difference(stored, wanted) {
        None => Ok(()),
        Some(difference) => Err(Error::configuration(format!(
            "collection '{collection}' exists with another schema: {difference}; \
             change the pipeline back or ingest into a new collection"
        ))),
    }
}

/// The tiers that are stored, of the parts of which any is asked for: a server names tiers that nobody asked for.
fn asked_for(stored: Tiers, wanted: Tiers) -> Tiers {
    Tiers {
        vectors: wanted.vectors.and(stored.vectors),
        index: wanted.index.and(stored.index),
        quantized: wanted.quantized.and(stored.quantized),
    }
}

/// The first thing in which two schemas differ, in words; None if they are the same. The order of vectors is no
/// difference.
fn difference(stored: &Schema, wanted: &Schema) -> Option<String> {
    for spec in &stored.vectors {
        let Some(other) = wanted.get(spec.name) else {
            return Some(format!("vector '{}' is stored but not asked for", spec.name));
        };
        let parts = [
            ("kind", format!("{:?}", spec.kind), format!("{:?}", other.kind)),
            ("datatype", format!("{:?}", spec.datatype), format!("{:?}", other.datatype)),
            ("on_disk", spec.on_disk.to_string(), other.on_disk.to_string()),
            ("memory", format!("{:?}", asked_for(spec.memory, other.memory)), format!("{:?}", other.memory)),
            ("hnsw", format!("{:?}", spec.hnsw), format!("{:?}", other.hnsw)),
            ("quantization", format!("{:?}", spec.quantization), format!("{:?}", other.quantization)),
        ];
        for (part, found, asked) in parts {
            if found != asked {
                return Some(format!("vector '{}' is stored with {part} {found}, asked for is {asked}", spec.name));
            }
        }
    }
    let new = wanted.vectors.iter().find(|spec| stored.get(spec.name).is_none());
    new.map(|spec| format!("vector '{}' is asked for but not stored", spec.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures;
    use crate::types::TurboBits;

    #[test]
    fn the_first_difference_is_named() {
        let mut wanted = fixtures::schema();
        wanted.vectors[0].quantization = Some(Quantization::Turbo { bits: TurboBits::Bits4, in_memory: true });
        assert_eq!(difference(&wanted, &wanted.clone()), None);
        let text = difference(&fixtures::schema(), &wanted).unwrap();
        assert!(text.contains("patches") && text.contains("quantization") && text.contains("Turbo"), "{text}");
    }

    #[test]
    fn a_quantile_out_of_range_is_refused() {
        let mut schema = fixtures::schema();
        schema.vectors[0].quantization = Some(Quantization::Scalar { quantile: Some(0.2), in_memory: false });
        let error = check_schema("documents", &schema).unwrap_err().to_string();
        assert!(error.contains("0.2") && error.contains("patches") && error.contains("documents"), "{error}");
    }

    #[test]
    fn a_sparse_vector_takes_no_graph() {
        let mut schema = fixtures::schema();
        schema.vectors[2].hnsw = schema.vectors[1].hnsw;
        let error = check_schema("documents", &schema).unwrap_err().to_string();
        assert!(error.contains("anchors") && error.contains("sparse"), "{error}");
    }

    #[test]
    fn the_order_of_vectors_is_no_difference() {
        let mut turned = fixtures::schema();
        turned.vectors.reverse();
        assert_eq!(difference(&fixtures::schema(), &turned), None);
    }
}
