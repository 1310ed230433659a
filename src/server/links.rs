//! Links that open a page image or an original without a key, for a while: an `<img>` and an `<a>` can't carry one. A response gives
//! them to whoever was let see the page.
//!
//! What is signed is which document, which page, and until when; nobody can make one, or make it lead elsewhere.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;
use utoipa::IntoParams;

use super::problem::Problem;
use crate::types::{DocumentId, length_prefixed};

/// The secret's name in the ledger: all processes sign alike.
pub const SECRET: &str = "links";

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// 1-based page.
    Image(u32),
    Original,
}

/// What makes a link.
#[derive(Debug, Clone)]
pub struct Links {
    secret: String,
    valid: Duration,
}

/// What a signed link carries.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Signed {
    /// Unix seconds until which the link opens.
    pub expires: Option<u64>,
    /// Made by the service.
    pub signature: Option<String>,
}

impl Links {
    pub fn new(secret: String, valid: Duration) -> Self {
        Self { secret, valid }
    }

    /// Where a page's image is to be had, from the server's root on.
    pub fn image(&self, document: DocumentId, page: u32) -> String {
        format!("/v1/documents/{document}/pages/{page}/image?{}", self.query(document, Target::Image(page)))
    }

    /// Where the document itself is to be had, from the server's root on.
    pub fn original(&self, document: DocumentId) -> String {
        format!("/v1/documents/{document}/original?{}", self.query(document, Target::Original))
    }

    /// The same link for some time, so that browsers keep what they got by it; it is valid for `valid` at least.
    fn query(&self, document: DocumentId, target: Target) -> String {
        let valid = self.valid.as_secs().max(1);
        let expires = (now() / valid + 2) * valid;
        format!(
            "expires={expires}&signature={}",
            hex::encode(self.mac(document, target, expires).finalize().into_bytes())
        )
    }

    /// Whether a request came by such a link; false where it carries none.
    ///
    /// # Errors
    /// 403: the link has expired, or was never made here.
    pub fn check(&self, document: DocumentId, target: Target, signed: &Signed) -> Result<bool, Problem> {
        let refused = |why: &str| {
            Problem::new(axum::http::StatusCode::FORBIDDEN, format!("this link {why}: ask again for a new one"))
        };
        let (expires, signature) = match (signed.expires, &signed.signature) {
            (None, None) => return Ok(false),
            (Some(expires), Some(signature)) => (expires, signature),
            _ => return Err(refused("is not whole")),
        };
        let signature = hex::decode(signature).map_err(|_| refused("is not whole"))?;
        // in constant time
        self.mac(document, target, expires)
            .verify_slice(&signature)
            .map_err(|_| refused("was not made by this service"))?;
        if expires <= now() { Err(refused("has expired")) } else { Ok(true) }
    }

    fn mac(&self, document: DocumentId, target: Target, expires: u64) -> Hmac<Sha256> {
        let (kind, page) = match target {
            Target::Image(page) => ("image", page),
            Target::Original => ("original", 0),
        };
        let parts = [kind.as_bytes(), document.0.as_bytes(), &page.to_le_bytes(), &expires.to_le_bytes()];
        let mut mac = key(&self.secret);
        mac.update(&length_prefixed(parts));
        mac
    }
}

fn key(secret: &str) -> Hmac<Sha256> {
    #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
    Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn signed(link: &str) -> Signed {
        let (_, query) = link.split_once('?').unwrap();
        let (expires, signature) = query.strip_prefix("expires=").unwrap().split_once("&signature=").unwrap();
        Signed { expires: Some(expires.parse().unwrap()), signature: Some(signature.to_owned()) }
    }

    #[test]
    fn a_link_opens_what_it_was_made_for_and_nothing_else() {
        let links = Links::new("secret".into(), Duration::from_secs(3600));
        let (one, other) = (DocumentId(Uuid::from_u128(1)), DocumentId(Uuid::from_u128(2)));
        let made = signed(&links.image(one, 3));
        assert!(links.check(one, Target::Image(3), &made).unwrap());
        for (document, target) in [(other, Target::Image(3)), (one, Target::Image(4)), (one, Target::Original)] {
            assert!(links.check(document, target, &made).is_err(), "{target:?}");
        }
        let longer = Signed { expires: made.expires.map(|at| at + 1), ..made.clone() };
        assert!(links.check(one, Target::Image(3), &longer).is_err());
        assert!(Links::new("another".into(), Duration::from_secs(3600)).check(one, Target::Image(3), &made).is_err());
        assert!(!links.check(one, Target::Original, &Signed::default()).unwrap());
        assert!(links.check(one, Target::Original, &Signed { signature: None, ..made }).is_err());
    }

    #[test]
    fn a_link_ends() {
        let links = Links::new("secret".into(), Duration::from_secs(3600));
        let document = DocumentId(Uuid::from_u128(1));
        let signature = hex::encode(links.mac(document, Target::Original, 1).finalize().into_bytes());
        let old = Signed { expires: Some(1), signature: Some(signature) };
        let problem = links.check(document, Target::Original, &old).unwrap_err();
        assert!(problem.detail().contains("expired"));
        let fresh = signed(&links.original(document)).expires.unwrap();
        assert!((now() + 3600..=now() + 7200).contains(&fresh));
    }
}
