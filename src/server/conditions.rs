//! Conditions on pages as clients of other services write them (OpenAI's `filters`, Dify's `metadata_condition`): a tree of tests
//! of named fields. What the store can decide narrows the search; the rest is decided on the pages that were found.
//!
//! It only ever narrows: whose pages are searched is the scope's business.

use serde_json::Value;

use crate::retrieve::{Hit, PageFilter};

/// How many times more pages are asked for where not every condition narrows the search by itself.
const MORE: usize = 10;
/// Most pages that one search may ask for.
const MOST: usize = 200;
/// Levels of a tree of conditions, and tests in it.
const MAX_DEPTH: usize = 8;

/// What must hold of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Field { name: String, test: Test },
}

/// What is asked of a field; texts are compared as they are, numbers as numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    Is(String),
    IsNot(String),
    /// Any of these.
    In(Vec<String>),
    NotIn(Vec<String>),
    Contains(String),
    ContainsNot(String),
    StartsWith(String),
    EndsWith(String),
    Empty,
    NotEmpty,
    Less(f64),
    AtMost(f64),
    More(f64),
    AtLeast(f64),
}

impl Condition {
    /// Narrows `filter` by what the store can decide, and says how many pages to ask for where `limit` are wanted.
    pub fn narrow(&self, filter: &mut PageFilter, limit: usize) -> usize {
        if self.put(filter) { limit } else { limit.saturating_mul(MORE).clamp(1, MOST) }
    }

    /// Puts what it can into the filter; true where nothing is left to decide.
    fn put(&self, filter: &mut PageFilter) -> bool {
        match self {
            // every one is tried: each narrows
            Self::All(all) => all.iter().filter(|one| !one.put(filter)).count() == 0,
            Self::Any(any) => any.len() == 1 && any[0].put(filter),
            Self::Field { name, test } => put_field(name, test, filter),
        }
    }

    /// Whether it holds of a page that was found.
    pub fn holds(&self, hit: &Hit) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(hit)),
            Self::Any(any) => any.iter().any(|one| one.holds(hit)),
            Self::Field { name, test } => test.holds(field(hit, name).as_deref()),
        }
    }

    /// Whether it goes no deeper than anybody needs.
    pub fn is_shallow(&self) -> bool {
        self.depth() <= MAX_DEPTH
    }

    fn depth(&self) -> usize {
        match self {
            Self::All(inner) | Self::Any(inner) => 1 + inner.iter().map(Self::depth).max().unwrap_or(0),
            Self::Field { .. } => 1,
        }
    }
}

/// A field of a page by the name that clients give it; any other name is a tag's.
fn field(hit: &Hit, name: &str) -> Option<String> {
    match name {
        "document_id" | "file_id" => Some(hit.document_id.to_string()),
        "title" | "document_name" => Some(hit.title.clone()),
        "filename" => Some(super::cited::file_name(&hit.source)),
        "source" => Some(hit.source.clone()),
        "page" => Some(hit.page.to_string()),
        "page_count" => Some(hit.page_count.to_string()),
        "section" => hit.section_title.clone(),
        tag => hit.tags.get(tag).cloned(),
    }
}

/// What the store can decide of one field. False where the page has to be looked at as well.
fn put_field(name: &str, test: &Test, filter: &mut PageFilter) -> bool {
    match (name, test) {
        ("document_id" | "file_id", Test::Is(id)) if filter.documents.is_empty() => match id.parse() {
            Ok(id) => {
                filter.documents.push(id);
                true
            }
            Err(_) => false,
        },
        ("document_id" | "file_id", Test::In(ids)) if filter.documents.is_empty() && !ids.is_empty() => {
            let known: Vec<_> = ids.iter().filter_map(|id| id.parse().ok()).collect();
            let whole = known.len() == ids.len();
            filter.documents = if whole { known } else { Vec::new() };
            whole
        }
        ("title" | "document_name", Test::Is(title)) => put(&mut filter.title, title),
        ("source", Test::Is(source)) => put(&mut filter.source, source),
        ("page", Test::AtLeast(from)) => put_page(&mut filter.pages.0, *from, u32::max),
        ("page", Test::AtMost(to)) => put_page(&mut filter.pages.1, *to, u32::min),
        ("page" | "page_count" | "section" | "filename", _) => false,
        (tag, Test::Is(value)) if !matches!(tag, "document_id" | "file_id") => match filter.tags.get(tag) {
            None => filter.tags.insert(tag.to_owned(), value.clone()).is_none(),
            Some(known) => known == value,
        },
        _ => false,
    }
}

fn put(place: &mut Option<String>, value: &str) -> bool {
    place.get_or_insert_with(|| value.to_owned()) == value
}

fn put_page(place: &mut Option<u32>, bound: f64, tighter: fn(u32, u32) -> u32) -> bool {
    if bound.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&bound) {
        return false;
    }
    let bound = bound as u32;
    *place = Some(place.map_or(bound, |known| tighter(known, bound)));
    true
}

impl Test {
    /// Whether it holds of a value; None: the page has no such field.
    fn holds(&self, value: Option<&str>) -> bool {
        let text = value.unwrap_or_default();
        let number = value.and_then(|value| value.trim().parse::<f64>().ok());
        match self {
            Self::Is(expected) => value == Some(expected),
            Self::IsNot(other) => value != Some(other),
            Self::In(list) => value.is_some_and(|value| list.iter().any(|one| one == value)),
            Self::NotIn(list) => !value.is_some_and(|value| list.iter().any(|one| one == value)),
            Self::Contains(part) => text.contains(part),
            Self::ContainsNot(part) => !text.contains(part),
            Self::StartsWith(part) => text.starts_with(part),
            Self::EndsWith(part) => text.ends_with(part),
            Self::Empty => text.is_empty(),
            Self::NotEmpty => !text.is_empty(),
            Self::Less(bound) => number.is_some_and(|number| number < *bound),
            Self::AtMost(bound) => number.is_some_and(|number| number <= *bound),
            Self::More(bound) => number.is_some_and(|number| number > *bound),
            Self::AtLeast(bound) => number.is_some_and(|number| number >= *bound),
        }
    }
}

/// A value as tags are written: they are texts. None for what is no single value.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieve::HitDetail;
    use crate::types::{DocumentId, Generation, PointId, Tenant};

    fn hit(page: u32, team: &str) -> Hit {
        let document_id = DocumentId::new(&Tenant("t".into()), "c", "/a/pump.pdf");
        let generation = Generation("g".into());
        Hit {
            document_id,
            source: "/a/pump.pdf".into(),
            title: "Pump".into(),
            page,
            page_label: None,
            page_count: 9,
            score: 1.0,
            relevance: None,
            regions: vec![],
            section_title: None,
            breadcrumbs: vec![],
            snippet: String::new(),
            tags: [("team".to_owned(), team.to_owned())].into(),
            anchor: format!("#page={page}"),
            image: String::new(),
            text_unreadable: false,
            source_gone: false,
            detail: HitDetail {
                point: PointId::new(document_id, &generation, page),
                generation,
                text: String::new(),
                image_key: String::new(),
                content_hash: crate::types::ContentHash::of(b"x"),
                page_size: [1.0, 1.0],
                word_height: None,
                nearest: None,
            },
        }
    }

    fn of(name: &str, test: Test) -> Condition {
        Condition::Field { name: name.into(), test }
    }

    #[test]
    fn what_the_store_can_decide_narrows_the_search() {
        let condition = Condition::All(vec![
            of("team", Test::Is("finance".into())),
            of("page", Test::AtLeast(2.0)),
            of("page", Test::AtLeast(3.0)),
            of("title", Test::Is("Pump".into())),
        ]);
        let mut filter = PageFilter::default();
        assert_eq!(condition.narrow(&mut filter, 5), 5);
        assert_eq!(filter.tags["team"], "finance");
        assert_eq!((filter.pages, filter.title.as_deref()), ((Some(3), None), Some("Pump")));
        assert!(condition.holds(&hit(3, "finance")));
        assert!(!condition.holds(&hit(2, "finance")) && !condition.holds(&hit(3, "sales")));
    }

    #[test]
    fn the_rest_is_decided_on_more_pages() {
        for condition in [
            of("team", Test::IsNot("sales".into())),
            Condition::Any(vec![of("team", Test::Is("finance".into())), of("page", Test::Is("7".into()))]),
            Condition::All(vec![of("team", Test::Is("finance".into())), of("team", Test::Is("sales".into()))]),
            of("document_id", Test::Is("no id".into())),
        ] {
            let mut filter = PageFilter::default();
            assert_eq!(condition.narrow(&mut filter, 5), 50, "{condition:?}");
            assert!(filter.documents.is_empty());
        }
        assert!(of("team", Test::IsNot("sales".into())).holds(&hit(1, "finance")));
        assert!(!of("document_id", Test::Is("no id".into())).holds(&hit(1, "finance")));
    }

    #[test]
    fn fields_are_compared_as_what_they_are() {
        let page = hit(10, "finance");
        for (name, test, holds) in [
            ("page", Test::More(9.0), true),
            ("page", Test::Less(9.0), false),
            ("filename", Test::EndsWith(".pdf".into()), true),
            ("team", Test::Contains("nan".into()), true),
            ("team", Test::ContainsNot("nan".into()), false),
            ("team", Test::In(vec!["x".into(), "finance".into()]), true),
            ("team", Test::NotIn(vec!["finance".into()]), false),
            ("none", Test::Empty, true),
            ("none", Test::Less(1.0), false),
            ("none", Test::IsNot("x".into()), true),
            ("section", Test::NotEmpty, false),
            ("title", Test::StartsWith("Pu".into()), true),
        ] {
            assert_eq!(of(name, test.clone()).holds(&page), holds, "{name} {test:?}");
        }
    }
}
