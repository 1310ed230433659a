//! Documents on the web: a list of addresses, asked one by one whether they are there and what has changed; fetched when they are
//! taken, and kept, for nobody could read them again as they were. Off unless the service configuration switches it on.
//!
//! Nothing here may reach what the user did not allow: every address, of a list or of a redirect, is checked as it is written
//! ([`address`]), and the machine that it leads to when it is connected to ([`client`]). What a server says of its documents decides
//! nothing but whether to fetch them: what they are, the renderer sees.

mod address;
mod client;
mod lists;
mod memory;
mod reach;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use reqwest::header::{CONTENT_ENCODING, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use tokio::time::timeout;

use self::address::Address;
use self::client::{Clients, Lookup};
pub use self::lists::ListName;
use self::lists::{Compared, Lists};
use self::memory::{Memory, Remembered, Validators};
use super::discover::{Discover, Discovery, SourceFile};
use super::prune::WalkedRoot;
use super::snapshot::{Snapshot, receive};
use super::uri::{percent_byte, unescaped};
use crate::config;
use crate::error::{Error, Result, io_error};
use crate::telemetry::is_unsafe;
use crate::types::{ContentHash, SourceRef};

/// Documents asked for or fetched at once, however many hosts they lie on.
pub const AT_ONCE: usize = 4;
/// Addresses of one source. More are a crawl.
const MAX_ADDRESSES: usize = 10_000;
/// Of a file with addresses.
const MAX_LIST_BYTES: u64 = 16 << 20;
/// Longest name of a document, in characters.
const MAX_NAME: usize = 120;
/// Longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Documents on the web.
pub struct Web {
    settings: config::Urls,
    lookup: Lookup,
    /// Set up when something is first asked.
    clients: OnceLock<Result<Clients>>,
    memory: Arc<Memory>,
    lists: Arc<Lists>,
}

/// A document as it was sent.
#[derive(Debug)]
pub struct Fetched {
    pub copy: Snapshot,
    validators: Validators,
}

impl Fetched {
    /// How to know it again.
    pub fn version(&self) -> Remembered {
        Remembered { validators: self.validators.clone(), content_hash: self.copy.content_hash.clone() }
    }
}

/// What a server says of a document.
enum Answer {
    Sent(Response),
    Unchanged,
    Gone(StatusCode),
}

/// What a document looks like from afar.
enum Look {
    There { size_bytes: u64, version: Option<ContentHash> },
    Gone(StatusCode),
}

impl Web {
    /// `memory`: the file in which versions are remembered; `lists`: that in which lists are.
    pub fn new(settings: config::Urls, memory: Option<PathBuf>, lists: Option<PathBuf>) -> Self {
        Self { lists: Arc::new(Lists::new(lists)), ..Self::with_lookup(settings, memory, client::system()) }
    }

    fn with_lookup(settings: config::Urls, memory: Option<PathBuf>, lookup: Lookup) -> Self {
        let (memory, lists) = (Arc::new(Memory::new(memory)), Arc::new(Lists::new(None)));
        Self { settings, lookup, clients: OnceLock::new(), memory, lists }
    }

    /// Asks for every document of `addresses` and of the lists that `options` names, without fetching any. One that says that it is
    /// gone is named as such; of one that can't be asked nothing is known. Where they are all that a pipeline's list names, what it named
    /// before is taken off.
    ///
    /// # Errors
    /// Configuration: it is switched off, there are too many, or a list can't be read.
    pub async fn discover(&self, addresses: &[String], options: &Discover) -> Result<Discovery> {
        self.check_enabled()?;
        let mut written: Vec<(String, String)> =
            addresses.iter().map(|text| (address::shown(text), text.clone())).collect();
        for list in &options.url_lists {
            let path = list.clone();
            let lines = tokio::task::spawn_blocking(move || read_list(&path)).await;
            written.extend(lines.map_err(|error| Error::bug("reading a list panicked").with_source(error))??);
        }
        if written.len() > MAX_ADDRESSES {
            let found = written.len();
            return Err(Error::configuration(format!(
                "{found} addresses are listed: at most {MAX_ADDRESSES} are expected"
            )));
        }
        let mut discovery = Discovery::default();
        let (mut meant, mut named) = (BTreeMap::new(), BTreeSet::new());
        for (place, text) in written {
            // One that may not be asked any more is listed all the same.
            named.extend(address::uri(&text));
            match Address::parse(&text, &self.settings) {
                Ok(address) => drop(meant.insert(address.url.to_string(), address)),
                Err(error) => discovery.problems.push((PathBuf::from(place), error)),
            }
        }
        self.remembering(Memory::load).await?;
        let mut looks = stream::iter(meant)
            .map(|(uri, address)| async move { (self.look(&uri, address).await, uri) })
            .buffered(AT_ONCE);
        while let Some((look, uri)) = looks.next().await {
            match look {
                Ok(Look::There { size_bytes, version }) => {
                    let (path, name) = (PathBuf::from(&uri), url_name(&uri));
                    let source = SourceRef { uri, name };
                    discovery.files.push(SourceFile { real: path.clone(), path, source, size_bytes, version });
                }
                Ok(Look::Gone(status)) => discovery.gone.push((uri, format!("the server says {status}"))),
                Err(error) => {
                    discovery.problems.push((PathBuf::from(&uri), error));
                    discovery.left_out.push(uri);
                }
            }
        }
        let Some(list) = &options.list else {
            discovery.roots = roots_of(&discovery);
            return Ok(discovery);
        };
        let Compared { ever, taken_off } = self.read_list(list.clone(), named).await?;
        let (files, problems) = (discovery.files.len(), discovery.left_out.len());
        discovery.roots.push(WalkedRoot { uri: list.to_string(), device: 0, files, problems, listed: Some(ever) });
        discovery.taken_off = taken_off;
        Ok(discovery)
    }

    /// A private copy of a document, as it is sent now.
    ///
    /// # Errors
    /// - Permanent, the document's fault: larger than `max_bytes` (limit `max_document_bytes`), or at an address that may not be asked.
    /// - Transient: it is gone, or its server is away, refuses us or takes too long; the spool folder can't be written.
    pub async fn fetch(&self, uri: &str, spool_folder: &Path, max_bytes: u64) -> Result<Fetched> {
        self.check_enabled()?;
        let address = Address::parse(uri, &self.settings)?;
        let fetching = async {
            let response = match self.ask(uri, address, None).await? {
                Answer::Sent(response) => response,
                Answer::Gone(status) => {
                    return Err(Error::transient(format!("{uri} is gone: the server says {status}")));
                }
                Answer::Unchanged => return Err(Error::transient(format!("{uri} is said to be unchanged, unasked"))),
            };
            check_size(uri, response.content_length().unwrap_or(0), max_bytes)?;
            let packed = response.headers().get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity");
            if let Some(encoding) = packed {
                return Err(Error::permanent(format!("{uri} was sent packed ({encoding:?}), which nobody asked for")));
            }
            let validators = Validators::of(response.headers());
            let pieces = response.bytes_stream().map_err(|error| failed(uri, error));
            let copy = receive(pieces, spool_folder, max_bytes).await.map_err(|error| error.context(uri))?;
            Ok(Fetched { copy, validators })
        };
        timeout(self.settings.timeout, fetching).await.unwrap_or_else(|_| Err(self.too_slow(uri)))
    }

    /// The next look at a document compares with this version.
    pub fn remember(&self, uri: &str, version: Remembered) {
        self.memory.put(uri, version);
    }

    /// A collection holds no documents of these addresses, which were taken off, any more.
    ///
    /// # Errors
    /// The data folder can't be written.
    pub async fn forget(&self, collection: &str, addresses: BTreeSet<String>) -> Result<()> {
        let (lists, collection) = (self.lists.clone(), collection.to_owned());
        tokio::task::spawn_blocking(move || lists.forget(&collection, &addresses))
            .await
            .map_err(|error| Error::bug("forgetting addresses panicked").with_source(error))?
    }

    async fn read_list(&self, list: ListName, now: BTreeSet<String>) -> Result<Compared> {
        let lists = self.lists.clone();
        tokio::task::spawn_blocking(move || lists.compare(&list, now))
            .await
            .map_err(|error| Error::bug("comparing a list panicked").with_source(error))?
    }

    /// What was remembered outlives the process.
    ///
    /// # Errors
    /// The data folder can't be written.
    pub async fn save(&self) -> Result<()> {
        self.remembering(Memory::save).await
    }

    async fn look(&self, uri: &str, address: Address) -> Result<Look> {
        let before = self.memory.get(uri);
        let validators = before.as_ref().map(|known| &known.validators);
        let asking = self.ask(uri, address, validators);
        let answer = timeout(self.settings.timeout, asking).await.unwrap_or_else(|_| Err(self.too_slow(uri)))?;
        Ok(match answer {
            Answer::Gone(status) => Look::Gone(status),
            Answer::Unchanged => Look::There { size_bytes: 0, version: before.map(|known| known.content_hash) },
            // Its body is not read.
            Answer::Sent(response) => {
                let size_bytes = response.content_length().unwrap_or(0);
                let same =
                    before.filter(|known| is_strong(known) && Validators::of(response.headers()) == known.validators);
                Look::There { size_bytes, version: same.map(|known| known.content_hash) }
            }
        })
    }

    /// Asks, and follows where that leads.
    async fn ask(&self, uri: &str, mut address: Address, before: Option<&Validators>) -> Result<Answer> {
        let clients = self.clients.get_or_init(|| Clients::new(&self.lookup)).as_ref().map_err(Error::duplicate)?;
        for _ in 0..=self.settings.max_redirects {
            let request = clients.get(&address).headers(conditions(before));
            let response = request.send().await.map_err(|error| failed(uri, error))?;
            let status = response.status();
            match status {
                StatusCode::OK => return Ok(Answer::Sent(response)),
                StatusCode::NOT_MODIFIED if before.is_some() => return Ok(Answer::Unchanged),
                StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Answer::Gone(status)),
                _ if is_redirect(status) => {
                    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                    let location = location.ok_or_else(|| Error::transient(format!("{uri} is redirected nowhere")))?;
                    address = address
                        .redirected(location, &self.settings)
                        .map_err(|error| error.context(format!("{uri} is redirected to where nothing is fetched")))?;
                }
                _ => return Err(refused(uri, &response)),
            }
        }
        let most = self.settings.max_redirects;
        Err(Error::permanent(format!("{uri} is redirected more than {most} times (urls.max_redirects)")))
    }

    fn too_slow(&self, uri: &str) -> Error {
        Error::transient(format!("{uri} took longer than {} s (urls.timeout_s)", self.settings.timeout.as_secs()))
    }

    fn check_enabled(&self) -> Result<()> {
        if self.settings.enabled {
            return Ok(());
        }
        Err(Error::configuration(
            "documents are not fetched from the web unless the service configuration says so: `urls: {enabled: true}`",
        ))
    }

    async fn remembering(&self, work: fn(&Memory) -> Result<()>) -> Result<()> {
        let memory = self.memory.clone();
        tokio::task::spawn_blocking(move || work(&memory))
            .await
            .map_err(|error| Error::bug("remembering versions panicked").with_source(error))?
    }
}

/// Addresses that somebody named one by one are the whole web's, by scheme.
fn roots_of(discovery: &Discovery) -> Vec<WalkedRoot> {
    let root = |scheme: &str| {
        let of_it = |uri: &str| uri.starts_with(scheme);
        let files = discovery.files.iter().filter(|file| of_it(&file.source.uri)).count();
        let problems = discovery.left_out.iter().filter(|uri| of_it(uri)).count();
        let is_meant = files + problems > 0 || discovery.gone.iter().any(|(uri, _)| of_it(uri));
        is_meant.then(|| WalkedRoot { uri: scheme.to_owned(), device: 0, files, problems, listed: None })
    };
    ["https://", "http://"].into_iter().filter_map(root).collect()
}

fn conditions(before: Option<&Validators>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(before) = before else { return headers };
    let conditions = [(IF_NONE_MATCH, &before.etag), (IF_MODIFIED_SINCE, &before.last_modified)];
    for (name, value) in conditions {
        if let Some(Ok(value)) = value.as_ref().map(|value| value.parse()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// A weak ETag says that versions are alike, not that they are the same.
fn is_strong(known: &Remembered) -> bool {
    known.validators.etag.as_ref().is_some_and(|etag| !etag.starts_with("W/"))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn refused(uri: &str, response: &Response) -> Error {
    let status = response.status();
    let message = format!("{uri} can't be had now: the server says {status}");
    let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
        return Error::transient_after(message, wait.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT)));
    }
    Error::configuration(message)
}

fn failed(uri: &str, error: reqwest::Error) -> Error {
    match client::refused(&error) {
        Some(refusal) => refusal,
        None => Error::transient(format!("cannot fetch {uri}")).with_source(error.without_url()),
    }
}

fn check_size(uri: &str, size: u64, max_bytes: u64) -> Result<()> {
    if size <= max_bytes {
        return Ok(());
    }
    let message = format!("{uri} is {size} bytes large, more than the {max_bytes} allowed (max_document_bytes)");
    Err(Error::permanent(message).at_limit("max_document_bytes", max_bytes))
}

/// Place and text of each address in a file: one a line, `#` before remarks. Blocks.
fn read_list(path: &Path) -> Result<Vec<(String, String)>> {
    let unreadable = |error| io_error("read the list", path, error);
    if path.metadata().map_err(unreadable)?.len() > MAX_LIST_BYTES {
        return Err(Error::configuration(format!("{} is larger than {MAX_LIST_BYTES} bytes", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let meant = |(number, line): (usize, &str)| {
        let line = line.trim_start_matches('\u{feff}').trim();
        // In an address a '#' stands behind something.
        let end = line.match_indices('#').find(|(at, _)| line[..*at].ends_with([' ', '\t']) || *at == 0);
        let line = end.map_or(line, |(at, _)| line[..at].trim_end());
        (!line.is_empty()).then(|| (format!("{}:{}", path.display(), number + 1), line.to_owned()))
    };
    Ok(text.lines().enumerate().filter_map(meant).collect())
}

/// What people call a document on the web: the last part of its path, else its host.
pub fn url_name(uri: &str) -> String {
    let Ok(url) = Url::parse(uri) else { return uri.to_owned() };
    let last = url.path_segments().and_then(|mut parts| parts.rfind(|part| !part.is_empty()));
    // An escaped slash is one.
    let decoded = unescaped(last.unwrap_or_default(), percent_byte);
    let decoded = String::from_utf8_lossy(&decoded);
    let last = decoded.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|char| !is_unsafe(*char) && !char.is_control()).collect();
    if plain.trim().is_empty() {
        return url.host_str().unwrap_or(uri).to_owned();
    }
    // Its ending says what kind of file it is.
    let skipped = plain.chars().count().saturating_sub(MAX_NAME);
    plain.chars().skip(skipped).collect()
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
