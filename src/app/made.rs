//! Collections that a tenant makes without a document, by a request. Their names tell whose they are: nobody can make up a name that
//! is taken for another tenant's, and what a tenant made is shown to nobody else, however empty it is.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::catalog::OwnCollection;
use super::scope::Scope;
use crate::error::{Error, Result};
use crate::ledger::DocumentFilter;
use crate::types::{Groups, Tenant, length_prefixed};

/// The secret's name in the ledger.
const SECRET: &str = "made collections";
/// Characters of what somebody calls a collection that its name begins with.
const MAX_STEM: usize = 40;
/// Hexadecimal digits at a name's end: half of them chance, half of them a proof of whose it is.
const DIGITS: usize = 16;

impl Scope<'_> {
    /// Makes an empty collection, always a new one: its name begins with what is `wished` for. It is made with what the service's own
    /// is made with, or would be.
    ///
    /// # Errors
    /// Configuration: the service's model or settings make no collection.
    pub async fn make_collection(&self, wished: &str) -> Result<OwnCollection> {
        let chance = &Uuid::new_v4().simple().to_string()[..DIGITS / 2];
        let begin = format!("{}-{chance}", stem(wished));
        let name = format!("{begin}{}", self.proof(&begin).await?);
        if self.app.collections.define_like(&name, &self.app.config.collection).await?.is_none() {
            self.app.collections.define(&name, None, &self.app.default_pipeline()).await?;
        }
        let made = self.own_collection(&name).await?;
        made.ok_or_else(|| Error::transient(format!("'{name}' was dropped while it was made")))
    }

    /// Whether the tenant made the collection of this name, if there is one.
    pub async fn has_made(&self, name: &str) -> Result<bool> {
        match begin_of(name) {
            Some(begin) => Ok(name[begin.len()..] == self.proof(begin).await?),
            None => Ok(false),
        }
    }

    /// Removes a collection that the tenant made, and every document in it. False: he made none of this name.
    ///
    /// # Errors
    /// Permanent: it holds documents that are kept for others of the tenant.
    pub async fn drop_made(&self, name: &str) -> Result<bool> {
        if !self.has_made(name).await? {
            return Ok(false);
        }
        let in_it = DocumentFilter { collection: Some(name.to_owned()), ..DocumentFilter::default() };
        let mut everybody = self.clone();
        everybody.groups = Groups::All;
        if everybody.count_documents(&in_it).await? != self.count_documents(&in_it).await? {
            return Err(Error::permanent(format!(
                "'{name}' holds documents that are kept for others: somebody who sees them all may delete it"
            )));
        }
        Ok(self.app.drop_collection(name).await?.is_some())
    }

    async fn proof(&self, begin: &str) -> Result<String> {
        proof(&self.app.shared_secret(SECRET).await?, &self.tenant, begin)
    }
}

fn proof(secret: &str, tenant: &Tenant, begin: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|error| Error::bug("a secret of any length makes a key").with_source(error))?;
    mac.update(&length_prefixed([tenant.0.as_bytes(), begin.as_bytes()]));
    Ok(hex::encode(&mac.finalize().into_bytes()[..DIGITS / 4]))
}

/// What a name that was made stands before its proof; None: no such name.
fn begin_of(name: &str) -> Option<&str> {
    let (stem, digits) = name.rsplit_once('-')?;
    let fits = digits.len() == DIGITS && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    (fits && !stem.is_empty()).then(|| &name[..name.len() - DIGITS / 2])
}

/// Letters and digits of what somebody calls it, with single hyphens between.
fn stem(wished: &str) -> String {
    let mut stem = String::new();
    for char in wished.chars() {
        if stem.len() == MAX_STEM {
            break;
        }
        if char.is_ascii_alphanumeric() {
            stem.push(char.to_ascii_lowercase());
        } else if !stem.is_empty() && !stem.ends_with('-') {
            stem.push('-');
        }
    }
    let stem = stem.trim_end_matches('-');
    if stem.is_empty() { "store".to_owned() } else { stem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_prove_whose_they_are() {
        for (wished, expected) in [
            ("Support FAQ", "support-faq"),
            ("  --Größe/2026!! ", "gr-e-2026"),
            ("", "store"),
            ("\u{202e}", "store"),
            (&"x".repeat(200), &"x".repeat(MAX_STEM)),
        ] {
            assert_eq!(stem(wished), expected, "{wished:?}");
        }
        let (own, other) = (Tenant("acme".into()), Tenant("rival".into()));
        let begin = "support-faq-0123abcd";
        let name = format!("{begin}{}", proof("secret", &own, begin).unwrap());
        assert_eq!(begin_of(&name), Some(begin));
        assert_ne!(proof("secret", &own, begin).unwrap(), proof("secret", &other, begin).unwrap());
        for plain in ["documents", "support-faq", "a-0123456789ABCDEF", "-0123456789abcdef", "a-0123456789abcdef0"] {
            assert_eq!(begin_of(plain), None, "{plain}");
        }
    }
}
