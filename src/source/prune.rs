//! Which documents go because their files are gone, and when that is refused: an index must not be emptied because a share
//! was not mounted, a folder renamed, or a path mistyped.
//!
//! Deciding is a pure function, [`decide`]; what it has to know of earlier ingests is in [`Roots`], a small file in the data
//! folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::uri::{attachment_of, is_remote, outermost, source_path};
use crate::durable::durable_write;
use crate::error::{Error, Result, io_error};
use crate::types::{DocumentId, UPLOADED};

/// A root may lose so many documents without a question...
const UNASKED_DOCUMENTS: usize = 10;
/// ...and so many of a hundred.
const UNASKED_PERCENT: usize = 20;
/// Of so many a refusal gives the names.
const NAMED: usize = 5;
/// What the user says to have it done all the same.
const FLAG: &str = "--prune-anyway";

/// A folder or prefix of a bucket that somebody named and that was walked, or a list of addresses that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkedRoot {
    /// Its path as a source URI, with every link resolved; what people call a list.
    pub uri: String,
    /// The file system that it lies on.
    pub device: u64,
    /// Files that are meant, found in it and below.
    pub files: usize,
    /// Files and folders in it that could not be looked at.
    pub problems: usize,
    /// Addresses that a list names or has named; None: it is no list.
    pub listed: Option<BTreeSet<String>>,
}

impl WalkedRoot {
    /// Whether a source belongs to it: lies in it or below, or inside a document that its list names.
    pub fn holds(&self, uri: &str) -> bool {
        match &self.listed {
            Some(listed) => listed.contains(outermost(uri)),
            None => is_below(uri, &self.uri),
        }
    }
}

/// A document that a collection holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDocument {
    pub document: DocumentId,
    pub uri: String,
}

/// The documents of `known` (all that the collection holds) that are to be deleted: those below a root whose file is `gone`.
/// Nothing is looked up here; [`is_gone`] is what `gone` asks last, for files that the walk did not find. What lies below no
/// root stays: a folder that is missing altogether is no root, and prunes nothing. `anyway` is the user's word that all of
/// it is meant.
///
/// # Errors
/// Configuration, and nothing is to be deleted, when a root that would lose documents yielded nothing, lies on another device
/// than at the last ingest into this collection, or would lose more than 20 % of its documents and more than 10. Names every
/// such root, what would go, and the flag that allows it.
pub fn decide(
    collection: &str,
    roots: &[WalkedRoot],
    known: &[KnownDocument],
    gone: impl Fn(&str) -> bool,
    before: &Roots,
    anyway: bool,
) -> Result<Vec<DocumentId>> {
    let mut losing = BTreeMap::new();
    let mut refusals = Vec::new();
    for root in roots {
        let below: Vec<&KnownDocument> = known.iter().filter(|document| root.holds(&document.uri)).collect();
        let lost: Vec<&KnownDocument> = below.iter().copied().filter(|document| gone(&document.uri)).collect();
        if lost.is_empty() {
            continue;
        }
        let doubts = doubts(root, below.len(), lost.len(), before.device(collection, &root.uri));
        if !doubts.is_empty() {
            refusals.push(format!("{}: {}; {}", root.uri, doubts.join(", and "), what_would_go(below.len(), &lost)));
        }
        losing.extend(lost.into_iter().map(|document| (document.uri.as_str(), document.document)));
    }
    if refusals.is_empty() || anyway {
        return Ok(losing.into_values().collect());
    }
    Err(Error::configuration(format!(
        "pruning was refused, nothing was deleted: {}. Check that it is the right place and that all of it can be reached (is its \
         share mounted?); if all of this is meant to go, say {FLAG}",
        refusals.join("; ")
    )))
}

/// Why a loss may not be meant.
fn doubts(root: &WalkedRoot, documents: usize, lost: usize, device_before: Option<u64>) -> Vec<String> {
    let mut doubts = Vec::new();
    if root.files == 0 {
        let unreadable = match root.problems {
            0 => String::new(),
            problems => format!(" ({problems} places in it could not be read)"),
        };
        doubts.push(format!("no document was found in it{unreadable}"));
    }
    if device_before.is_some_and(|before| before != root.device) {
        doubts.push("it lies on another device than when it was last ingested".to_owned());
    }
    if lost > UNASKED_DOCUMENTS && lost * 100 > documents * UNASKED_PERCENT {
        doubts
            .push(format!("more than {UNASKED_PERCENT} % and more than {UNASKED_DOCUMENTS} of its documents are gone"));
    }
    doubts
}

/// `4 of its 20 documents would go: /a.pdf, /b.pdf and 2 more`
fn what_would_go(documents: usize, lost: &[&KnownDocument]) -> String {
    let mut uris: Vec<&str> = lost.iter().map(|document| document.uri.as_str()).collect();
    uris.sort_unstable();
    let more = match uris.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    uris.truncate(NAMED);
    format!("{} of its {documents} documents would go: {}{more}", lost.len(), uris.join(", "))
}

/// Whether a source lies in a folder or below.
fn is_below(uri: &str, folder: &str) -> bool {
    uri.strip_prefix(folder.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a file is certainly gone: one that can't be looked at may still be there. Blocks.
pub fn is_gone(uri: &str) -> bool {
    // Nobody asked the bucket or the web, and uploads have no file.
    if uri.starts_with(UPLOADED) || is_remote(uri) {
        return false;
    }
    let is_missing = |uri: &str| matches!(source_path(uri).try_exists(), Ok(false));
    is_missing(uri) && attachment_of(uri).is_none_or(|(around, _)| is_gone(around))
}

/// Where a folder lay when it was last ingested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootRecord {
    pub collection: String,
    pub root_uri: String,
    /// The number of its file system. Those of network shares may change when they are mounted anew: that costs a question
    /// too many, never a document.
    pub device: u64,
}

/// The folders that were ingested, and where they lay: `roots.json` in the data folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    roots: Vec<RootRecord>,
}

impl Roots {
    /// Reads the file; a missing one holds nothing. Blocks.
    ///
    /// # Errors
    /// Configuration, when it holds something else than what was written to it.
    pub fn load(path: &Path) -> Result<Self> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(io_error("read", path, error)),
        };
        serde_json::from_slice(&text).map_err(|error| {
            Error::configuration(format!(
                "{} does not hold what Quire wrote: delete it, and folders count as never seen before",
                path.display()
            ))
            .with_source(error)
        })
    }

    /// Writes the file durably. Blocks.
    ///
    /// # Errors
    /// When the data folder can't be written: a dependency's fault.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::bug("the folders that were ingested can't be written as JSON").with_source(error)
        })?;
        durable_write(path, &text)
    }

    /// Remembers where roots lie now; true when that is news. One that yielded nothing keeps its place: it may be away.
    pub fn remember(&mut self, collection: &str, walked: &[WalkedRoot]) -> bool {
        let before = self.clone();
        for root in walked.iter().filter(|root| root.files > 0) {
            self.roots.retain(|record| !(record.collection == collection && record.root_uri == root.uri));
            self.roots.push(RootRecord {
                collection: collection.to_owned(),
                root_uri: root.uri.clone(),
                device: root.device,
            });
        }
        self.roots.sort_by(|a, b| (&a.collection, &a.root_uri).cmp(&(&b.collection, &b.root_uri)));
        *self != before
    }

    /// The root of a document, when it is away: gone, or on another device than when it was ingested. A mount point without
    /// its share is a folder like any other, and a file that is missing there is not the document's fault. Blocks.
    pub fn away(&self, collection: &str, uri: &str) -> Option<PathBuf> {
        if is_remote(uri) {
            return None;
        }
        let held = |record: &&RootRecord| record.collection == collection && is_below(uri, &record.root_uri);
        let moved = |record: &RootRecord| {
            let root = source_path(&record.root_uri);
            let here = root.metadata().is_ok_and(|metadata| metadata.dev() == record.device);
            (!here).then_some(root)
        };
        self.roots.iter().filter(held).find_map(moved)
    }

    fn device(&self, collection: &str, root_uri: &str) -> Option<u64> {
        let mut records = self.roots.iter();
        records
            .find(|record| record.collection == collection && record.root_uri == root_uri)
            .map(|record| record.device)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::error::Kind;
    use crate::types::Tenant;

    const COLLECTION: &str = "documents";

    fn id(uri: &str) -> DocumentId {
        DocumentId::new(&Tenant("acme".into()), COLLECTION, uri)
    }

    fn known(uris: impl IntoIterator<Item = String>) -> Vec<KnownDocument> {
        uris.into_iter().map(|uri| KnownDocument { document: id(&uri), uri }).collect()
    }

    /// `/docs/000.pdf` and so on.
    fn numbered(count: usize) -> Vec<KnownDocument> {
        known((0..count).map(|number| format!("/docs/{number:03}.pdf")))
    }

    fn root(uri: &str, files: usize) -> WalkedRoot {
        WalkedRoot { uri: uri.into(), device: 1, files, problems: 0, listed: None }
    }

    /// Of `documents` in `/docs`, the first `lost` are gone.
    fn lose(lost: usize, documents: usize, before: &Roots, anyway: bool) -> Result<Vec<DocumentId>> {
        let gone = move |uri: &str| uri < format!("/docs/{lost:03}").as_str();
        decide(COLLECTION, &[root("/docs", documents - lost)], &numbered(documents), gone, before, anyway)
    }

    #[test]
    fn what_is_gone_goes() {
        assert_eq!(lose(2, 5, &Roots::default(), false).unwrap(), [id("/docs/000.pdf"), id("/docs/001.pdf")]);
        assert!(lose(0, 5, &Roots::default(), false).unwrap().is_empty());
    }

    #[test]
    fn a_root_that_yields_nothing_is_refused() {
        let refused = lose(3, 3, &Roots::default(), false).unwrap_err();
        assert_eq!(refused.kind(), Kind::Configuration);
        let text = refused.to_string();
        for part in
            ["/docs: no document was found in it;", "3 of its 3 documents", "/docs/000.pdf, /docs/001.pdf", FLAG]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(lose(3, 3, &Roots::default(), true).unwrap().len(), 3, "the user's word");
        let unread = WalkedRoot { problems: 2, ..root("/docs", 0) };
        let refused = decide(COLLECTION, &[unread], &numbered(1), |_| true, &Roots::default(), false).unwrap_err();
        assert!(refused.to_string().contains("2 places in it could not be read"), "{refused}");
    }

    #[test]
    fn an_empty_root_that_loses_nothing_is_no_matter() {
        let decided = decide(COLLECTION, &[root("/docs", 0)], &[], |_| true, &Roots::default(), false);
        assert!(decided.unwrap().is_empty());
        let elsewhere = known(["/other/a.pdf".to_owned()]);
        let decided = decide(COLLECTION, &[root("/docs", 0)], &elsewhere, |_| true, &Roots::default(), false);
        assert!(decided.unwrap().is_empty());
    }

    #[test]
    fn a_loss_of_many_is_refused_only_above_both_thresholds() {
        for (lost, documents, allowed) in [
            (10, 11, true),  // nearly all, but few
            (11, 54, false), // more than 10, and 20.4 %
            (11, 55, true),  // 20 % exactly
            (20, 100, true),
            (21, 100, false),
            (10, 100, true),
            (100, 999, true),
        ] {
            let decided = lose(lost, documents, &Roots::default(), false);
            assert_eq!(decided.is_ok(), allowed, "{lost} of {documents}: {decided:?}");
            assert_eq!(lose(lost, documents, &Roots::default(), true).unwrap().len(), lost);
        }
        let text = lose(21, 100, &Roots::default(), false).unwrap_err().to_string();
        assert!(
            text.contains("21 of its 100 documents would go") && text.contains("/docs/004.pdf and 16 more"),
            "{text}"
        );
        assert!(!text.contains("/docs/005.pdf"), "{text}");
    }

    #[test]
    fn a_list_loses_what_it_named_with_the_same_questions() {
        let uris = ["https://a/1.pdf", "https://a/2.zip", "https://a/2.zip#attachment=b.pdf", "https://a/3.pdf"];
        let documents = known(uris.map(str::to_owned));
        let listed = Some(["https://a/1.pdf", "https://a/2.zip"].map(str::to_owned).into());
        let list = |files| WalkedRoot { listed: listed.clone(), ..root("the list of pipeline web", files) };
        let gone = |uri: &str| uri.contains("/2.zip");
        let lost = decide(COLLECTION, &[list(1)], &documents, gone, &Roots::default(), false).unwrap();
        assert_eq!(lost, [id(uris[1]), id(uris[2])], "what was inside goes with it, what was never listed stays");
        let text = decide(COLLECTION, &[list(0)], &documents, gone, &Roots::default(), false).unwrap_err().to_string();
        assert!(text.contains("the list of pipeline web: no document was found in it; 2 of its 3 documents"), "{text}");
    }

    #[test]
    fn another_device_than_before_is_refused() {
        let mut before = Roots::default();
        assert!(before.remember(COLLECTION, &[WalkedRoot { device: 7, ..root("/docs", 5) }]));
        let text = lose(1, 5, &before, false).unwrap_err().to_string();
        assert!(text.contains("another device") && text.contains("1 of its 5 documents"), "{text}");
        assert_eq!(lose(1, 5, &before, true).unwrap().len(), 1);
        assert!(lose(0, 5, &before, false).unwrap().is_empty(), "nothing would go");
        before.remember(COLLECTION, &[root("/docs", 5)]);
        assert_eq!(lose(1, 5, &before, false).unwrap().len(), 1, "the same device as before");
        before.remember("another", &[WalkedRoot { device: 7, ..root("/docs", 5) }]);
        assert_eq!(lose(1, 5, &before, false).unwrap().len(), 1, "each collection has its own memory");
    }

    #[test]
    fn one_root_in_doubt_keeps_all_and_each_is_named() {
        let mut documents = numbered(4);
        documents.extend(known(["/more/a.pdf".to_owned(), "/fine/a.pdf".to_owned()]));
        let roots = [root("/docs", 0), root("/more", 0), root("/fine", 8)];
        let text = decide(COLLECTION, &roots, &documents, |_| true, &Roots::default(), false).unwrap_err().to_string();
        assert!(text.contains("/docs: ") && text.contains("/more: ") && !text.contains("/fine: "), "{text}");
        assert_eq!(decide(COLLECTION, &roots, &documents, |_| true, &Roots::default(), true).unwrap().len(), 6);
    }

    #[test]
    fn only_what_lies_below_a_root_goes_and_once() {
        let uris = ["/docs/a.pdf", "/docs/deep/b.pdf", "/docs2/c.pdf", "/docs", "https://host/docs/d.pdf"];
        let documents = known(uris.map(str::to_owned));
        let roots = [root("/docs/", 1), root("/docs/deep", 1)];
        let lost = decide(COLLECTION, &roots, &documents, |_| true, &Roots::default(), false).unwrap();
        assert_eq!(lost, [id("/docs/a.pdf"), id("/docs/deep/b.pdf")]);
        let all = decide(COLLECTION, &[root("/", 1)], &documents, |_| true, &Roots::default(), false).unwrap();
        assert_eq!(all.len(), 4);
        assert!(decide(COLLECTION, &[], &documents, |_| true, &Roots::default(), true).unwrap().is_empty(), "no root");
    }

    #[test]
    fn roots_are_remembered_across_runs() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("roots.json");
        let mut roots = Roots::load(&path).unwrap();
        assert_eq!(roots, Roots::default());
        assert!(roots.remember(COLLECTION, &[root("/docs", 1), root("/empty", 0)]));
        assert!(!roots.remember(COLLECTION, &[root("/docs", 2)]), "no news");
        roots.save(&path).unwrap();
        let read = Roots::load(&path).unwrap();
        assert_eq!(read, roots);
        assert_eq!((read.device(COLLECTION, "/docs"), read.device(COLLECTION, "/empty")), (Some(1), None));
        fs::write(&path, "{").unwrap();
        let broken = Roots::load(&path).unwrap_err();
        assert_eq!(broken.kind(), Kind::Configuration);
        assert!(broken.to_string().contains("roots.json"), "{broken}");
    }

    #[test]
    fn a_root_that_is_away_is_told_from_a_file_that_is_gone() {
        let folder = TempDir::new().unwrap();
        let root_uri = super::super::source_uri(folder.path());
        let document = format!("{root_uri}/a.pdf");
        let device = fs::metadata(folder.path()).unwrap().dev();
        let mut roots = Roots::default();
        roots.remember(COLLECTION, &[WalkedRoot { device, ..root(&root_uri, 1) }]);
        assert_eq!(roots.away(COLLECTION, &document), None);
        roots.remember(COLLECTION, &[WalkedRoot { device: device + 1, ..root(&root_uri, 1) }]);
        assert_eq!(roots.away(COLLECTION, &document).as_deref(), Some(folder.path()), "another disk is there now");
        assert_eq!(roots.away("another", &document), None);
        roots.remember(COLLECTION, &[WalkedRoot { device, ..root(&root_uri, 1) }]);
        folder.close().unwrap();
        assert!(roots.away(COLLECTION, &document).is_some(), "it is gone");
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_gone() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("a.pdf");
        let uri = super::super::source_uri(&file);
        assert!(is_gone(&uri));
        fs::write(&file, "x").unwrap();
        assert!(!is_gone(&uri));
        let too_long = format!("{uri}{}", "x".repeat(300));
        assert!(!is_gone(&too_long), "a name that the file system refuses: nothing is known of it");
    }
}
