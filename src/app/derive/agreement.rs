//! How well a search over a derived vector agrees with MaxSim over every point, and how long each takes: asked of a collection with
//! questions that are made of its own pages.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::derive::muvera::Muvera;
use crate::error::{Error, Result};
use crate::store::{ForeignCollection, ForeignId, ForeignNote, ForeignQuestion};
use crate::types::{Multivector, NamedVector, VectorName};

/// Questions asked at most, one a page.
pub const QUESTIONS: usize = 32;
/// Rows of a page that make a question: as many as a question of a dozen words has tokens.
const TOKENS: usize = 16;
/// Pages that are compared.
pub const TOP: usize = 10;
/// Candidates that are tried, fewest first.
pub const CANDIDATES: [usize; 7] = [50, 100, 200, 400, 800, 1600, 3200];
/// Enough agreement to stop looking.
const ENOUGH: f64 = 0.95;
/// Longest that is measured: full MaxSim over many points takes its time.
const LONGEST: Duration = Duration::from_secs(120);
/// Longest wait for the server to index what was written.
const INDEXING: Duration = Duration::from_secs(600);

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// Questions that were asked, each of 16 patches of a page.
    pub questions: usize,
    /// Median time of MaxSim over every point, in milliseconds.
    pub full_max_sim_ms: f64,
    /// Candidates of the query that is proposed: the fewest that agree well, else the most.
    pub prefetch_limit: usize,
    /// Whether that many find 95 % of what full MaxSim finds.
    pub is_enough: bool,
    /// Whether that query takes less time than full MaxSim.
    pub is_faster: bool,
    pub tried: Vec<Tried>,
}

impl Agreement {
    fn of(questions: usize, full_max_sim_ms: f64, tried: Vec<Tried>) -> Self {
        let best = tried.last();
        Self {
            questions,
            full_max_sim_ms,
            prefetch_limit: best.map_or(CANDIDATES[0], |best| best.prefetch_limit),
            is_enough: best.is_some_and(|best| best.recall_at_10 >= ENOUGH),
            is_faster: best.is_some_and(|best| best.ms < full_max_sim_ms),
            tried,
        }
    }
}

/// One number of candidates.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    pub prefetch_limit: usize,
    /// Of the ten pages that full MaxSim finds beside the question's own, the share that is found.
    pub recall_at_10: f64,
    /// Median time in milliseconds.
    pub ms: f64,
}

struct Asked {
    own: ForeignId,
    tokens: Multivector,
    prefetch: NamedVector,
    expected: HashSet<ForeignId>,
}

/// Of a collection with so many points. None where there are too few to compare.
pub async fn measure(
    collection: &ForeignCollection,
    note: &ForeignNote,
    vector: &str,
    sample: &[(ForeignId, Multivector)],
    points: usize,
    stop: &CancellationToken,
) -> Result<Option<Agreement>> {
    wait_until_indexed(collection, stop).await?;
    let started = Instant::now();
    let (mut asked, mut times) = (Vec::new(), Vec::new());
    for (id, patches) in sample {
        if stop.is_cancelled() || started.elapsed() > LONGEST / 2 && !asked.is_empty() {
            break;
        }
        let tokens = question_of(patches)?;
        let prefetch = prefetch_vector(note, tokens.clone()).await?;
        let question = ForeignQuestion { field: &note.from, tokens: &tokens, prefetch: None, limit: TOP + 1 };
        let (found, took) = timed(collection, &question).await?;
        times.push(took);
        let expected = found.into_iter().filter(|found| found != id).take(TOP).collect();
        asked.push(Asked { own: id.clone(), tokens, prefetch, expected });
    }
    asked.retain(|asked| !asked.expected.is_empty());
    if asked.is_empty() {
        return Ok(None);
    }
    let mut tried: Vec<Tried> = Vec::new();
    for prefetch_limit in CANDIDATES {
        // All points are no candidates any more: that is full MaxSim.
        let enough = |last: &Tried| last.recall_at_10 >= ENOUGH || last.prefetch_limit >= points;
        if tried.last().is_some_and(enough) || stop.is_cancelled() || started.elapsed() > LONGEST && !tried.is_empty() {
            break;
        }
        tried.push(ask_all(collection, note, vector, &asked, prefetch_limit).await?);
    }
    Ok(Some(Agreement::of(asked.len(), median(times), tried)))
}

async fn ask_all(
    collection: &ForeignCollection,
    note: &ForeignNote,
    vector: &str,
    asked: &[Asked],
    prefetch_limit: usize,
) -> Result<Tried> {
    let (mut times, mut hits, mut expected) = (Vec::new(), 0, 0);
    for one in asked {
        let prefetch = Some((vector, &one.prefetch, prefetch_limit));
        let question = ForeignQuestion { field: &note.from, tokens: &one.tokens, prefetch, limit: TOP + 1 };
        let (found, took) = timed(collection, &question).await?;
        times.push(took);
        let found: HashSet<ForeignId> = found.into_iter().filter(|found| *found != one.own).take(TOP).collect();
        hits += one.expected.intersection(&found).count();
        expected += one.expected.len();
    }
    Ok(Tried { prefetch_limit, recall_at_10: hits as f64 / expected as f64, ms: median(times) })
}

async fn timed(collection: &ForeignCollection, question: &ForeignQuestion<'_>) -> Result<(Vec<ForeignId>, f64)> {
    let started = Instant::now();
    let found = collection.ask(question).await?;
    Ok((found, started.elapsed().as_secs_f64() * 1000.0))
}

/// So that a graph is measured where there will be one. The server's optimiser works by itself; it is looked at, not told.
async fn wait_until_indexed(collection: &ForeignCollection, stop: &CancellationToken) -> Result<()> {
    let started = Instant::now();
    while !stop.is_cancelled() && started.elapsed() < INDEXING && !collection.is_idle().await? {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// Rows of a page at even distances.
fn question_of(patches: &Multivector) -> Result<Multivector> {
    let count = patches.len().min(TOKENS);
    let rows = (0..count).flat_map(|at| patches.row(at * patches.len() / count).to_vec());
    Multivector::new(patches.dim(), rows.collect())
}

/// What the prefetch compares with: multivectors with the question itself.
async fn prefetch_vector(note: &ForeignNote, tokens: Multivector) -> Result<NamedVector> {
    if note.kind != VectorName::Fde {
        return Ok(NamedVector::Multi(tokens));
    }
    let settings = note.settings.fde;
    let encode = move || Muvera::shared(tokens.dim(), &settings)?.query(&tokens);
    let encoded = tokio::task::spawn_blocking(encode).await;
    encoded.map_err(|error| Error::bug("encoding a question panicked").with_source(error))?.map(NamedVector::Dense)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_takes_rows_from_all_over_the_page() {
        let page = Multivector::new(1, (0..64).map(|at| at as f32).collect()).unwrap();
        let question = question_of(&page).unwrap();
        assert_eq!((question.len(), question.row(0), question.row(15)), (16, &[0.0][..], &[60.0][..]));
        let small = Multivector::new(1, vec![1.0, 2.0]).unwrap();
        assert_eq!(question_of(&small).unwrap(), small);
    }

    #[test]
    fn what_falls_short_says_so() {
        let tried = |prefetch_limit, recall_at_10, ms| Tried { prefetch_limit, recall_at_10, ms };
        let good = Agreement::of(32, 100.0, vec![tried(50, 0.7, 5.0), tried(100, 0.96, 9.0)]);
        assert_eq!((good.prefetch_limit, good.is_enough, good.is_faster), (100, true, true));
        let slow = Agreement::of(32, 8.0, vec![tried(50, 0.7, 5.0), tried(100, 0.96, 9.0)]);
        assert_eq!((slow.is_enough, slow.is_faster), (true, false));
        let short = Agreement::of(32, 100.0, vec![tried(3200, 0.9, 50.0)]);
        assert_eq!((short.is_enough, short.is_faster), (false, true));
    }

    #[test]
    fn the_middle_time_counts() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
