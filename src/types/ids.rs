//! Identities. All but one are derived, so that a replay arrives at the same ids and overwrites. The generation is drawn: a
//! new submission must never write over what an earlier one wrote.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};

/// The namespace of every UUIDv5 made here: v5 of the DNS namespace and "quire.documents".
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_54b5_8c55_5d3e_9a57_3f0e_8a1d_42c7);

/// Joins parts so that no two different lists give the same bytes: each part stands behind its length (u64, little endian).
pub fn length_prefixed<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut joined = Vec::new();
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_le_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

/// Whose documents these are. Every query carries a tenant filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tenant(pub String);

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A document: tenant, collection and source URI. Stable over its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocumentId(pub Uuid);

impl DocumentId {
    pub fn new(tenant: &Tenant, collection: &str, source_uri: &str) -> Self {
        let name = length_prefixed([tenant.0.as_bytes(), collection.as_bytes(), source_uri.as_bytes()]);
        Self(Uuid::new_v5(&NAMESPACE, &name))
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DocumentId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::parse_str(text)
            .map(Self)
            .map_err(|_| Error::permanent(format!("'{text}' is not a document id: a UUID is expected")))
    }
}

/// BLAKE3 of a document's bytes, as 64 hexadecimal digits: names a *version*.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentHash(pub String);

impl ContentHash {
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).to_hex().to_string())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fingerprint of all that shapes vectors: model, render settings, derivation. 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipeId(pub String);

impl fmt::Display for RecipeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One submission of one version under one recipe. 32 hexadecimal digits, drawn at random for every submission, so that nothing
/// that people see is ever overwritten in place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub String);

impl Generation {
    /// One that was never used before.
    pub fn fresh() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The Qdrant point of one page of one generation: UUIDv5 over length-prefixed (document id, generation, page).
///
/// **No point id ever changes its number of rows**: servers before 1.19 and qdrant-edge 0.7.2 can damage a neighbouring page when
/// a multivector is written again with more rows and the process dies (qdrant#9501). It holds because a generation is one version
/// of a document under one recipe, from which the rows of a page follow, and because no generation is used for two submissions: a
/// point is only written again by another attempt at the same job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PointId(pub Uuid);

impl PointId {
    /// `page` is 1-based.
    pub fn new(document: DocumentId, generation: &Generation, page: u32) -> Self {
        let name =
            length_prefixed([document.0.as_bytes().as_slice(), generation.0.as_bytes(), page.to_le_bytes().as_slice()]);
        Self(Uuid::new_v5(&NAMESPACE, &name))
    }
}

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_never_run_into_each_other() {
        let tenant = |name: &str| Tenant(name.into());
        assert_ne!(DocumentId::new(&tenant("ab"), "c", "x"), DocumentId::new(&tenant("a"), "bc", "x"));
        assert_ne!(length_prefixed([b"ab".as_slice(), b""]), length_prefixed([b"".as_slice(), b"ab"]));
    }

    #[test]
    fn ids_are_stable() {
        let id = DocumentId::new(&Tenant("default".into()), "documents", "file:///a/b.pdf");
        assert_eq!(id, DocumentId::new(&Tenant("default".into()), "documents", "file:///a/b.pdf"));
        let generation = Generation("0f".repeat(16));
        assert_eq!(PointId::new(id, &generation, 1), PointId::new(id, &generation.clone(), 1));
        assert_ne!(PointId::new(id, &generation, 1), PointId::new(id, &generation, 2));
    }

    #[test]
    fn no_generation_comes_twice() {
        let (a, b) = (Generation::fresh(), Generation::fresh());
        assert_ne!(a, b);
        assert!(a.0.len() == 32 && a.0.bytes().all(|byte| byte.is_ascii_hexdigit()), "{a}");
    }
}
