//! Whether two processes were told the same. A command that was given a configuration of its own is not run by a service that
//! has another one: its output would not be what was asked for.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use super::env::{self, Environment};
use super::flags::Flags;
use super::service::Config;
use crate::error::Result;

/// Fingerprints by section.
pub type Settings = BTreeMap<String, String>;

impl Config {
    /// Fingerprints of what the commands' results depend on, by section. How fast work is done is no part of it.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn settings(flags: &Flags, environment: &Environment) -> Result<Settings> {
        // The same file is the same in every folder that it is named from.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let named = flags.config.clone().or_else(|| environment.path(env::CONFIG));
        let flags = Flags { config: named.as_deref().map(absolute), ..flags.clone() };
        let config = Self::load(&flags, environment)?;
        let sections: [(&str, &dyn Debug); 9] = [
            ("collection", &config.collection),
            ("model", &config.model),
            ("render", &config.render),
            ("render (limits)", &config.limits),
            ("store", &config.store),
            ("ledger", &config.ledger),
            ("blobs", &config.blobs),
            ("answer", &config.answer),
            ("urls", &config.urls),
        ];
        let print = |settings: &dyn Debug| blake3::hash(format!("{settings:?}").as_bytes()).to_hex().to_string();
        Ok(sections.into_iter().map(|(name, settings)| (name.to_owned(), print(settings))).collect())
    }

    /// Whether the user said which configuration counts, beyond what lies in the usual places.
    pub fn is_named(flags: &Flags, environment: &Environment) -> bool {
        let named = flags.config.is_some() || environment.path(env::CONFIG).is_some();
        named || environment.settings().next().is_some()
    }
}

/// The sections that differ.
pub fn differing(one: &Settings, other: &Settings) -> Vec<String> {
    one.iter().filter(|(name, print)| other.get(*name) != Some(print)).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let of = |variables: &[(&str, &str)]| {
            let environment: Environment = variables.iter().copied().chain([("HOME", "/nowhere")]).collect();
            (
                Config::settings(&Flags::default(), &environment).unwrap(),
                Config::is_named(&Flags::default(), &environment),
            )
        };
        let (plain, named) = of(&[]);
        assert!(!named);
        let (faster, named) = of(&[("QUIRE__WORKERS", "3")]);
        assert!(named && differing(&plain, &faster).is_empty());
        let (other, _) = of(&[("QUIRE__COLLECTION", "papers"), ("QUIRE__RENDER__DPI", "72")]);
        assert_eq!(differing(&plain, &other), ["collection", "render"]);
    }
}
