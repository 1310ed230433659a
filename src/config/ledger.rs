//! `ledger`: where documents and jobs are written down.

use std::fmt;

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::report::Mistakes;
use super::tree::Node;

/// Where documents and jobs are written down.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    /// None: in a file of the data folder, for one process.
    pub url: Option<LedgerUrl>,
    /// Most connections of one process to the server.
    pub connections: u32,
}

impl Default for Ledger {
    fn default() -> Self {
        LedgerWire::default().into_ledger()
    }
}

/// Address of a PostgreSQL database, with the password if it holds one: never printed.
#[derive(Clone)]
pub struct LedgerUrl(SecretString);

impl LedgerUrl {
    pub fn new(url: impl Into<String>) -> Self {
        Self(SecretString::from(url.into()))
    }

    /// The whole address, for whoever connects.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for LedgerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerUrl(hidden)")
    }
}

impl PartialEq for LedgerUrl {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

/// Where documents and jobs are written down. Only from a file that the user chose.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Ledger")]
pub(super) struct LedgerWire {
    /// PostgreSQL database that any number of processes share: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`.
    /// Without it documents and jobs are in a file of the data folder.
    #[schemars(length(min = 1, max = 4096))]
    url: Option<String>,
    /// Most connections of one process to the server; some are kept while others are asked for.
    #[schemars(range(min = 8, max = 1000))]
    connections: u32,
}

impl Default for LedgerWire {
    fn default() -> Self {
        Self { url: None, connections: 8 }
    }
}

impl fmt::Debug for LedgerWire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerWire(hidden)")
    }
}

impl LedgerWire {
    /// What the schema can't say. What is wrong is described, not repeated: it may hold a password.
    pub(super) fn check(&self, root: &Node, mistakes: &mut Mistakes) {
        const PATH: &str = "ledger.url";
        let Some(url) = &self.url else { return };
        let found = match reqwest::Url::parse(url) {
            Ok(parsed) if ["postgres", "postgresql"].contains(&parsed.scheme()) => return,
            Ok(parsed) => format!("an address of the kind {}://", parsed.scheme()),
            Err(error) => format!("no address ({error})"),
        };
        mistakes.add(
            root.locate(PATH),
            PATH,
            format!("found {found}, the address of a PostgreSQL database is expected: postgres://USER@HOST/DATABASE"),
        );
    }

    pub(super) fn into_ledger(self) -> Ledger {
        Ledger { url: self.url.map(LedgerUrl::new), connections: self.connections }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::Flags;
    use super::super::service::Config;
    use crate::config::Environment;

    const SECRET: &str = "s3cret";

    fn load(url: &str) -> crate::error::Result<Config> {
        let text = format!("ledger: {{url: '{url}'}}\n");
        Config::from_text("quire.yaml", &text, &Flags::default(), &Environment::default())
    }

    #[test]
    fn the_address_is_kept_and_never_printed() {
        let url = format!("postgres://someone:{SECRET}@db.example:5433/quire?sslmode=require");
        let config = load(&url).unwrap();
        assert_eq!(config.ledger.url.as_ref().unwrap().expose(), url);
        assert!(!format!("{config:?}").contains(SECRET));
        let variable: Environment = [("QUIRE__LEDGER__URL", url.as_str())].into_iter().collect();
        let config = Config::from_text("quire.yaml", "", &Flags::default(), &variable).unwrap();
        assert_eq!(config.ledger.url.unwrap().expose(), url);
    }

    #[test]
    fn another_kind_of_address_is_refused_without_repeating_it() {
        for url in [format!("mysql://someone:{SECRET}@db/quire"), format!("{SECRET}@db/quire"), SECRET.into()] {
            let error = load(&url).unwrap_err().to_string();
            assert!(error.contains("quire.yaml:1:15: ledger.url: found "), "{error}");
            assert!(error.contains("postgres://USER@HOST/DATABASE") && !error.contains(SECRET), "{error}");
        }
    }
}
