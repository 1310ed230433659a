//! Derived vectors for a collection of the server that somebody else wrote: MUVERA, pooled, row and column vectors of a multivector
//! field, in place. No ledger, no data folder and no model take part: only what the points hold.
//!
//! It must never touch a point's id, payload or other vectors.

use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::agreement::{self, Agreement};
use crate::config::{Config, Pipeline, Server, default_spec};
use crate::derive::derive_page;
use crate::derive::terms::Text;
use crate::error::{Error, Result};
use crate::store::{ConsoleRequest, ForeignCollection, ForeignId, ForeignNote, ForeignSource};
use crate::types::{
    DeriveSettings, Grid, Multivector, NamedVector, PageEmbedding, TokenLayout, VectorName, VectorSpec,
};

/// Points looked at together: 8 MB of patches of a large model.
const SLICE: usize = 16;
/// Slices under way at once, at most.
const AT_ONCE: usize = 8;
/// Points between two lines of progress.
const TOLD: u64 = 10_000;

/// What to derive, and where.
#[derive(Debug, Clone)]
pub struct ForeignRequest {
    pub collection: String,
    pub kind: VectorName,
    /// The multivector to derive from; None: the only one.
    pub from: Option<String>,
    /// What the vector is called; None: as its kind.
    pub name: Option<String>,
    /// Of `rows` and `cols`: the first rows of the multivector are the cells of this grid, line by line.
    pub grid: Option<Grid>,
    /// Whose parameters are taken.
    pub pipeline: Option<Pipeline>,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct ForeignReport {
    pub collection: String,
    pub vector: String,
    pub from: String,
    /// Points of the collection.
    pub points: u64,
    /// Points that got the vector now.
    pub filled: u64,
    /// Points whose multivector has fewer rows than the grid has cells: they have no such vector.
    pub passed_over: u64,
    pub seconds: f64,
    /// It was told to stop: asked again it goes on.
    pub stopped: bool,
    /// None: it was stopped, or there is nothing to compare.
    pub agreement: Option<Agreement>,
    /// How the question's own vector is made.
    pub question_vector: String,
    /// The query to use. Angle brackets stand for the question's vectors.
    pub query: ConsoleRequest,
    /// The same as it can be run at once, for pages like one that there is.
    pub example: Option<ConsoleRequest>,
}

/// How the points of a collection become vectors.
struct Recipe {
    note: ForeignNote,
    spec: VectorSpec,
    vector: String,
}

/// Gives the points of a collection that Quire did not make a vector, and measures what a search over it finds.
///
/// # Errors
/// Configuration: no server is named or it is too old, the collection, the field or the name does not do.
pub async fn derive_add_foreign(
    config: &Config,
    request: &ForeignRequest,
    stop: &CancellationToken,
) -> Result<ForeignReport> {
    let started = Instant::now();
    let collection = ForeignCollection::new(server(config)?, &request.collection)?;
    let source = collection.source(request.from.as_deref()).await?;
    let recipe = Recipe::new(request, &source)?;
    let sample = collection.sample(&source.field, agreement::QUESTIONS).await?;
    recipe.check_grid(&request.collection, &sample)?;
    collection.add(&recipe.vector, &recipe.spec, &recipe.note).await?;
    let (filled, passed_over) = fill(&collection, &recipe, stop).await?;
    let seconds = started.elapsed().as_secs_f64();
    let stopped = stop.is_cancelled();
    let agreement = match stopped {
        true => None,
        false => agreement::measure(&collection, &recipe.note, &recipe.vector, &sample, source.points, stop).await?,
    };
    let limit = agreement.as_ref().map_or(agreement::CANDIDATES[1], |agreement| agreement.prefetch_limit);
    let like = sample.first().map(|(id, _)| id.to_json());
    Ok(ForeignReport {
        collection: request.collection.clone(),
        vector: recipe.vector.clone(),
        from: source.field.clone(),
        points: source.points as u64,
        filled,
        passed_over,
        seconds,
        stopped,
        agreement,
        question_vector: recipe.question_vector(&source),
        query: query(&request.collection, &recipe, limit, None),
        example: like.map(|id| query(&request.collection, &recipe, limit, Some(id))),
    })
}

/// Takes away a vector that was added so; its name. Nothing else can be taken away.
///
/// # Errors
/// Configuration: Quire did not add it.
pub async fn derive_drop_foreign(config: &Config, collection: &str, vector: &str) -> Result<()> {
    ForeignCollection::new(server(config)?, collection)?.remove(vector).await
}

fn server(config: &Config) -> Result<&Server> {
    config.store.server.as_ref().ok_or_else(|| {
        Error::configuration(
            "--from is for collections of a Qdrant server: set store.url, or QUIRE__STORE__URL, to its address",
        )
    })
}

impl Recipe {
    fn new(request: &ForeignRequest, source: &ForeignSource) -> Result<Self> {
        let kind = request.kind;
        if !matches!(kind, VectorName::Fde | VectorName::Pooled | VectorName::Rows | VectorName::Cols) {
            return Err(Error::configuration(format!(
                "'{kind}' can't be made from a multivector alone: one of fde, pooled, rows, cols is expected"
            )));
        }
        let needs_grid = matches!(kind, VectorName::Rows | VectorName::Cols);
        if needs_grid && request.grid.is_none() {
            return Err(Error::configuration(format!(
                "'{kind}' are means over a grid of patches: say with --grid which it is, such as 32x32 for ColPali"
            )));
        }
        let mut settings =
            request.pipeline.as_ref().map_or_else(DeriveSettings::default, |pipeline| pipeline.derive.clone());
        settings.vectors = [kind].into();
        let theirs = request.pipeline.as_ref().map(|pipeline| pipeline.schema(source.dim)).transpose()?;
        let spec = match theirs.and_then(|schema| schema.get(kind).cloned()) {
            Some(spec) => spec,
            None => default_spec(kind, &settings, source.dim)?,
        };
        let vector = request.name.clone().unwrap_or_else(|| kind.as_str().to_owned());
        let grid = request.grid.filter(|_| needs_grid);
        Ok(Self { note: ForeignNote { kind, from: source.field.clone(), settings, grid }, spec, vector })
    }

    /// # Errors
    /// Configuration, where no point of the sample has a multivector that the grid could be part of.
    fn check_grid(&self, collection: &str, sample: &[(ForeignId, Multivector)]) -> Result<()> {
        let Some(Grid { rows, cols }) = self.note.grid else { return Ok(()) };
        let longest = sample.iter().map(|(_, patches)| patches.len()).max();
        match longest {
            Some(longest) if longest < (rows * cols) as usize => Err(Error::configuration(format!(
                "the multivectors of collection '{collection}' have {longest} rows at most: a grid of {rows}x{cols} would need {}",
                rows * cols
            ))),
            _ => Ok(()),
        }
    }

    fn question_vector(&self, source: &ForeignSource) -> String {
        let settings = &self.note.settings.fde;
        match self.note.kind {
            VectorName::Fde => format!(
                "Muvera(dim={}, k_sim={}, dim_proj={}, r_reps={}, random_seed={}).process_query(tokens) of fastembed.postprocess{}",
                source.dim,
                settings.k_sim,
                settings.dim_proj,
                settings.r_reps,
                settings.seed,
                if source.is_cosine { ", of tokens of norm 1" } else { "" }
            ),
            _ => "the question's tokens, as for the rerank".to_owned(),
        }
    }
}

/// The vector of one point; None where its multivector has fewer rows than the grid has cells.
pub(super) fn derive_one(note: &ForeignNote, patches: Multivector) -> Result<Option<NamedVector>> {
    let layout = match note.grid {
        Some(grid) => {
            let cells = (grid.rows * grid.cols) as usize;
            let Some(text) = patches.len().checked_sub(cells) else { return Ok(None) };
            TokenLayout::full(grid).followed_by_text(text)
        }
        // Where a token lies is of no interest.
        None => TokenLayout::full(Grid { rows: 1, cols: u32::try_from(patches.len()).unwrap_or(u32::MAX) }),
    };
    let page = PageEmbedding { patches, layout };
    let mut made = derive_page(&note.settings, &page, &Text::new(""), None)?;
    Ok(made.remove(&note.kind))
}

/// How many points got the vector, and how many cannot have it.
async fn fill(collection: &ForeignCollection, recipe: &Recipe, stop: &CancellationToken) -> Result<(u64, u64)> {
    let slices = stream::try_unfold(Some(None::<ForeignId>), |from| async move {
        let Some(from) = from.filter(|_| !stop.is_cancelled()) else { return Ok::<_, Error>(None) };
        let slice = collection.lacking(&recipe.vector, &recipe.note.from, from, SLICE).await?;
        Ok(Some((slice.points, slice.next.map(Some))))
    });
    let at_once = std::thread::available_parallelism().map_or(1, usize::from).min(AT_ONCE);
    let mut written =
        Box::pin(slices.map_ok(|points| fill_slice(collection, recipe, points)).try_buffer_unordered(at_once));
    let (mut filled, mut passed_over, mut told) = (0, 0, 0);
    while let Some(slice) = written.next().await {
        let (more, without) = slice?;
        filled += more;
        passed_over += without;
        if filled >= told + TOLD {
            told = filled;
            tracing::info!(vector = recipe.vector, points = filled, "deriving");
        }
    }
    Ok((filled, passed_over))
}

async fn fill_slice(
    collection: &ForeignCollection,
    recipe: &Recipe,
    points: Vec<(ForeignId, Multivector)>,
) -> Result<(u64, u64)> {
    let asked = points.len() as u64;
    let note = recipe.note.clone();
    let derive = move || -> Result<Vec<(ForeignId, NamedVector)>> {
        let made = points.into_iter().map(|(id, patches)| Ok(derive_one(&note, patches)?.map(|vector| (id, vector))));
        made.filter_map(Result::transpose).collect()
    };
    let made = tokio::task::spawn_blocking(derive)
        .await
        .map_err(|error| Error::bug("deriving vectors of a point panicked").with_source(error))??;
    let filled = made.len() as u64;
    collection.put(&recipe.vector, &recipe.spec, made).await?;
    Ok((filled, asked - filled))
}

/// The query over the vector, reranked by the whole multivector; for pages like a point, or with a place for the question's vectors.
fn query(collection: &str, recipe: &Recipe, prefetch_limit: usize, like: Option<serde_json::Value>) -> ConsoleRequest {
    let stands_for = |what: String| like.clone().unwrap_or_else(|| what.into());
    let first = match recipe.note.kind {
        VectorName::Fde => format!("<{} numbers: FDE of the question>", recipe.note.settings.fde.len()),
        _ => "<[tokens, dimensions]: the question>".to_owned(),
    };
    let mut body = serde_json::json!({
        "prefetch": { "query": stands_for(first), "using": recipe.vector, "limit": prefetch_limit },
        "query": stands_for("<[tokens, dimensions]: the question>".to_owned()),
        "params": { "quantization": { "ignore": true } },
        "limit": agreement::TOP,
        "with_payload": true,
    });
    if !recipe.note.from.is_empty() {
        body["using"] = recipe.note.from.as_str().into();
    }
    ConsoleRequest { method: "POST", path: format!("collections/{collection}/points/query"), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: VectorName, grid: Option<Grid>) -> ForeignNote {
        let settings = DeriveSettings { vectors: [kind].into(), ..DeriveSettings::default() };
        ForeignNote { kind, from: "original".into(), settings, grid }
    }

    fn patches(rows: usize) -> Multivector {
        let row = |at: usize| if at.is_multiple_of(2) { [1.0, 0.0] } else { [0.0, 1.0] };
        Multivector::new(2, (0..rows).flat_map(row).collect()).unwrap()
    }

    #[test]
    fn tokens_behind_the_grid_are_no_part_of_rows_and_columns() {
        let grid = Some(Grid { rows: 2, cols: 2 });
        let Some(NamedVector::Multi(cols)) = derive_one(&note(VectorName::Cols, grid), patches(7)).unwrap() else {
            panic!("there are columns")
        };
        assert_eq!(cols.as_slice(), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(derive_one(&note(VectorName::Cols, grid), patches(3)).unwrap(), None, "too few");
    }

    #[test]
    fn what_needs_a_grid_says_so() {
        let source = ForeignSource { field: "original".into(), dim: 128, is_cosine: true, points: 1, vectors: vec![] };
        let request = |kind| ForeignRequest {
            collection: "theirs".into(),
            kind,
            from: None,
            name: None,
            grid: None,
            pipeline: None,
        };
        let error = Recipe::new(&request(VectorName::Rows), &source).err().unwrap().to_string();
        assert!(error.contains("--grid"), "{error}");
        let error = Recipe::new(&request(VectorName::Anchors), &source).err().unwrap().to_string();
        assert!(error.contains("fde, pooled, rows, cols"), "{error}");
        let fde = Recipe::new(&request(VectorName::Fde), &source).ok().unwrap();
        assert!(fde.question_vector(&source).contains("norm 1"));
        let query = query("theirs", &fde, 200, None);
        assert_eq!(query.body["prefetch"]["using"], "fde");
        assert_eq!(query.body["using"], "original");
    }
}
