//! `server.jwt`: the issuer whose tokens are taken besides keys, and which of their claims say what.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::env::Environment;
use super::report::Mistakes;
use super::tree::Node;

/// Where the keys of this file stand in the service configuration.
const PATH: &str = "server.jwt";

/// An issuer of tokens, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Jwt {
    pub issuer: String,
    /// For whom a token must be; None: for anybody.
    pub audience: Option<String>,
    pub algorithm: JwtAlgorithm,
    pub key: JwtKey,
    /// Names of the claims.
    pub tenant_claim: String,
    pub scopes_claim: String,
    pub groups_claim: String,
}

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum JwtAlgorithm {
    HS256,
    RS256,
    ES256,
}

/// What their signatures are checked with: the secret of HS256, or a public key as PEM, JWK or JWK set.
#[derive(Clone)]
pub enum JwtKey {
    File(PathBuf),
    /// The value of a variable.
    Text(SecretString),
}

impl fmt::Debug for JwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Text(_) => f.write_str("Text(hidden)"),
        }
    }
}

impl PartialEq for JwtKey {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one.expose_secret() == other.expose_secret(),
            _ => false,
        }
    }
}

/// Tokens of an issuer that are taken besides keys. The tenant must be named in each; scopes and groups may be.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Jwt")]
pub(super) struct JwtWire {
    /// The claim `iss` of its tokens.
    #[schemars(length(min = 1, max = 2048))]
    issuer: String,
    /// The claim `aud` that its tokens must have.
    #[schemars(length(min = 1, max = 2048))]
    audience: Option<String>,
    /// How its tokens are signed.
    algorithm: JwtAlgorithm,
    /// File with the secret (HS256) or the public key (PEM, JWK or JWK set).
    #[schemars(length(min = 1))]
    key_file: Option<String>,
    /// Environment variable with the same.
    #[schemars(length(min = 1, max = 256))]
    key_env: Option<String>,
    /// Claim with the tenant (tenant).
    #[schemars(length(min = 1, max = 256))]
    tenant_claim: Option<String>,
    /// Claim with the scopes read, write, admin: a list, or one text with blanks (scope).
    #[schemars(length(min = 1, max = 256))]
    scopes_claim: Option<String>,
    /// Claim with the groups: a list, or one text with blanks (groups).
    #[schemars(length(min = 1, max = 256))]
    groups_claim: Option<String>,
}

impl JwtWire {
    /// What the schema can't say: that there is a key.
    pub(super) fn check(&self, root: &Node, environment: &Environment, mistakes: &mut Mistakes) {
        let mut add = |key: &str, message: String| {
            let path = format!("{PATH}{key}");
            mistakes.add(root.locate(&path), path, message);
        };
        match (&self.key_file, &self.key_env) {
            (Some(_), None) => {}
            (None, Some(variable)) => {
                if environment.text(variable).is_none_or(|value| value.trim().is_empty()) {
                    // it may be the secret itself, written at the wrong place
                    add(".key_env", "no environment variable of that name is set: its name is expected".into());
                }
            }
            _ => add("", "one of key_file and key_env is expected: what tokens are checked with".into()),
        }
    }

    pub(super) fn into_jwt(self, environment: &Environment, path: impl Fn(&str, &str) -> PathBuf) -> Jwt {
        let value = self.key_env.as_deref().and_then(|name| environment.text(name)).unwrap_or_default();
        let key = match &self.key_file {
            Some(file) => JwtKey::File(path("server.jwt.key_file", file)),
            None => JwtKey::Text(SecretString::from(value.trim().to_owned())),
        };
        Jwt {
            issuer: self.issuer,
            audience: self.audience,
            algorithm: self.algorithm,
            key,
            tenant_claim: self.tenant_claim.unwrap_or_else(|| "tenant".into()),
            scopes_claim: self.scopes_claim.unwrap_or_else(|| "scope".into()),
            groups_claim: self.groups_claim.unwrap_or_else(|| "groups".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Flags};
    use super::*;

    fn load(keys: &str) -> crate::error::Result<Config> {
        let text = format!("server: {{jwt: {{issuer: 'https://id.example', algorithm: HS256{keys}}}}}\n");
        let environment: Environment = [("ID_SECRET", "s3cret-of-the-issuer\n")].into_iter().collect();
        Config::from_text("quire.yaml", &text, &Flags::default(), &environment)
    }

    #[test]
    fn the_secret_comes_from_the_variable_and_is_never_printed() {
        let config = load(", key_env: ID_SECRET").unwrap();
        assert!(!format!("{config:?}").contains("s3cret"));
        let jwt = config.server.jwt.unwrap();
        assert_eq!(jwt.key, JwtKey::Text(SecretString::from("s3cret-of-the-issuer".to_owned())));
        assert_eq!((jwt.tenant_claim.as_str(), jwt.scopes_claim.as_str()), ("tenant", "scope"));
    }

    #[test]
    fn a_key_must_be_named_once() {
        for keys in ["", ", key_env: ID_SECRET, key_file: a.pem"] {
            let report = load(keys).unwrap_err().to_string();
            assert!(report.contains("one of key_file and key_env"), "{report}");
        }
        let report = load(", key_env: s3cret-itself").unwrap_err().to_string();
        assert!(report.contains("key_env") && !report.contains("s3cret"), "{report}");
    }
}
