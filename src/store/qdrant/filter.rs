//! Our [`Filter`] in the server's terms.

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::{
    Condition as ServerCondition, DatetimeRange, FieldCondition, Filter as ServerFilter, HasIdCondition,
    IsEmptyCondition, Match, Range, RepeatedStrings,
};

use super::points::server_id;
use crate::error::{Error, Result};
use crate::store::payload::flat_tag;
use crate::store::schema::field;
use crate::store::{Condition, DateField, Filter};
use crate::types::{DocumentId, Generation, Tenant};

/// The tenant's points that match.
///
/// # Errors
/// Permanent, if a date is not RFC 3339.
pub(super) fn server_filter(filter: &Filter) -> Result<ServerFilter> {
    let mut must = vec![tenant(filter.tenant())];
    must.extend(filter.must.iter().map(condition).collect::<Result<Vec<_>>>()?);
    Ok(all(must))
}

/// Every point of the tenant.
pub(super) fn of_tenant(tenant: &Tenant) -> ServerFilter {
    all(vec![self::tenant(tenant)])
}

/// What a stage narrows its filter by; None if it does not.
///
/// # Errors
/// As [`server_filter`].
pub(super) fn narrowed(conditions: &[Condition]) -> Result<Option<ServerFilter>> {
    if conditions.is_empty() {
        return Ok(None);
    }
    Ok(Some(all(conditions.iter().map(condition).collect::<Result<_>>()?)))
}

/// Every page of one generation of a document, whose tenant its id implies.
pub(super) fn of_generation(document: DocumentId, generation: &Generation) -> ServerFilter {
    all(vec![keyword(field::DOCUMENT_ID, document.0.to_string()), keyword(field::GENERATION, generation.0.clone())])
}

fn tenant(tenant: &Tenant) -> ServerCondition {
    keyword(field::TENANT, tenant.0.clone())
}

fn all(must: Vec<ServerCondition>) -> ServerFilter {
    ServerFilter { must, ..ServerFilter::default() }
}

fn condition(condition: &Condition) -> Result<ServerCondition> {
    Ok(match condition {
        Condition::Document(document) => keyword(field::DOCUMENT_ID, document.0.to_string()),
        Condition::Generation(generation) => keyword(field::GENERATION, generation.0.clone()),
        Condition::Source(source) => keyword(field::SOURCE, source.clone()),
        Condition::Title(title) => keyword(field::TITLE, title.clone()),
        Condition::Tag { key, value } => keyword(field::TAG_LIST, flat_tag(key, value)),
        Condition::Pages { from, to } => {
            let range = Range { gte: from.map(f64::from), lte: to.map(f64::from), ..Range::default() };
            on_field(FieldCondition { key: field::PAGE.into(), range: Some(range), ..FieldCondition::default() })
        }
        Condition::Date { field, from, to } => {
            let key = match field {
                DateField::Created => field::CREATED,
                DateField::IngestedAt => field::INGESTED_AT,
            };
            let range = dates(from.as_deref(), to.as_deref())?;
            on_field(FieldCondition { key: key.into(), datetime_range: Some(range), ..FieldCondition::default() })
        }
        Condition::AllowedTo(groups) => {
            let missing = of(ConditionOneOf::IsEmpty(IsEmptyCondition { key: field::ALLOWED.into() }));
            let any = Match { match_value: Some(MatchValue::Keywords(RepeatedStrings { strings: groups.clone() })) };
            let any = FieldCondition { key: field::ALLOWED.into(), r#match: Some(any), ..FieldCondition::default() };
            of(ConditionOneOf::Filter(ServerFilter { should: vec![missing, on_field(any)], ..ServerFilter::default() }))
        }
        Condition::Ids(ids) => {
            of(ConditionOneOf::HasId(HasIdCondition { has_id: ids.iter().copied().map(server_id).collect() }))
        }
        // "At least one of none" would be no condition at all.
        Condition::Any(any) if any.is_empty() => of(ConditionOneOf::HasId(HasIdCondition::default())),
        Condition::Any(any) => of(ConditionOneOf::Filter(ServerFilter {
            should: any.iter().map(self::condition).collect::<Result<_>>()?,
            ..ServerFilter::default()
        })),
    })
}

fn keyword(key: &str, value: String) -> ServerCondition {
    let value = Match { match_value: Some(MatchValue::Keyword(value)) };
    on_field(FieldCondition { key: key.into(), r#match: Some(value), ..FieldCondition::default() })
}

fn on_field(field: FieldCondition) -> ServerCondition {
    of(ConditionOneOf::Field(field))
}

fn of(condition: ConditionOneOf) -> ServerCondition {
    ServerCondition { condition_one_of: Some(condition) }
}

fn dates(from: Option<&str>, to: Option<&str>) -> Result<DatetimeRange> {
    let mut range = DatetimeRange::default();
    for (bound, date) in [(&mut range.gte, from), (&mut range.lte, to)] {
        let Some(date) = date else { continue };
        let moment: jiff::Timestamp = date.parse().map_err(|error| {
            Error::permanent(format!("'{date}' is not a date as RFC 3339 writes it: 2024-05-01T00:00:00Z"))
                .with_source(error)
        })?;
        let bound = bound.get_or_insert_default();
        // Floored, as the protocol has it: nanoseconds count forwards, whatever the sign of the seconds.
        bound.seconds = moment.as_nanosecond().div_euclid(1_000_000_000) as i64;
        bound.nanos = moment.as_nanosecond().rem_euclid(1_000_000_000) as i32;
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_date_is_named() {
        let condition = Condition::Date { field: DateField::Created, from: Some("yesterday".into()), to: None };
        let error = server_filter(&Filter::of(&Tenant("default".into())).with([condition])).unwrap_err();
        assert!(error.to_string().contains("yesterday"), "{error}");
    }

    #[test]
    fn dates_are_moments_whatever_their_offset() {
        let range = dates(Some("2024-05-02T09:00:00+01:00"), Some("1969-12-31T23:59:59.5Z")).unwrap();
        assert_eq!(range.gte.unwrap().seconds, 1_714_636_800);
        let before = range.lte.unwrap();
        assert_eq!((before.seconds, before.nanos), (-1, 500_000_000));
    }

    #[test]
    fn any_of_nothing_is_nothing() {
        let condition = condition(&Condition::Any(vec![])).unwrap();
        assert_eq!(condition.condition_one_of, Some(ConditionOneOf::HasId(HasIdCondition { has_id: vec![] })));
    }

    #[test]
    fn no_filter_is_without_its_tenant() {
        let filter = server_filter(&Filter::of(&Tenant("acme".into()))).unwrap();
        assert_eq!(filter.must, vec![keyword("tenant", "acme".into())]);
    }
}
