//! What every door says of a page: enough to check it. Document, title, page, score, snippet, where on the page, an address of its
//! image, and one that opens the original at that page.
//!
//! It is made of a hit and of nothing else: a page that was not retrieved for the caller can't be named.

use std::collections::BTreeMap;
use std::path::Path;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::Serialize;

use super::{Links, Problem, Server};
use crate::retrieve::{Hit, Region};
use crate::types::DocumentId;

/// A page that answers a question, as clients are told of it.
#[derive(Debug, Clone, Serialize)]
pub struct CitedPage {
    /// `DOCUMENT/PAGE`: what names the page in later requests.
    pub id: String,
    pub document_id: String,
    pub title: String,
    /// 1-based.
    pub page: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_label: Option<String>,
    pub page_count: u32,
    /// How well the page answers the question, `0.0..=1.0`.
    pub score: f32,
    /// The part of the text layer nearest to the question; empty for scans.
    pub snippet: String,
    /// Where on the page the answer stands.
    pub regions: Vec<Region>,
    /// Address of the page's image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Opens the original at that page.
    pub url: String,
    /// The text layer; empty for scans.
    #[serde(skip)]
    pub text: String,
    #[serde(skip)]
    pub source: String,
    #[serde(skip)]
    pub section: Option<String>,
    #[serde(skip)]
    pub tags: BTreeMap<String, String>,
}

impl CitedPage {
    /// What a caller is told of a page that was found for him.
    pub fn of(addresses: &Addresses, hit: Hit) -> Self {
        let PageAddresses { image, original } = addresses.of(hit.document_id, hit.page, &hit.source);
        Self {
            id: format!("{}/{}", hit.document_id, hit.page),
            document_id: hit.document_id.to_string(),
            title: hit.title,
            page: hit.page,
            page_label: hit.page_label,
            page_count: hit.page_count,
            score: hit.relevance.unwrap_or(hit.score).clamp(0.0, 1.0),
            snippet: hit.snippet,
            regions: hit.regions,
            image,
            url: original,
            text: hit.detail.text,
            source: hit.source,
            section: hit.section_title,
            tags: hit.tags,
        }
    }

    /// `Pump manual, page 3`.
    pub fn name(&self) -> String {
        format!("{}, page {}", self.title, self.page)
    }

    /// What a model can read of the page: its text, or, of a scan, that it is one and where its image lies.
    pub fn readable(&self) -> String {
        if !self.text.trim().is_empty() {
            return self.text.clone();
        }
        let section = self.section.as_ref().map(|section| format!(" ({section})")).unwrap_or_default();
        let image =
            self.image.as_ref().map(|image| format!("\n\n![{}]({image})", plain(&self.name()))).unwrap_or_default();
        format!("{}{section} has no text layer: look at its image.{image}", self.name())
    }
}

/// Where a page can be looked at.
#[derive(Debug, Clone)]
pub struct PageAddresses {
    /// The page's image; None where there is no server to give it.
    pub image: Option<String>,
    /// The original, at that page.
    pub original: String,
}

/// Makes the addresses that leave the service: whole, so that they open in another program, and signed, so that they do so without
/// a key.
#[derive(Debug, Clone)]
pub enum Addresses {
    Http {
        /// `http://host:port`, without a slash at the end.
        base: String,
        links: Links,
    },
    /// There is no server: addresses are files of this machine.
    Local,
}

impl Addresses {
    pub fn of(&self, document: DocumentId, page: u32, source: &str) -> PageAddresses {
        match self {
            Self::Http { base, links } => PageAddresses {
                image: Some(format!("{base}{}", links.image(document, page))),
                original: format!("{base}{}#page={page}", links.original(document)),
            },
            Self::Local => {
                let url = if source.contains("://") { source.to_owned() } else { format!("file://{source}") };
                PageAddresses { image: None, original: format!("{}#page={page}", url.replace(' ', "%20")) }
            }
        }
    }
}

/// Where addresses begin if nothing is configured: as the client reached the server, or as the proxy before it says.
fn base_of(headers: &HeaderMap) -> String {
    let first = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        value.split(',').next().map(str::trim).filter(|value| is_plain(value)).map(str::to_owned)
    };
    let scheme = first("x-forwarded-proto").unwrap_or_else(|| "http".into());
    let host = first("x-forwarded-host").or_else(|| first(header::HOST.as_str()));
    host.map_or_else(String::new, |host| format!("{scheme}://{host}"))
}

/// What can stand in a host or a scheme: whatever else a header holds does not get into a link.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_'))
}

impl FromRequestParts<Server> for Addresses {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, Problem> {
        let public = server.app.config().server.public_url.clone();
        let base = public.unwrap_or_else(|| base_of(&parts.headers));
        Ok(Self::Http { base, links: server.links().await?.clone() })
    }
}

/// The last part of a path or URL.
pub fn file_name(source: &str) -> String {
    Path::new(source).file_name().map_or_else(|| source.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// A text that can stand between the brackets of a Markdown link.
pub fn plain(text: &str) -> String {
    text.chars().filter(|char| !matches!(char, '[' | ']' | '\n' | '\r')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(headers: &[(&'static str, &str)]) -> String {
        base_of(&headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
    }

    #[test]
    fn links_begin_where_the_client_came_in() {
        assert_eq!(base(&[("host", "127.0.0.1:6380")]), "http://127.0.0.1:6380");
        let proxied =
            [("host", "api:6380"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "docs.example.org, inner")];
        assert_eq!(base(&proxied), "https://docs.example.org");
        assert_eq!(base(&[("host", "[::1]:6380")]), "http://[::1]:6380");
    }

    #[test]
    fn nothing_else_gets_into_a_link() {
        assert_eq!(base(&[("host", "a.example/?x=")]), "");
        assert_eq!(base(&[("host", "ok:1"), ("x-forwarded-host", "evil)](http"),]), "http://ok:1");
    }

    #[test]
    fn names_of_files() {
        assert_eq!((file_name("/a/b c.pdf"), file_name("s3://bucket/x.pdf")), ("b c.pdf".into(), "x.pdf".into()));
    }
}
