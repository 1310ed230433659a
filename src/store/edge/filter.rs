//! Our [`Filter`] in the engine's terms.

use std::str::FromStr;

use qdrant_edge::external::ordered_float::OrderedFloat;
use qdrant_edge::external::uuid::Uuid;
use qdrant_edge::{
    Condition as EngineCondition, DateTimeWrapper, FieldCondition, Filter as EngineFilter, HasIdCondition, JsonPath,
    Match, PointId as EngineId, Range,
};

use crate::error::{Error, Result};
use crate::store::payload::flat_tag;
use crate::store::schema::field;
use crate::store::{Condition, DateField, Filter};
use crate::types::{DocumentId, Generation, Tenant};

/// The tenant's points that match.
///
/// # Errors
/// Permanent, if a date is not RFC 3339.
pub(super) fn engine_filter(filter: &Filter) -> Result<EngineFilter> {
    let mut must = vec![tenant(filter.tenant())?];
    must.extend(filter.must.iter().map(condition).collect::<Result<Vec<_>>>()?);
    Ok(all(must))
}

/// What a stage narrows its filter by; None if it does not.
///
/// # Errors
/// As [`engine_filter`].
pub(super) fn narrowed(conditions: &[Condition]) -> Result<Option<EngineFilter>> {
    Ok(self::conditions(conditions)?.map(all))
}

/// Every page of one generation of a document, whose tenant its id implies.
pub(super) fn of_generation(document: DocumentId, generation: &Generation) -> Result<EngineFilter> {
    Ok(all(vec![condition(&Condition::Document(document))?, condition(&Condition::Generation(generation.clone()))?]))
}

fn tenant(tenant: &Tenant) -> Result<EngineCondition> {
    keyword(field::TENANT, tenant.0.clone())
}

fn all(must: Vec<EngineCondition>) -> EngineFilter {
    EngineFilter { should: None, min_should: None, must: Some(must), must_not: None }
}

/// None if there are none: the engine reads an empty list and no list alike, but says so nowhere.
fn conditions(conditions: &[Condition]) -> Result<Option<Vec<EngineCondition>>> {
    if conditions.is_empty() {
        return Ok(None);
    }
    conditions.iter().map(condition).collect::<Result<Vec<_>>>().map(Some)
}

fn condition(condition: &Condition) -> Result<EngineCondition> {
    Ok(match condition {
        Condition::Document(document) => keyword(field::DOCUMENT_ID, document.0.to_string())?,
        Condition::Generation(generation) => keyword(field::GENERATION, generation.0.clone())?,
        Condition::Source(source) => keyword(field::SOURCE, source.clone())?,
        Condition::Title(title) => keyword(field::TITLE, title.clone())?,
        Condition::Tag { key, value } => keyword(field::TAG_LIST, flat_tag(key, value))?,
        Condition::Pages { from, to } => {
            let bound = |page: &Option<u32>| page.map(|page| OrderedFloat(f64::from(page)));
            let range = Range { lt: None, gt: None, gte: bound(from), lte: bound(to) };
            EngineCondition::Field(FieldCondition::new_range(path(field::PAGE)?, range))
        }
        Condition::Date { field, from, to } => {
            let key = match field {
                DateField::Created => field::CREATED,
                DateField::IngestedAt => field::INGESTED_AT,
            };
            let bound = |date: &Option<String>| date.as_deref().map(parse_date).transpose();
            let range = Range { lt: None, gt: None, gte: bound(from)?, lte: bound(to)? };
            EngineCondition::Field(FieldCondition::new_datetime_range(path(key)?, range))
        }
        Condition::AllowedTo(groups) => EngineCondition::Filter(EngineFilter {
            should: Some(vec![is_missing(field::ALLOWED)?, any_keyword(field::ALLOWED, groups)?]),
            min_should: None,
            must: None,
            must_not: None,
        }),
        Condition::Ids(ids) => has_id(ids.iter().map(|id| id.0)),
        // The engine takes "at least one of none" for no condition at all.
        Condition::Any(any) if any.is_empty() => has_id([]),
        Condition::Any(any) => EngineCondition::Filter(EngineFilter {
            should: conditions(any)?,
            min_should: None,
            must: None,
            must_not: None,
        }),
    })
}

fn keyword(key: &str, value: String) -> Result<EngineCondition> {
    Ok(EngineCondition::Field(FieldCondition::new_match(path(key)?, Match::from(value))))
}

fn any_keyword(key: &str, values: &[String]) -> Result<EngineCondition> {
    Ok(EngineCondition::Field(FieldCondition::new_match(path(key)?, Match::from(values.to_vec()))))
}

/// The engine does not export the type of the field; its wire form is public.
fn is_missing(key: &str) -> Result<EngineCondition> {
    let condition = serde_json::from_value(serde_json::json!({ "is_empty": { "key": key } }))
        .map_err(|error| Error::bug("the engine takes no condition on a missing field").with_source(error))?;
    Ok(EngineCondition::IsEmpty(condition))
}

fn has_id(ids: impl IntoIterator<Item = Uuid>) -> EngineCondition {
    EngineCondition::HasId(ids.into_iter().map(EngineId::Uuid).collect::<HasIdCondition>())
}

/// A payload key in the engine's terms.
pub(super) fn path(key: &str) -> Result<JsonPath> {
    JsonPath::from_str(key).map_err(|()| Error::bug(format!("'{key}' is not a payload key")))
}

fn parse_date(date: &str) -> Result<DateTimeWrapper> {
    date.parse()
        .map_err(|_| Error::permanent(format!("'{date}' is not a date as RFC 3339 writes it: 2024-05-01T00:00:00Z")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_date_is_named() {
        let condition = Condition::Date { field: DateField::Created, from: Some("yesterday".into()), to: None };
        let error = engine_filter(&Filter::of(&Tenant("default".into())).with([condition])).unwrap_err();
        assert!(error.to_string().contains("yesterday"), "{error}");
    }
}
