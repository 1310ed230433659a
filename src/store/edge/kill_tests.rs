//! What a killed process leaves. A child (this test program again, running only [`child`]) writes documents and says on its
//! standard output what it has flushed; it is killed with SIGKILL at a moment drawn at random, the store is opened, and
//! everything that was said must be there, whole.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::EdgeStore;
use super::tests::tiny;
use crate::store::fixtures::{self, Noise, Page, TENANT, all, by_patches, only, points, query, question};
use crate::store::{Condition, Filter, VectorStore};
use crate::types::{NamedVector, PointId, Tenant, VectorName};

const DOCS: &str = "documents";
const PAGES: u32 = 6;
/// The child's folder and the number of the first document that it writes; without them it does nothing.
const FOLDER: &str = "QUIRE_KILL_TEST_FOLDER";
const FIRST: &str = "QUIRE_KILL_TEST_FIRST";
/// How many children are killed; set it to look longer.
const ROUNDS: &str = "QUIRE_KILL_TEST_ROUNDS";

fn pages(document: u64) -> Vec<Page> {
    (1..=PAGES)
        .map(|page| {
            let page = Page::new(document, page).patches(3 + (document % 40) as usize);
            if document.is_multiple_of(3) { page.without_text() } else { page }
        })
        .collect()
}

fn of(document: u64) -> Filter {
    only(Condition::Document(Page::new(document, 1).document_id()))
}

/// Writes documents until it is killed: most are new, some are written again, some deleted. `+ n` says that document n is
/// stored, `- n` that it is gone, `? n` that one of both is about to change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the kill test"]
async fn child() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    let store = EdgeStore::open_with(Path::new(&folder), tiny()).unwrap();
    store.ensure_collection(DOCS, &fixtures::schema()).await.unwrap();
    let mut noise = Noise::new(first);
    for document in first.. {
        say(format_args!("? {document}"));
        store.upsert(DOCS, points(&pages(document))).await.unwrap();
        let mut done = vec![('+', document)];
        let older = 1 + noise.below(document);
        if document % 4 == 0 {
            say(format_args!("? {older}"));
            let page = Page::new(older, 1);
            store.delete_generation(DOCS, page.document_id(), &page.generation()).await.unwrap();
            done.push(('-', older));
        } else if document % 4 == 1 {
            say(format_args!("? {older}"));
            store.upsert(DOCS, points(&pages(older))).await.unwrap();
            done.push(('+', older));
        }
        store.flush(DOCS).await.unwrap();
        for (sign, document) in done {
            say(format_args!("{sign} {document}"));
        }
        if document % 5 == 0 {
            store.optimize(DOCS).await.unwrap();
        }
    }
}

fn say(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

#[derive(Default)]
struct Said {
    stored: BTreeSet<u64>,
    gone: BTreeSet<u64>,
    /// About to change when the process died: there or not, wholly or in part, but no page may be broken.
    open: BTreeSet<u64>,
    largest: u64,
}

impl Said {
    /// False for lines of the test program itself.
    fn hear(&mut self, line: &str) -> bool {
        let Some((sign, number)) = line.split_once(' ') else { return false };
        let Ok(document) = number.parse() else { return false };
        let to = match sign {
            "+" => &mut self.stored,
            "-" => &mut self.gone,
            "?" => &mut self.open,
            _ => return false,
        };
        to.insert(document);
        self.largest = self.largest.max(document);
        match sign {
            "+" => drop((self.gone.remove(&document), self.open.remove(&document))),
            "-" => drop((self.stored.remove(&document), self.open.remove(&document))),
            _ => drop((self.gone.remove(&document), self.stored.remove(&document))),
        }
        true
    }
}

/// Kills a child at `moment` of the store's work: some time after it has said `lines` lines.
fn run_and_kill(folder: &Path, said: &mut Said, lines: u64, moment: Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["store::edge::kill_tests::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(FIRST, (said.largest + 1).to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut heard = 0;
    while heard < lines {
        let line = out.next().expect("the child writes until it is killed");
        heard += u64::from(said.hear(&line));
    }
    std::thread::sleep(moment);
    child.kill().unwrap();
    child.wait().unwrap();
    for line in out {
        said.hear(&line);
    }
}

async fn check(folder: &Path, said: &mut Said) {
    let store = EdgeStore::open_with(folder, tiny()).unwrap();
    if store.collections().await.unwrap().is_empty() {
        assert!(said.stored.is_empty(), "documents were flushed, the collection is gone");
        return;
    }
    let mut found: Vec<PointId> = store
        .query(DOCS, query(by_patches(&question(1, 2), 1_000_000)))
        .await
        .unwrap()
        .into_iter()
        .map(|hit| hit.id)
        .collect();
    let hits = found.len();
    found.sort_unstable();
    found.dedup();
    assert_eq!(hits, found.len(), "no point is found twice");
    assert_eq!(store.count(DOCS, &all()).await.unwrap(), hits, "no point is there twice, and every point is found");
    for &document in &said.stored {
        assert_eq!(store.count(DOCS, &of(document)).await.unwrap(), PAGES as usize, "document {document} was flushed");
        whole(&store, document).await;
    }
    for &document in &said.gone {
        assert_eq!(store.count(DOCS, &of(document)).await.unwrap(), 0, "document {document} was deleted");
    }
    for document in std::mem::take(&mut said.open) {
        whole(&store, document).await;
        // Going on as an ingest does: what was not acknowledged is written again.
        store.upsert(DOCS, points(&pages(document))).await.unwrap();
        store.flush(DOCS).await.unwrap();
        whole(&store, document).await;
        assert_eq!(store.count(DOCS, &of(document)).await.unwrap(), PAGES as usize);
        said.stored.insert(document);
    }
    store.close().await.unwrap();
}

/// Every page of the document that is there is the right one.
async fn whole(store: &EdgeStore, document: u64) {
    let wanted = [VectorName::Patches, VectorName::Fde, VectorName::Anchors, VectorName::Text];
    for page in pages(document) {
        let Some(stored) = store.retrieve(DOCS, &Tenant(TENANT.into()), &[page.id()], &wanted).await.unwrap().pop()
        else {
            continue;
        };
        let point = page.point();
        assert_eq!(stored.payload, point.payload);
        for name in [VectorName::Fde, VectorName::Anchors] {
            assert_eq!(stored.vectors.get(&name), point.vectors.get(&name), "{name} of {page:?}");
        }
        let (Some(NamedVector::Multi(found)), NamedVector::Multi(right)) =
            (stored.vectors.get(&VectorName::Patches), &point.vectors[&VectorName::Patches])
        else {
            panic!("no patches of {page:?}")
        };
        assert_eq!(found.len(), right.len());
        assert!(
            found.as_slice().iter().zip(right.as_slice()).all(|(a, b)| (a - b).abs() < 1e-3),
            "patches of {page:?}"
        );
        assert_eq!(stored.vectors.contains_key(&VectorName::Text), page.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_it_flushed() {
    let rounds: u64 = std::env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(6);
    let mut noise = Noise::new(u64::from(std::process::id()));
    let folder = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    for round in 0..rounds {
        let (lines, moment) = (noise.below(40), Duration::from_micros(noise.below(40_000)));
        run_and_kill(folder.path(), &mut said, lines, moment);
        check(folder.path(), &mut said).await;
        if rounds > 20 {
            eprintln!("round {round}, {lines} lines and {moment:?}: {} documents stored", said.stored.len());
        }
    }
    assert!(said.stored.len() > 1, "no child wrote anything");
}
