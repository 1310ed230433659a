//! **No point id ever changes its number of rows**: servers before 1.19 and qdrant-edge 0.7.2 can damage a neighbouring page when
//! a multivector is written again with more rows and the process dies (qdrant#9501). Both backends look up the points that
//! exist already and refuse here what would change theirs.

use std::collections::{BTreeMap, HashMap};

use super::payload::CheckedPoint;
use crate::error::{Error, Result};
use crate::types::{NamedVector, PointId, Schema, VectorKind, VectorName};

/// The multivectors of a collection.
pub(super) fn multivectors(schema: &Schema) -> Vec<VectorName> {
    let is_multi = |kind| matches!(kind, VectorKind::Multi { .. });
    schema.vectors.iter().filter(|spec| is_multi(spec.kind)).map(|spec| spec.name).collect()
}

/// How many rows each of the multivectors has, 0 if it is missing.
pub(super) fn of(names: &[VectorName], vectors: &BTreeMap<VectorName, NamedVector>) -> Vec<usize> {
    let count = |name| match vectors.get(name) {
        Some(NamedVector::Multi(rows)) => rows.len(),
        _ => 0,
    };
    names.iter().map(count).collect()
}

/// Holds `points` against the rows that are kept of those that exist, and against each other.
///
/// # Errors
/// A bug, naming page and vector, if one of the points would change its number of rows.
pub(super) fn check(
    names: &[VectorName],
    points: &[CheckedPoint],
    mut kept: HashMap<PointId, Vec<usize>>,
) -> Result<()> {
    for point in points {
        let new = of(names, &point.vectors);
        let Some(old) = kept.insert(point.id, new.clone()) else { continue };
        for ((name, old), new) in names.iter().zip(old).zip(new) {
            if old != new {
                return Err(Error::bug(format!(
                    "{}: vector '{name}' is stored with {old} rows and would be written again with {new}: \
                     a point keeps its number of rows, another generation gets other points",
                    point.page
                )));
            }
        }
    }
    Ok(())
}
