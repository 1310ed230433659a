//! What a caller may narrow a search by, as it becomes the store filter of a tenant.

use std::collections::BTreeMap;

use crate::store::{Condition, DateField, Filter};
use crate::types::{DocumentId, Groups, Tenant};

/// Conditions on pages; all of them must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageFilter {
    pub tags: BTreeMap<String, String>,
    /// Any of these documents.
    pub documents: Vec<DocumentId>,
    /// Exact source (path or URL).
    pub source: Option<String>,
    /// Exact title.
    pub title: Option<String>,
    /// 1-based, inclusive.
    pub pages: (Option<u32>, Option<u32>),
    /// Creation date of the document, RFC 3339, inclusive.
    pub created: (Option<String>, Option<String>),
    /// When the page was indexed, RFC 3339, inclusive.
    pub ingested: (Option<String>, Option<String>),
    /// Whom documents are kept for that may be seen: set by the scope, whatever the caller says.
    pub groups: Groups,
}

impl PageFilter {
    /// The filter of one tenant's query.
    pub fn to_store(&self, tenant: &Tenant) -> Filter {
        let mut must = Vec::new();
        must.extend(self.tags.iter().map(|(key, value)| Condition::Tag { key: key.clone(), value: value.clone() }));
        match self.documents.as_slice() {
            [] => {}
            [one] => must.push(Condition::Document(*one)),
            many => must.push(Condition::Any(many.iter().copied().map(Condition::Document).collect())),
        }
        must.extend(self.source.clone().map(Condition::Source));
        must.extend(self.title.clone().map(Condition::Title));
        if self.pages != (None, None) {
            must.push(Condition::Pages { from: self.pages.0, to: self.pages.1 });
        }
        for (field, (from, to)) in [(DateField::Created, &self.created), (DateField::IngestedAt, &self.ingested)] {
            if from.is_some() || to.is_some() {
                must.push(Condition::Date { field, from: from.clone(), to: to.clone() });
            }
        }
        if let Groups::Of(groups) = &self.groups {
            must.push(Condition::AllowedTo(groups.clone()));
        }
        Filter::of(tenant).with(must)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_is_the_tenants() {
        let filter = PageFilter::default().to_store(&Tenant("acme".into()));
        assert_eq!((filter.tenant().0.as_str(), filter.must.len()), ("acme", 0));
    }
}
