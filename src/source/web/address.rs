//! An address on the web that may be asked: read strictly, held against what the service configuration allows. Whoever lists an
//! address, and whoever redirects to one, passes through here.

use std::net::IpAddr;

use reqwest::Url;

use super::reach::{Reach, reach};
use crate::config;
use crate::error::{Error, Result};
use crate::telemetry::visible_line;

/// Longer ones are no document's.
const MAX_BYTES: usize = 4_096;
/// Characters of one that is no address, for people.
const SHOWN: usize = 200;

/// What a document at this address is known by, whether or not it may be asked for; None: it is no address.
pub fn uri(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    url.set_fragment(None);
    Some(url.to_string())
}

/// An address that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub url: Url,
    /// The user named its host as one that may lie in a private network.
    pub private: bool,
}

impl Address {
    /// Reads an address as somebody wrote it. What people and programs could read differently is refused, not guessed.
    ///
    /// # Errors
    /// Permanent: it is no address of a document, or not one that may be asked.
    pub fn parse(text: &str, settings: &config::Urls) -> Result<Self> {
        let refused = |reason: &str| Err(refusal(text, reason));
        if text.len() > MAX_BYTES {
            return refused(&format!("it is longer than {MAX_BYTES} bytes"));
        }
        if text.chars().any(|char| char.is_whitespace() || char.is_control() || char == '\\') {
            return refused("it holds a blank, a control character or a backslash: write them as %20 and so on");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return refused("https://HOST/PATH is expected");
        };
        if !["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return refused("https://HOST/PATH is expected");
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return refused("it names no host");
        }
        if authority.contains('@') {
            return refused("it holds the name or password of a user: documents are fetched without");
        }
        match Url::parse(text) {
            Ok(url) => Self::of(url, settings),
            Err(error) => refused(&error.to_string()),
        }
    }

    /// Where a redirect leads.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn redirected(&self, location: &str, settings: &config::Urls) -> Result<Self> {
        match self.url.join(location) {
            Ok(url) => Self::of(url, settings),
            Err(error) => Err(refusal(location, &error.to_string())),
        }
    }

    fn of(mut url: Url, settings: &config::Urls) -> Result<Self> {
        let refused = |reason: &str| Err(refusal(url.as_str(), reason));
        match url.scheme() {
            "https" => {}
            "http" if settings.http => {}
            "http" => return refused("it is not encrypted: https:// is expected, or `urls.http: true`"),
            _ => return refused("https://HOST/PATH is expected"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused("it holds the name or password of a user: documents are fetched without");
        }
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return refused("it names no host");
        };
        if host.ends_with('.') {
            return refused("its host ends with a dot: write it without");
        }
        let named = |hosts: &[config::Host]| hosts.iter().any(|known| known.is(host, url.port()));
        let private = named(&settings.private_hosts);
        if !private && !named(&settings.hosts) {
            if !settings.hosts.is_empty() {
                return refused("its host is none of `urls.hosts`");
            }
            if url.port().is_some() {
                return refused("its port is neither that of https nor that of http: name it in `urls.hosts`");
            }
        }
        // Only names are looked up, and checked then: see `client`.
        if let Some(literal) = literal(host) {
            may_be_reached(literal, private).map_err(|reason| refusal(url.as_str(), &reason))?;
        }
        url.set_fragment(None);
        Ok(Self { url, private })
    }
}

/// The address that a host is written as; None: a name.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether this may be connected to, for a host that may or may not be private; else why not.
pub fn may_be_reached(address: IpAddr, private: bool) -> Result<(), String> {
    match reach(address) {
        Reach::Public => Ok(()),
        Reach::Private(_) if private => Ok(()),
        Reach::Private(what) => Err(format!("{address} is {what}: only hosts of `urls.private_hosts` may lie there")),
        Reach::Never(what) => Err(format!("{address} is {what}: nothing is fetched from there")),
    }
}

/// What is not asked, and why.
fn refusal(text: &str, reason: &str) -> Error {
    Error::permanent(format!("{} is not fetched: {reason}", shown(text)))
}

/// An address for people, who may have written anything: on one line, without the name and password of a user.
pub fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    let shown = match (cut.split_once("://"), cut.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, behind))) => format!("{scheme}://...@{behind}"),
        _ => cut,
    };
    visible_line(&shown).into_owned()
}
