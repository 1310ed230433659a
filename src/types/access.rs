//! Who may see what within a tenant: permissions of those who ask, and groups that documents are kept for.
//!
//! A document is kept for groups by its tag [`ALLOWED`]: `allowed=finance,legal`. Without the tag everybody of the tenant sees
//! it. A list that names nobody is no missing list: then only those who see everything do.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The tag whose value names the groups that may see a document, with commas between them.
pub const ALLOWED: &str = "allowed";

/// Between groups. No group's name holds it.
const COMMA: char = ',';

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Search, ask, read documents and pages.
    Read,
    /// Upload, delete, retry and cancel documents, start pipelines.
    Write,
    /// See every document of the tenant, whatever groups it is kept for.
    Admin,
}

impl Permission {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Permission {
    type Err = Error;

    /// # Errors
    /// Configuration: there is no scope of this name.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|permission| permission.as_str() == name)
            .ok_or_else(|| Error::configuration(format!("'{name}' is no scope: read, write or admin is expected")))
    }
}

/// The groups of whoever asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Groups {
    /// Sees every document of the tenant: who runs the service, and keys with the scope admin.
    #[default]
    All,
    /// Sees documents that are kept for nobody, and those of these groups.
    Of(Vec<String>),
}

impl Groups {
    pub fn may_see(&self, tags: &BTreeMap<String, String>) -> bool {
        match (self, allowed(tags)) {
            (Self::All, _) | (_, None) => true,
            (Self::Of(groups), Some(allowed)) => allowed.iter().any(|group| groups.iter().any(|own| own == group)),
        }
    }
}

/// The groups that a document with these tags is kept for; None: it is kept for nobody in particular.
pub fn allowed(tags: &BTreeMap<String, String>) -> Option<Vec<&str>> {
    let named = tags.get(ALLOWED)?;
    Some(named.split(COMMA).map(str::trim).filter(|group| !group.is_empty()).collect())
}

/// The value of the tag [`ALLOWED`] for these groups.
///
/// # Errors
/// Configuration: a name is empty or holds a comma.
pub fn allowed_tag(groups: &[String]) -> Result<String> {
    groups.iter().try_for_each(|group| check_group(group))?;
    Ok(groups.join(&COMMA.to_string()))
}

/// # Errors
/// Configuration: the name is empty or holds a comma, or white space at its ends.
pub fn check_group(group: &str) -> Result<()> {
    if group.is_empty() || group.trim() != group || group.contains(COMMA) {
        return Err(Error::configuration(format!(
            "'{group}' can't be a group's name: it is empty, or holds a comma or blanks"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(allowed: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(ALLOWED.to_owned(), allowed.to_owned())])
    }

    #[test]
    fn a_document_is_seen_by_its_groups_and_without_a_list_by_everybody() {
        let finance = Groups::Of(vec!["finance".into()]);
        assert!(finance.may_see(&BTreeMap::new()) && finance.may_see(&tags("legal, finance")));
        assert!(!finance.may_see(&tags("legal")) && !finance.may_see(&tags("finances")));
        let nobody = Groups::Of(Vec::new());
        assert!(nobody.may_see(&BTreeMap::new()) && !nobody.may_see(&tags("finance")));
        for empty in ["", " ", ","] {
            assert!(
                !finance.may_see(&tags(empty)) && !nobody.may_see(&tags(empty)) && Groups::All.may_see(&tags(empty))
            );
        }
    }

    #[test]
    fn groups_become_a_tag_and_come_back() {
        let groups = ["finance".to_owned(), "legal team".to_owned()];
        assert_eq!(allowed(&tags(&allowed_tag(&groups).unwrap())).unwrap(), groups);
        for wrong in ["", "a,b", " a"] {
            assert!(allowed_tag(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
