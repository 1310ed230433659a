//! Points as both backends keep them: the payload as JSON, vectors checked against the schema and rounded as they will be
//! stored. What a backend would refuse, or take and break on, is refused here, naming the page.

use std::collections::BTreeMap;

use half::f16;
use half::slice::HalfFloatSliceExt;
use serde_json::{Map, Value};

use super::info::PageOf;
use super::schema::field;
use crate::error::{Blame, Error, Result, ResultExt};
use crate::types::{
    self, Datatype, Generation, MAX_MULTIVECTOR_FLOATS, NamedVector, PagePayload, PagePoint, PointId, Schema,
    SparseVector, Tenant, VectorKind, VectorName, VectorSpec,
};

/// A point that fits its schema.
pub(super) struct CheckedPoint {
    pub id: PointId,
    /// What errors call it: `page 3 of report.pdf`.
    pub page: String,
    /// Values as the store keeps them; no vector is empty.
    pub vectors: BTreeMap<VectorName, NamedVector>,
    /// Vectors that the schema has and the point has not.
    pub missing: Vec<VectorName>,
    pub payload: Map<String, Value>,
    /// Numbers in all its vectors together.
    pub floats: usize,
    /// Bytes that the largest of them takes in the store.
    pub largest_bytes: usize,
}

/// Checks `point` and rounds it to what will be stored. Empty sparse vectors are left out.
///
/// # Errors
/// Permanent and the document's, naming the page and the vector, if a vector does not fit the schema or Qdrant's limits.
pub(super) fn check(point: PagePoint, schema: &Schema) -> Result<CheckedPoint> {
    let PagePoint { id, vectors, payload } = point;
    let page = format!("page {} of {}", payload.page, payload.source);
    let mut checked = BTreeMap::new();
    let (mut floats, mut largest_bytes) = (0, 0);
    for (name, vector) in vectors {
        let spec = schema.get(name).ok_or_else(|| {
            Error::permanent(format!(
                "{page}: vector '{name}' is not kept in this collection: its schema has no such vector"
            ))
        })?;
        if matches!(&vector, NamedVector::Sparse(sparse) if sparse.is_empty()) {
            continue;
        }
        let count = match &vector {
            NamedVector::Dense(values) => values.len(),
            NamedVector::Multi(rows) => rows.as_slice().len(),
            NamedVector::Sparse(sparse) => sparse.values.len(),
        };
        floats += count;
        largest_bytes = largest_bytes.max(count * spec.datatype.bits() / 8);
        checked.insert(name, as_stored(spec, vector).context(&page)?);
    }
    let missing = schema.vectors.iter().map(|spec| spec.name).filter(|name| !checked.contains_key(name)).collect();
    let payload = to_json(&payload)?;
    Ok(CheckedPoint { id, page, vectors: checked, missing, payload, floats, largest_bytes })
}

/// As it will be kept under `spec`.
///
/// # Errors
/// As [`check`], without the page's name.
pub(super) fn as_stored(spec: &VectorSpec, vector: NamedVector) -> Result<NamedVector> {
    let name = spec.name;
    match (spec.kind, vector) {
        (VectorKind::Dense { dim }, NamedVector::Dense(values)) => {
            if values.len() != dim {
                return Err(Error::permanent(format!(
                    "vector '{name}' has {} dimensions, expected {dim}",
                    values.len()
                )));
            }
            Ok(NamedVector::Dense(rounded(spec, values)?))
        }
        (VectorKind::Multi { dim }, NamedVector::Multi(rows)) => {
            if rows.dim() != dim {
                return Err(Error::permanent(format!("vector '{name}' has rows of {}, expected {dim}", rows.dim())));
            }
            if rows.is_empty() {
                return Err(Error::permanent(format!("vector '{name}' has no rows: leave it out instead")));
            }
            let floats = rows.as_slice().len();
            if floats >= MAX_MULTIVECTOR_FLOATS {
                return Err(Error::permanent(format!(
                    "vector '{name}' has {} rows of {dim}, {floats} numbers: Qdrant takes fewer than \
                     {MAX_MULTIVECTOR_FLOATS}; render the page smaller or pool its patches",
                    rows.len()
                )));
            }
            Ok(NamedVector::Multi(crate::types::Multivector::new(dim, rounded(spec, rows.into_vec())?)?))
        }
        (VectorKind::SparseIdf, NamedVector::Sparse(sparse)) => {
            check_sparse(name, &sparse)?;
            Ok(NamedVector::Sparse(sparse))
        }
        (kind, _) => {
            Err(Error::permanent(format!("vector '{name}' is of another kind than its schema says, {kind:?}")))
        }
    }
}

/// # Errors
/// Permanent, if indices do not ascend, are not as many as values, or a value is not a number.
pub(super) fn check_sparse(name: VectorName, sparse: &SparseVector) -> Result<()> {
    let SparseVector { indices, values } = sparse;
    if indices.len() != values.len() {
        return Err(Error::permanent(format!(
            "vector '{name}' has {} indices and {} values: as many of each are expected",
            indices.len(),
            values.len()
        )));
    }
    if let Some(pair) = indices.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(Error::permanent(format!(
            "vector '{name}' has index {} behind {}: indices must ascend",
            pair[1], pair[0]
        )));
    }
    check_finite(name, values)
}

/// Rounding to half precision is what a backend would do itself; done here, less is sent and logged, and both backends
/// round alike.
fn rounded(spec: &VectorSpec, mut values: Vec<f32>) -> Result<Vec<f32>> {
    if spec.datatype == Datatype::Float16 {
        let mut halves = vec![f16::ZERO; values.len()];
        halves.convert_from_f32_slice(&values);
        halves.convert_to_f32_slice(&mut values);
    }
    check_finite(spec.name, &values)?;
    Ok(values)
}

/// # Errors
/// Permanent, if a value is infinite or not a number.
pub(super) fn check_finite(name: VectorName, values: &[f32]) -> Result<()> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => Err(Error::permanent(format!(
            "vector '{name}' holds {value}: finite numbers are expected (up to 65504 where they are kept as float16)"
        ))),
    }
}

/// A page's payload: its own fields, its tags once more in [`field::TAG_LIST`], and whom they let see it in [`field::ALLOWED`].
fn to_json(payload: &PagePayload) -> Result<Map<String, Value>> {
    let value = serde_json::to_value(payload)
        .map_err(|error| Error::bug("a page's payload does not become JSON").with_source(error))?;
    let Value::Object(mut map) = value else {
        return Err(Error::bug("a page's payload is not a JSON object"));
    };
    if !payload.tags.is_empty() {
        map.insert(field::TAG_LIST.to_owned(), tag_list(&payload.tags));
    }
    if let Some(groups) = allowed_list(&payload.tags) {
        map.insert(field::ALLOWED.to_owned(), groups);
    }
    Ok(map)
}

/// The fields of a payload that tags are kept in; null for fields that a page without tags does not have.
pub(super) fn tag_fields(tags: &BTreeMap<String, String>) -> [(&'static str, Value); 3] {
    let allowed = (field::ALLOWED, allowed_list(tags).unwrap_or_default());
    if tags.is_empty() {
        return [("tags", Value::Null), (field::TAG_LIST, Value::Null), allowed];
    }
    let object = tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    [("tags", Value::Object(object)), (field::TAG_LIST, tag_list(tags)), allowed]
}

/// The groups that a document with these tags is kept for. A list that names nobody holds a group without a name: an empty one
/// would be none.
fn allowed_list(tags: &BTreeMap<String, String>) -> Option<Value> {
    let allowed = types::allowed(tags)?;
    Some(if allowed.is_empty() { vec![""].into() } else { allowed.into() })
}

fn tag_list(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| flat_tag(key, value)).collect::<Vec<_>>().into()
}

/// A tag as one keyword: `key=value`. A backslash before `=` and `\` keeps two different tags apart.
pub(super) fn flat_tag(key: &str, value: &str) -> String {
    let escape = |text: &str| text.replace('\\', "\\\\").replace('=', "\\=");
    format!("{}={}", escape(key), escape(value))
}

/// # Errors
/// Permanent and not the document's, if the payload is not a page's.
pub(super) fn from_json(id: PointId, payload: Option<Map<String, Value>>) -> Result<PagePayload> {
    let payload = payload.ok_or_else(|| Error::bug(format!("point {id} came without its payload")))?;
    serde_json::from_value(Value::Object(payload)).map_err(|error| {
        foreign(format!("the payload of point {id} is not a page's: the collection was not written by Quire"))
            .with_source(error)
    })
}

/// Whose page a payload is, of which only its own fields need to be there; None if it is no page's.
pub(super) fn page_of(payload: &Map<String, Value>) -> Option<PageOf> {
    let text = |key| payload.get(key).and_then(Value::as_str);
    Some(PageOf {
        tenant: Tenant(text(field::TENANT)?.to_owned()),
        document: text(field::DOCUMENT_ID)?.parse().ok()?,
        generation: Generation(text(field::GENERATION)?.to_owned()),
        page: u32::try_from(payload.get(field::PAGE)?.as_u64()?).ok()?,
    })
}

/// A collection holds what Quire did not write: nothing that trying again would mend, and no document's fault.
pub(super) fn foreign(message: String) -> Error {
    Error::permanent(message).blaming(Blame::Dependency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::{self, Page};
    use proptest::prelude::*;

    #[test]
    fn a_point_that_does_not_fit_is_the_documents_own_fault() {
        let mut point = Page::new(1, 7).point();
        point.vectors.insert(VectorName::Fde, NamedVector::Dense(vec![0.5; 3]));
        let error = check(point, &fixtures::schema()).err().unwrap();
        assert_eq!((error.kind(), error.blame()), (crate::error::Kind::Permanent, Blame::Document));
        assert!(error.to_string().contains("page 7 of /documents/1.pdf: vector 'fde' has 3 dimensions"), "{error}");
    }

    #[test]
    fn a_payload_comes_back_from_its_json_and_tags_are_kept_twice() {
        let page = Page::new(1, 1).tag("team", "blue");
        let json = to_json(&page.payload()).unwrap();
        assert_eq!(json["tag_list"], serde_json::json!(["team=blue"]));
        for (field, value) in tag_fields(&page.payload().tags) {
            assert_eq!(json.get(field).unwrap_or(&Value::Null), &value);
        }
        assert_eq!(from_json(page.id(), Some(json)).unwrap(), page.payload());
    }

    #[test]
    fn a_payload_says_whose_page_it_is() {
        let page = Page::new(2, 7);
        let mut json = to_json(&page.payload()).unwrap();
        let owner = page_of(&json).unwrap();
        assert_eq!((owner.tenant, owner.document, owner.page), (page.payload().tenant, page.document_id(), 7));
        json.remove("generation");
        assert_eq!(page_of(&json), None);
    }

    #[test]
    fn a_list_of_groups_that_names_nobody_is_no_missing_list() {
        let allowed = |groups: &'static str| {
            to_json(&Page::new(1, 1).tag("allowed", groups).payload()).unwrap()["allowed"].clone()
        };
        assert_eq!(allowed("finance, legal"), serde_json::json!(["finance", "legal"]));
        assert_eq!(allowed(" ,"), serde_json::json!([""]));
    }

    #[test]
    fn a_page_without_tags_has_no_field_for_them() {
        let json = to_json(&Page::new(1, 1).payload()).unwrap();
        for (field, value) in tag_fields(&BTreeMap::new()) {
            assert!(value.is_null() && !json.contains_key(field), "{field}");
        }
    }

    proptest! {
        #[test]
        fn two_tags_never_flatten_alike(a in r"[=\\a]{0,4}", b in r"[=\\a]{0,4}", c in r"[=\\a]{0,4}", d in r"[=\\a]{0,4}") {
            prop_assert_eq!(flat_tag(&a, &b) == flat_tag(&c, &d), (a, b) == (c, d));
        }
    }
}
