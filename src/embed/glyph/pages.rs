//! The page graph: canvases to one vector a cell that holds ink.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ort::session::Session;
use ort::value::{DynValue, TensorRef};

use super::canvas::Canvas;
use super::graph::{expected, failed};
use super::manifest::PageSpec;
use crate::embed::joined::Joined;
use crate::embed::manifest::Manifest;
use crate::embed::options::EmbedOptions;
use crate::embed::session::{self, Threads};
use crate::embed::worker::Model;
use crate::error::{Error, Result};
use crate::types::{Device, Grid, Multivector, PageEmbedding, TokenLayout};

/// Canvases to page embeddings.
pub(in crate::embed) struct GlyphPages {
    graph: Arc<PageGraph>,
    /// None: opened for the first page. Who only asks questions needs none but the first.
    session: Mutex<Option<Session>>,
}

/// The page graph as it was checked: all sessions are of these bytes, whatever becomes of the file.
struct PageGraph {
    path: PathBuf,
    bytes: Vec<u8>,
    spec: PageSpec,
    dim: usize,
}

impl PageGraph {
    /// For runs of one thread each on the CPU; `threads`: what a device may use of it.
    fn open(&self, threads: usize, device: Device) -> Result<(Session, Device)> {
        let threads = Threads { cpu: 1, beside_device: threads };
        session::open(session::Source::Bytes(&self.path, &self.bytes), threads, device)
    }

    /// # Errors
    /// Configuration, if the graph does not fit the manifest.
    fn check(&self, session: &Session) -> Result<()> {
        let Self { path, spec, dim, .. } = self;
        let outputs = &spec.outputs;
        session::check(
            path,
            session,
            &[expected(&spec.input, &[None, Some(1), None, None])],
            &[expected(&outputs.patches, &[None, None, Some(*dim as i64)]), expected(&outputs.gate, &[None, None])],
        )
    }
}

/// Pages of a batch that have one size, and so take one run.
pub(in crate::embed) struct Alike {
    /// Their places in the batch.
    places: Vec<usize>,
    canvases: Joined<Canvas, u8>,
}

/// Portrait and landscape pages take a run each.
#[derive(Default)]
pub(in crate::embed) struct Batch {
    pages: usize,
    runs: Vec<Alike>,
}

/// What the graph gave for pages that are alike.
pub(in crate::embed) struct RunOutput {
    patches: DynValue,
    gate: DynValue,
}

fn size(canvas: &Canvas) -> (usize, usize) {
    (canvas.width, canvas.height)
}

impl GlyphPages {
    /// One model a thread on the CPU: a page is so little work that dividing it among threads leaves them waiting for each
    /// other. One altogether on a device.
    ///
    /// # Errors
    /// Configuration, if the graph does not fit the manifest.
    pub(super) fn open(manifest: &Manifest, spec: &PageSpec, options: &EmbedOptions) -> Result<(Vec<Self>, Device)> {
        let (path, bytes) = (manifest.path_of(&spec.graph)?, manifest.bytes_of(&spec.graph)?);
        let graph = Arc::new(PageGraph { path, bytes, spec: spec.clone(), dim: manifest.info.dim });
        let (session, device) = graph.open(options.threads, options.device)?;
        graph.check(&session)?;
        let others = if device == Device::Cpu { options.threads.saturating_sub(1) } else { 0 };
        let first = Self { graph: graph.clone(), session: Mutex::new(Some(session)) };
        let others = (0..others).map(|_| Self { graph: graph.clone(), session: Mutex::new(None) });
        Ok((std::iter::once(first).chain(others).collect(), device))
    }

    fn run(&self, alike: &Alike) -> Result<RunOutput> {
        let spec = &self.graph.spec;
        let canvases = alike.canvases.pages();
        let (width, height) = size(&canvases[0]);
        let shape = [canvases.len(), 1, height, width];
        let input = TensorRef::from_array_view((shape, alike.canvases.values())).map_err(failed("page"))?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match &mut *session {
            Some(session) => session,
            // The first one runs on the CPU, else there would be no others.
            empty => empty.insert(self.graph.open(1, Device::Cpu)?.0),
        };
        let mut outputs = session.run(ort::inputs![&spec.input.name => input]).map_err(failed("page"))?;
        let mut output = |name: &str| {
            let missing = || Error::configuration(format!("the page graph gave no output '{name}'"));
            outputs.remove(name).ok_or_else(missing)
        };
        Ok(RunOutput { patches: output(&spec.outputs.patches.name)?, gate: output(&spec.outputs.gate.name)? })
    }

    fn embeddings(&self, alike: &Alike, output: &RunOutput) -> Result<Vec<PageEmbedding>> {
        let PageGraph { spec, dim, .. } = &*self.graph;
        let canvases = alike.canvases.pages();
        let (width, height) = size(&canvases[0]);
        let (_, patches) = output.patches.try_extract_tensor::<f32>().map_err(failed("page"))?;
        let (_, gate) = output.gate.try_extract_tensor::<f32>().map_err(failed("page"))?;
        let grid = Grid { rows: (height / spec.cell[1]) as u32, cols: (width / spec.cell[0]) as u32 };
        let cells = (grid.rows * grid.cols) as usize;
        if gate.len() != cells * canvases.len() || patches.len() != gate.len() * dim {
            return Err(Error::configuration(format!(
                "the page graph gave {} gates and {} values for {} pages of {cells} cells: \
                 its manifest does not fit it",
                gate.len(),
                patches.len(),
                canvases.len()
            )));
        }
        let pages = patches.chunks_exact(cells * dim).zip(gate.chunks_exact(cells)).zip(canvases);
        pages.map(|((patches, gate), canvas)| open_cells(patches, gate, spec.keep.threshold, canvas, grid)).collect()
    }
}

/// Cells whose gate is open; the first if none is, so that every page has a vector.
fn open_cells(patches: &[f32], gate: &[f32], threshold: f32, canvas: &Canvas, grid: Grid) -> Result<PageEmbedding> {
    let dim = patches.len() / gate.len();
    let mut cells: Vec<Option<u32>> = Vec::new();
    let mut kept = Vec::new();
    for (cell, patch) in patches.chunks_exact(dim).enumerate() {
        if gate[cell] >= threshold {
            cells.push(Some(cell as u32));
            kept.extend_from_slice(patch);
        }
    }
    if cells.is_empty() {
        cells.push(Some(0));
        kept.extend_from_slice(&patches[..dim]);
    }
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let covered = (canvas.used.0 as f32 / width, canvas.used.1 as f32 / height);
    Ok(PageEmbedding { patches: Multivector::new(dim, kept)?, layout: TokenLayout::grid(grid, cells, covered)? })
}

impl Model for GlyphPages {
    type Input = Arc<Canvas>;
    type Batch = Batch;
    type Computed = Vec<RunOutput>;
    type Output = PageEmbedding;

    fn join(&self, batch: &mut Batch, canvas: Arc<Canvas>) {
        let same_size = |run: &&mut Alike| size(&run.canvases.pages()[0]) == size(&canvas);
        let place = batch.pages;
        batch.pages += 1;
        if let Some(run) = batch.runs.iter_mut().find(same_size) {
            run.places.push(place);
            run.canvases.push(canvas);
        } else {
            let mut canvases = Joined::default();
            canvases.push(canvas);
            batch.runs.push(Alike { places: vec![place], canvases });
        }
    }

    fn compute(&self, batch: &Batch) -> Result<Vec<RunOutput>> {
        batch.runs.iter().map(|alike| self.run(alike)).collect()
    }

    /// The answers come in the order of the pages.
    fn finish(&self, batch: &Batch, computed: Vec<RunOutput>) -> Result<Vec<PageEmbedding>> {
        let mut made: Vec<Option<PageEmbedding>> = vec![None; batch.pages];
        for (alike, output) in batch.runs.iter().zip(&computed) {
            for (&place, page) in alike.places.iter().zip(self.embeddings(alike, output)?) {
                made[place] = Some(page);
            }
        }
        Ok(made.into_iter().flatten().collect())
    }
}
