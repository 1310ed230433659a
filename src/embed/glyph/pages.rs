//! The page graph: looks at pages to one vector a cell that holds words.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ort::session::Session;
use ort::value::TensorRef;

use super::canvas::{Canvas, Looks, Turn};
use super::graph::{expected, failed};
use super::kept::{self, Open, Reading};
use super::manifest::PageSpec;
use super::tiles::{Tile, tiles};
use super::turns::Compass;
use crate::embed::joined::Joined;
use crate::embed::manifest::Manifest;
use crate::embed::options::EmbedOptions;
use crate::embed::session::{self, Threads};
use crate::embed::worker::Model;
use crate::error::{Error, Result};
use crate::types::{Device, PageEmbedding};

/// Pixels of one run, at most, but for a canvas that is larger alone: four usual pages. Bounds the graph's memory, which
/// a drawing of many tiles would take otherwise.
const RUN_PIXELS: usize = 4 * 832 * 1152;

/// Looks at pages to page embeddings.
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
    /// None: pages are read as they stand.
    compass: Option<Compass>,
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

/// Canvases that have one size, and so take one run.
struct Alike {
    parts: Vec<Part>,
    canvases: Joined<Canvas, u8>,
}

/// Where a canvas of a run comes from.
struct Part {
    /// Number of the look among all of the batch.
    look: usize,
    /// What of the look it is.
    tile: Tile,
    /// Columns of the whole look.
    cols: usize,
}

/// Looks as the graph takes them: those of one size share a run.
#[derive(Default)]
struct Runs {
    looks: usize,
    runs: Vec<Alike>,
}

impl Runs {
    fn add(&mut self, look: &Arc<Canvas>, spec: &PageSpec) {
        let [width, height] = spec.cell;
        let (number, grid) = (self.looks, look.grid(spec.cell));
        self.looks += 1;
        let tiles = tiles(grid, spec.tiles);
        let whole = tiles.len() == 1;
        for tile in tiles {
            let (rows, cols) = (&tile.rows.seen, &tile.cols.seen);
            let canvas = match whole {
                true => look.clone(),
                false => Arc::new(look.part(
                    cols.start * width,
                    rows.start * height,
                    cols.len() * width,
                    rows.len() * height,
                )),
            };
            self.push(Part { look: number, tile, cols: grid.cols as usize }, canvas);
        }
    }

    fn push(&mut self, part: Part, canvas: Arc<Canvas>) {
        let size = |canvas: &Canvas| (canvas.width, canvas.height);
        let fits = |run: &&mut Alike| {
            let alike = run.canvases.pages();
            size(&alike[0]) == size(&canvas) && (alike.len() + 1) * canvas.data.len() <= RUN_PIXELS
        };
        if let Some(run) = self.runs.iter_mut().find(fits) {
            run.parts.push(part);
            run.canvases.push(canvas);
        } else {
            let mut canvases = Joined::default();
            canvases.push(canvas);
            self.runs.push(Alike { parts: vec![part], canvases });
        }
    }
}

/// Pages that are computed together.
#[derive(Default)]
pub(in crate::embed) struct Batch {
    pages: Vec<Arc<Looks>>,
    /// Of all their looks, page after page.
    upright: Runs,
}

impl GlyphPages {
    /// One model a thread on the CPU: a page is so little work that dividing it among threads leaves them waiting for each
    /// other. One altogether on a device.
    ///
    /// # Errors
    /// Configuration, if the graph does not fit the manifest.
    pub(super) fn open(manifest: &Manifest, spec: &PageSpec, options: &EmbedOptions) -> Result<(Vec<Self>, Device)> {
        let (path, bytes) = (manifest.path_of(&spec.graph)?, manifest.bytes_of(&spec.graph)?);
        let dim = manifest.info.dim;
        let compass = match &spec.turns {
            None => None,
            Some(rule) => {
                let codebook = manifest.codebook()?;
                let words = codebook.as_ref().map_or(&[][..], |codebook| codebook.entries.as_slice());
                Some(Compass::new(rule, words, dim).map_err(|what| manifest.wrong(what))?)
            }
        };
        let graph = Arc::new(PageGraph { path, bytes, spec: spec.clone(), dim, compass });
        let (session, device) = graph.open(options.threads, options.device)?;
        graph.check(&session)?;
        let others = if device == Device::Cpu { options.threads.saturating_sub(1) } else { 0 };
        let first = Self { graph: graph.clone(), session: Mutex::new(Some(session)) };
        let others = (0..others).map(|_| Self { graph: graph.clone(), session: Mutex::new(None) });
        Ok((std::iter::once(first).chain(others).collect(), device))
    }

    /// What is open in each look.
    fn read(&self, runs: &Runs) -> Result<Vec<Open>> {
        let mut opens = vec![Vec::new(); runs.looks];
        for run in &runs.runs {
            self.run(run, &mut opens)?;
        }
        Ok(opens.into_iter().map(joined).collect())
    }

    fn run(&self, alike: &Alike, opens: &mut [Vec<Open>]) -> Result<()> {
        let PageGraph { spec, dim, .. } = &*self.graph;
        let canvases = alike.canvases.pages();
        let (width, height) = (canvases[0].width, canvases[0].height);
        let shape = [canvases.len(), 1, height, width];
        let input = TensorRef::from_array_view((shape, alike.canvases.values())).map_err(failed("page"))?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let session = match &mut *session {
            Some(session) => session,
            // The first one runs on the CPU, else there would be no others.
            empty => empty.insert(self.graph.open(1, Device::Cpu)?.0),
        };
        let outputs = session.run(ort::inputs![&spec.input.name => input]).map_err(failed("page"))?;
        let output = |name: &str| {
            let missing = || Error::configuration(format!("the page graph gave no output '{name}'"));
            let tensor = outputs.get(name).ok_or_else(missing)?.try_extract_tensor::<f32>();
            tensor.map(|(_, values)| values).map_err(failed("page"))
        };
        let (patches, gate) = (output(&spec.outputs.patches.name)?, output(&spec.outputs.gate.name)?);
        let cells = (height / spec.cell[1]) * (width / spec.cell[0]);
        if gate.len() != cells * canvases.len() || patches.len() != gate.len() * dim {
            return Err(Error::configuration(format!(
                "the page graph gave {} gates and {} values for {} canvases of {cells} cells: \
                 its manifest does not fit it",
                gate.len(),
                patches.len(),
                canvases.len()
            )));
        }
        let made = patches.chunks_exact(cells * dim).zip(gate.chunks_exact(cells));
        for ((patches, gate), part) in made.zip(&alike.parts) {
            opens[part.look].push(open_cells(patches, gate, spec.keep.threshold, part));
        }
        Ok(())
    }

    /// What a page says: upright, or turned, or both.
    fn readings(&self, looks: &Looks, upright: Vec<Open>) -> Result<Vec<Reading>> {
        let readings = |turn: Turn, opens: Vec<Open>| {
            opens.into_iter().enumerate().map(move |(look, open)| Reading { look, turn, open })
        };
        let Some(compass) = &self.graph.compass else { return Ok(readings(Turn::Upright, upright).collect()) };
        let says = compass.evidence(&upright[0].vectors);
        let (mut turned, mut turns) = (Vec::new(), Vec::new());
        let (full, cell) = (&looks.0[0], self.graph.spec.cell);
        let contrast = compass.contrast(full, cell);
        if compass.doubts(says, contrast.iter().filter(|&&seen| seen).count()) {
            // A part that tells most of how the page stands, and costs little to turn.
            let part = compass.window(&contrast, full.grid(cell));
            let [width, height] = cell;
            let part = full.part(part.left * width, part.top * height, part.cols * width, part.rows * height);
            let window = Arc::new(part);
            let reads = |turn: Turn, opens: &[Open]| compass.reads(turn, compass.evidence(&opens[0].vectors));
            for turn in [Turn::Quarter, Turn::Half, Turn::ThreeQuarters] {
                if !reads(turn, &self.read_turned(std::slice::from_ref(&window), turn)?) {
                    continue;
                }
                let mut opens = self.read_turned(&looks.0[..1], turn)?;
                if reads(turn, &opens) {
                    opens.extend(self.read_turned(&looks.0[1..], turn)?);
                    turned.extend(readings(turn, opens));
                    turns.push(turn);
                }
            }
        }
        if compass.reads_upright_too(&turns, says) {
            turned.splice(0..0, readings(Turn::Upright, upright));
        }
        Ok(turned)
    }

    /// What is open in looks that are turned, by its place in the looks as they are.
    fn read_turned(&self, looks: &[Arc<Canvas>], turn: Turn) -> Result<Vec<Open>> {
        let (spec, dim) = (&self.graph.spec, self.graph.dim);
        let mut runs = Runs::default();
        looks.iter().for_each(|look| runs.add(&Arc::new(look.turned(turn)), spec));
        let opens = self.read(&runs)?;
        let back = |(look, open): (&Arc<Canvas>, Open)| {
            let grid = look.grid(spec.cell);
            let sides = (grid.rows as usize, grid.cols as usize);
            let turned_cols = if turn == Turn::Half { sides.1 } else { sides.0 };
            let place = |&cell: &u32| {
                let (row, col) = turn.back((cell as usize / turned_cols, cell as usize % turned_cols), sides);
                (row * sides.1 + col) as u32
            };
            open.renumbered(place, dim)
        };
        Ok(looks.iter().zip(opens).map(back).collect())
    }
}

/// The core's cells whose gate is open.
fn open_cells(patches: &[f32], gate: &[f32], threshold: f32, part: &Part) -> Open {
    let dim = patches.len() / gate.len();
    let Tile { rows, cols } = &part.tile;
    let mut open = Open { first: patches[..dim].to_vec(), ..Open::default() };
    for row in rows.core.clone() {
        for col in cols.core.clone() {
            let at = (row - rows.seen.start) * cols.seen.len() + col - cols.seen.start;
            if gate[at] >= threshold {
                open.cells.push((row * part.cols + col) as u32);
                open.gates.push(gate[at]);
                open.vectors.extend_from_slice(&patches[at * dim..(at + 1) * dim]);
            }
        }
    }
    open
}

/// The tiles of one look, which may come in any order.
fn joined(mut tiles: Vec<Open>) -> Open {
    if tiles.len() <= 1 {
        return tiles.pop().unwrap_or_default();
    }
    // Of the first, which holds cell 0: the runs of other sizes come behind it.
    let first = tiles[0].first.clone();
    let dim = first.len();
    let mut all = Open { first, ..Open::default() };
    for mut tile in tiles {
        all.cells.append(&mut tile.cells);
        all.gates.append(&mut tile.gates);
        all.vectors.append(&mut tile.vectors);
    }
    all.renumbered(|&cell| cell, dim)
}

impl Open {
    /// The same with other numbers for its cells, in their order.
    fn renumbered(&self, number: impl Fn(&u32) -> u32, dim: usize) -> Self {
        let mut order: Vec<(u32, usize)> = self.cells.iter().map(number).zip(0..).collect();
        order.sort_unstable();
        Self {
            cells: order.iter().map(|&(cell, _)| cell).collect(),
            gates: order.iter().map(|&(_, at)| self.gates[at]).collect(),
            vectors: order.iter().flat_map(|&(_, at)| &self.vectors[at * dim..(at + 1) * dim]).copied().collect(),
            first: self.first.clone(),
        }
    }
}

impl Model for GlyphPages {
    type Input = Arc<Looks>;
    type Batch = Batch;
    type Computed = Vec<Vec<Reading>>;
    type Output = PageEmbedding;

    fn join(&self, batch: &mut Batch, looks: Arc<Looks>) {
        looks.0.iter().for_each(|look| batch.upright.add(look, &self.graph.spec));
        batch.pages.push(looks);
    }

    fn compute(&self, batch: &Batch) -> Result<Vec<Vec<Reading>>> {
        let mut opens = self.read(&batch.upright)?.into_iter();
        let pages = batch.pages.iter();
        pages.map(|looks| self.readings(looks, opens.by_ref().take(looks.0.len()).collect())).collect()
    }

    /// The answers come in the order of the pages.
    fn finish(&self, batch: &Batch, computed: Vec<Vec<Reading>>) -> Result<Vec<PageEmbedding>> {
        let PageGraph { spec, dim, .. } = &*self.graph;
        let pages = batch.pages.iter().zip(computed);
        pages.map(|(looks, readings)| kept::embedding(&looks.0, &readings, spec, *dim)).collect()
    }
}
