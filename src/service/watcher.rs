//! The watcher: keeps the folders, buckets and lists of addresses of configured pipelines in step with their collections. What is new or changed is
//! submitted when it has stopped growing, what is gone is taken out unless it looks like an accident; nothing in a folder or bucket
//! is ever changed.
//!
//! Walks say what there is; what the system tells of a folder only makes the next walk come sooner. So a missed event, a share
//! that tells nothing and a folder that goes away and comes back are all the same: the next walk is right. A bucket tells nothing:
//! it is listed again and again, and the versions that it names say what changed; so is a list of addresses on the web. Each bucket
//! has a task of its own, so that one that is away keeps nothing else waiting, and events of folders list no bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pipelines::tenant;
use crate::app::App;
use crate::config::{Pipeline, Source};
use crate::error::{Error, Result};
use crate::ledger::State;
use crate::source::watch::{Hints, Look, Tracker};
use crate::source::{self, Discover, Discovery, SourceFile};
use crate::types::DocumentId;

/// Files submitted in one go: after each, the watcher hears the word to stop.
const AT_ONCE: usize = 256;
/// Walks take so much of the time: one in so many.
const WALKING: u32 = 10;
/// Paths that a line of the log names.
const NAMED: usize = 10;
/// Between two walks, however quick they are.
const AT_LEAST: Duration = Duration::from_millis(100);
/// However long they take.
const AT_MOST: Duration = Duration::from_secs(15);
/// A failed walk or submission is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);

/// Whether a file that may have been moved has arrived is looked at again after so long...
const ARRIVING: Duration = Duration::from_secs(1);
/// ...but files that go on arriving keep nothing in the index for longer than this.
const LONGEST_MOVE: Duration = Duration::from_secs(600);

/// Watches until `halt`.
///
/// # Errors
/// A bug: a task that watches ended.
pub(super) async fn run(
    app: Arc<App>,
    mut pipelines: watch::Receiver<Arc<Vec<Pipeline>>>,
    halt: CancellationToken,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    let mut watched: Vec<(Pipeline, CancellationToken)> = Vec::new();
    loop {
        let wanted = pipelines.borrow_and_update().clone();
        let is_wanted = |pipeline: &Pipeline| wanted.contains(pipeline);
        watched.retain(|(pipeline, stop)| {
            let stays = is_wanted(pipeline);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for pipeline in wanted.iter() {
            let Some(source) = pipeline.source.as_ref().filter(|source| source.watch) else { continue };
            if watched.iter().any(|(known, _)| known == pipeline) {
                continue;
            }
            let stop = halt.child_token();
            tracing::info!(pipeline = pipeline.name, "watching {}", names(pipeline.watched()));
            for part in parts(source) {
                tasks.spawn(Watched::new(app.clone(), pipeline.clone(), part).run(stop.clone()));
            }
            watched.push((pipeline.clone(), stop));
        }
        tokio::select! {
            () = halt.cancelled() => break,
            changed = pipelines.changed() => if changed.is_err() {
                // Nobody can change them any more.
                halt.cancelled().await;
                break;
            },
            Some(ended) = tasks.join_next() => if let Err(error) = ended {
                return Err(Error::bug("watching a folder failed").with_source(error));
            },
        }
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// What is watched by itself: all folders of a source, and each of its buckets; a list of addresses.
fn parts(source: &Source) -> Vec<Source> {
    if source.is_web {
        return vec![source.clone()];
    }
    let (buckets, folders): (Vec<PathBuf>, Vec<PathBuf>) =
        source.paths.iter().cloned().partition(|path| is_bucket(path));
    let of_folders = (!folders.is_empty()).then_some(folders);
    let all = of_folders.into_iter().chain(buckets.into_iter().map(|bucket| vec![bucket]));
    all.map(|paths| Source { paths, ..source.clone() }).collect()
}

fn is_bucket(path: &Path) -> bool {
    path.to_str().is_some_and(source::is_in_bucket)
}

/// A list may be long.
fn names<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let names: Vec<String> = paths.into_iter().map(|path| path.display().to_string()).collect();
    match names.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..NAMED].join(", ")),
    }
}

/// The folders of a pipeline that is watched, one of its buckets, or its list of addresses.
struct Watched {
    app: Arc<App>,
    pipeline: Pipeline,
    source: Source,
    options: Discover,
    tracker: Tracker,
    hints: Option<Hints>,
    /// What the paths were when the hints were asked for: device and inode of those that are there.
    listening_to: Vec<(PathBuf, u64, u64)>,
    /// Files that are gone, and whose documents are to follow.
    leaving: Option<Leaving>,
    /// Paths that were not there.
    away: Vec<PathBuf>,
    /// How long the last walk took, without what followed from it.
    walked: Duration,
    /// Deletions are to be looked for even if no file that was seen is gone: some went while nobody watched.
    look_for_deletions: bool,
    /// Why deletions are not followed, as it was logged.
    refused: Option<String>,
    /// Why the last step failed, as it was logged.
    failed: Option<String>,
    /// What is wrong with documents on the web, as it was logged.
    troubles: BTreeMap<String, String>,
}

/// Files that were found to be gone in one walk. A file that was moved is gone here and new there, and the new one goes first: so
/// their documents wait for what was on its way then, and for nothing that came later, or a busy folder would lose none ever.
struct Leaving {
    since: Instant,
    gone: BTreeSet<PathBuf>,
    /// Files that were not yet submitted.
    arriving: BTreeSet<PathBuf>,
    /// Documents that were submitted since.
    coming: Vec<DocumentId>,
}

impl Watched {
    fn new(app: Arc<App>, pipeline: Pipeline, source: Source) -> Self {
        Self {
            tracker: Tracker::new(app.config().watch.settle),
            options: Discover::all_of(&pipeline, &source),
            app,
            pipeline,
            source,
            hints: None,
            listening_to: Vec::new(),
            leaving: None,
            away: Vec::new(),
            walked: Duration::ZERO,
            look_for_deletions: true,
            refused: None,
            failed: None,
            troubles: BTreeMap::new(),
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        let rescan = self.app.config().watch.rescan;
        while !stop.is_cancelled() {
            let started = Instant::now();
            let outcome = self.step(&stop).await;
            if outcome.is_ok() && self.failed.take().is_some() {
                tracing::info!(pipeline = self.pipeline.name, "{} is kept in step again", names(&self.source.paths));
            }
            let walked = self.walked;
            let next = match outcome {
                Ok(Some(moment)) => moment,
                Ok(None) => started + rescan,
                Err(error) => started + self.again_after(&error),
            };
            let resting = async {
                tokio::time::sleep((walked * (WALKING - 1)).clamp(AT_LEAST, AT_MOST)).await;
                tokio::select! {
                    () = tokio::time::sleep_until(next.min(started + rescan)) => {}
                    () = told(self.hints.as_ref()) => {}
                }
            };
            stop.run_until_cancelled(resting).await;
            self.look_for_deletions |= started.elapsed() >= rescan;
        }
    }

    /// A step failed. Said once, however often it fails in the same way.
    fn again_after(&mut self, error: &Error) -> Duration {
        let reason = error.to_string();
        if self.failed.as_ref() != Some(&reason) {
            let watched = names(&self.source.paths);
            tracing::warn!(pipeline = self.pipeline.name, %error, "{watched} could not be kept in step: tried again");
            self.failed = Some(reason);
        }
        // A bucket that refuses us goes on refusing, and a configuration that does not let us ask.
        let refuses = !error.is_transient() && self.is_remote();
        if refuses { self.app.config().watch.rescan } else { AGAIN }
    }

    /// One walk, and what follows from it. Returns when to walk again at the latest, if before the next rescan.
    async fn step(&mut self, stop: &CancellationToken) -> Result<Option<Instant>> {
        let (there, away) = self.listen().await?;
        if !away.is_empty() && away != self.away {
            tracing::warn!(pipeline = self.pipeline.name, "waiting for {}, which is away", names(&away));
        }
        self.away = away;
        let scope = self.app.scope(tenant());
        let began = Instant::now();
        if there.is_empty() && !self.is_remote() {
            return Ok(Some(Instant::now() + AGAIN));
        }
        let discovering = scope.discover(&there, &self.options);
        let Some(discovery) = stop.run_until_cancelled(discovering).await else { return Ok(None) };
        let (look, discovery) = self.look(discovery?).await?;
        let problems = discovery.problems.iter().map(|(path, error)| (path.display().to_string(), error.to_string()));
        let mut troubles: BTreeMap<String, String> = problems.filter(|_| self.source.is_web).collect();
        self.walked = began.elapsed();
        let Look { ready, growing, gone, look_again } = look;
        if gone.is_empty() {
            self.refused = None;
        }
        let untaken: BTreeSet<PathBuf> = ready.iter().map(|file| file.path.clone()).chain(growing).collect();
        match &mut self.leaving {
            Some(leaving) => leaving.arriving.retain(|path| untaken.contains(path)),
            None if (!gone.is_empty() && self.refused.is_none()) || self.look_for_deletions => {
                let gone = gone.iter().cloned().collect();
                let (since, coming) = (Instant::now(), Vec::new());
                self.leaving = Some(Leaving { since, gone, arriving: untaken, coming });
            }
            None => {}
        }
        for files in ready.chunks(AT_ONCE) {
            if stop.is_cancelled() {
                return Ok(None);
            }
            troubles.extend(self.submit(files, stop).await?);
        }
        self.tell(troubles);
        let follows = self.follow(&discovery, gone).await?;
        let away = (!self.away.is_empty()).then(|| Instant::now() + AGAIN);
        Ok([look_again, follows, away].into_iter().flatten().min())
    }

    /// Lets the documents of files that are gone follow them, as soon as nothing is on its way any more that these files may have
    /// become. Returns when to look again, where something is left to follow.
    async fn follow(&mut self, discovery: &Discovery, gone: Vec<PathBuf>) -> Result<Option<Instant>> {
        let Some(mut leaving) = self.leaving.take() else { return Ok(None) };
        let soon = Instant::now() + ARRIVING;
        let waits = !leaving.arriving.is_empty() || self.is_coming(&mut leaving.coming).await?;
        if waits && Instant::now() < leaving.since + LONGEST_MOVE {
            self.leaving = Some(leaving);
            return Ok(Some(soon));
        }
        let (now, later): (Vec<_>, Vec<_>) = gone.into_iter().partition(|path| leaving.gone.contains(path));
        self.follow_deletions(discovery, &now, &later).await?;
        Ok((!later.is_empty()).then_some(soon))
    }

    async fn look(&mut self, discovery: Discovery) -> Result<(Look, Discovery)> {
        let mut tracker = std::mem::replace(&mut self.tracker, Tracker::new(Duration::ZERO));
        let (look, tracker, discovery) = tokio::task::spawn_blocking(move || {
            let look = tracker.look(&discovery, Instant::now());
            (look, tracker, discovery)
        })
        .await
        .map_err(|error| Error::bug("looking at files panicked").with_source(error))?;
        self.tracker = tracker;
        Ok((look, discovery))
    }

    /// Says of documents on the web what is wrong with them, each thing once.
    fn tell(&mut self, troubles: BTreeMap<String, String>) {
        for (source, reason) in troubles.iter().filter(|(source, reason)| self.troubles.get(*source) != Some(reason)) {
            tracing::warn!(pipeline = self.pipeline.name, source, reason, "a document on the web is not up to date");
        }
        self.troubles = troubles;
    }

    fn is_remote(&self) -> bool {
        self.source.is_web || self.source.paths.iter().any(|path| is_bucket(path))
    }

    /// Submits what is ready; which documents on the web could not be, and why.
    async fn submit(&mut self, files: &[SourceFile], stop: &CancellationToken) -> Result<BTreeMap<String, String>> {
        let comparison = self.app.scope(tenant()).submit_files(&self.pipeline, files.to_vec(), stop).await?;
        if stop.is_cancelled() {
            return Ok(BTreeMap::new());
        }
        for (file, reason) in comparison.failed.iter().filter(|_| !self.source.is_web) {
            tracing::warn!(source = file.source.uri, reason, "a file of a watched folder is not indexed");
        }
        if let Some(leaving) = &mut self.leaving {
            let before = leaving.arriving.len();
            leaving.arriving.retain(|path| files.iter().all(|file| file.path != *path));
            if leaving.arriving.len() < before {
                leaving.coming.extend(comparison.queued);
            }
        }
        if !self.source.is_web {
            self.tracker.taken(files);
            return Ok(BTreeMap::new());
        }
        // A document that could not be fetched is asked for again.
        let failed: BTreeMap<String, String> =
            comparison.failed.into_iter().map(|(file, reason)| (file.source.uri, reason)).collect();
        let taken = files.iter().filter(|file| !failed.contains_key(&file.source.uri)).cloned();
        self.tracker.taken(&taken.collect::<Vec<_>>());
        Ok(failed)
    }

    /// Whether documents that may have been moved are still on their way in: until then the old ones stay.
    async fn is_coming(&self, coming: &mut Vec<DocumentId>) -> Result<bool> {
        let scope = self.app.scope(tenant());
        while let Some(document) = coming.last() {
            let record = scope.document(*document).await?;
            if record.is_some_and(|record| matches!(record.state, State::Queued | State::Processing)) {
                return Ok(true);
            }
            coming.pop();
        }
        Ok(false)
    }

    /// Takes documents out whose files are gone. Where that looks like an accident they stay, and the log says so, once.
    /// Those of files that went `later` stay for now.
    async fn follow_deletions(&mut self, discovery: &Discovery, gone: &[PathBuf], later: &[PathBuf]) -> Result<()> {
        let not_yet = self.tracker.sources(later);
        let scope = self.app.scope(tenant());
        match scope.follow_deletions(&self.pipeline.collection, discovery, &not_yet).await {
            Ok(deleted) => {
                if deleted > 0 {
                    tracing::info!(
                        pipeline = self.pipeline.name,
                        deleted,
                        "documents whose files are gone were taken out"
                    );
                }
                self.tracker.forget(gone);
                self.refused = None;
            }
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                let reason = error.to_string();
                if self.refused.as_ref() != Some(&reason) {
                    let run =
                        format!("`quire run` with the pipeline's file and --prune-anyway, if it is meant ({reason})");
                    tracing::warn!(pipeline = self.pipeline.name, "{run}");
                    self.refused = Some(reason);
                }
            }
        }
        self.look_for_deletions = false;
        Ok(())
    }

    /// Which paths are there and which are away; asks the system to tell of those that are there, anew where one of them is
    /// another folder than before: a share that was mounted.
    async fn listen(&mut self) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
        if self.is_remote() {
            return Ok((self.source.paths.clone(), Vec::new()));
        }
        let (paths, follow) = (self.source.paths.clone(), self.source.follow_symlinks);
        let (before, heard) = (self.listening_to.clone(), self.hints.is_some());
        let look = move || {
            let state = |path: &PathBuf| path.metadata().ok().map(|it| (path.clone(), it.dev(), it.ino()));
            let now: Vec<_> = paths.iter().filter_map(state).collect();
            let away: Vec<PathBuf> =
                paths.into_iter().filter(|path| !now.iter().any(|(there, ..)| there == path)).collect();
            let there: Vec<PathBuf> = now.iter().map(|(path, ..)| path.clone()).collect();
            let hints = (now != before || !heard).then(|| Hints::of(&there, follow));
            (now, there, away, hints)
        };
        let (now, there, away, hints) = tokio::task::spawn_blocking(look)
            .await
            .map_err(|error| Error::bug("looking at folders panicked").with_source(error))?;
        let changed = now != self.listening_to;
        match hints {
            Some(Ok(hints)) => self.hints = Some(hints),
            Some(Err(error)) => {
                if changed {
                    let every = self.app.config().watch.rescan.as_secs();
                    tracing::warn!(pipeline = self.pipeline.name, %error, "its folders are walked every {every} s instead");
                }
                self.hints = None;
            }
            None => {}
        }
        self.listening_to = now;
        Ok((there, away))
    }
}

/// Waits for news; for ever where nobody tells any.
async fn told(hints: Option<&Hints>) {
    match hints {
        Some(hints) => hints.told().await,
        None => std::future::pending().await,
    }
}
