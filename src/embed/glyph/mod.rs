//! The glyph family: small models that find what is *written* on a page by its shape. A page graph turns a canvas of
//! luma into one vector a cell and says which cells hold ink worth keeping; a question graph turns the character
//! n-grams of each word into one vector a word.

mod canvas;
mod manifest;
mod words;

pub(super) use canvas::Canvas;
pub(super) use manifest::GlyphManifest;
pub(super) use words::WordRules;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ort::session::Session;
use ort::value::{TensorElementType, TensorRef};

use super::EmbedOptions;
use super::family::{Family, InputArray, InputValues, Opened};
use super::manifest::Manifest;
use super::session::{self, Expected, Threads};
use super::worker::Model;
use crate::error::{Error, Result};
use crate::types::{Device, Grid, Multivector, PageEmbedding, PageImage, QuestionEmbedding, TokenLayout};
use manifest::{Dtype, PageSpec, QuestionSpec};

/// Pages to canvases and questions to words.
pub(super) struct Glyph {
    manifest: GlyphManifest,
    rules: WordRules,
}

impl Glyph {
    /// # Errors
    /// Configuration, where a graph does not fit the manifest.
    pub fn open(manifest: &Manifest, glyph: &GlyphManifest, options: &EmbedOptions) -> Result<Opened<Self>> {
        let dim = manifest.info.dim;
        let stop_words = manifest.bytes_of(&glyph.question.words.stop_words)?;
        let rules = WordRules::new(glyph.question.clone(), &String::from_utf8_lossy(&stop_words));
        let (pages, device) = PageModel::open(manifest, &glyph.page, options)?;
        let graph = manifest.path_of(&glyph.question.graph)?;
        let questions = QuestionModel::open(&graph, &glyph.question, rules.clone(), dim)?;
        Ok(Opened { family: Self { manifest: glyph.clone(), rules }, pages, device, questions })
    }
}

impl Family for Glyph {
    type Pages = PageModel;
    type Questions = QuestionModel;

    fn prepare(&self, image: &PageImage) -> Result<Canvas> {
        Canvas::new(image, &self.manifest.page)
    }

    fn question(&self, text: &str) -> Result<Words> {
        let words = self.rules.question_words(text);
        if words.is_empty() {
            return Err(Error::permanent(if text.trim().is_empty() {
                "the question is empty: ask with at least one word".to_owned()
            } else {
                let shown: String = text.chars().take(40).collect();
                format!("the question '{shown}' has no letter or digit: ask with at least one word")
            }));
        }
        Ok(Words(words))
    }

    fn page_arrays(&self, canvas: &Canvas) -> Vec<InputArray> {
        let shape = vec![1, 1, canvas.height, canvas.width];
        let name = self.manifest.page.input.name.clone();
        vec![InputArray { name, shape, values: InputValues::U8(canvas.data.clone()) }]
    }

    fn question_arrays(&self, Words(words): &Words) -> Vec<InputArray> {
        let Bags { shape, ids, mask } = Bags::new(&self.rules, words);
        let inputs = &self.manifest.question.inputs;
        vec![
            InputArray { name: inputs.ids.name.clone(), shape: shape.to_vec(), values: InputValues::I64(ids) },
            InputArray { name: inputs.mask.name.clone(), shape: shape.to_vec(), values: InputValues::F32(mask) },
        ]
    }
}

/// The n-grams of a question's words, padded to the longest bag.
struct Bags {
    /// `[words, ngrams]`.
    shape: [usize; 2],
    ids: Vec<i64>,
    mask: Vec<f32>,
}

impl Bags {
    fn new(rules: &WordRules, words: &[String]) -> Self {
        let ids: Vec<Vec<u32>> = words.iter().map(|word| rules.ids(word)).collect();
        let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
        let mut padded = vec![0i64; words.len() * longest];
        let mut mask = vec![0f32; padded.len()];
        for (word, ids) in ids.iter().enumerate() {
            for (at, &id) in ids.iter().enumerate() {
                padded[word * longest + at] = i64::from(id);
                mask[word * longest + at] = 1.0;
            }
        }
        Self { shape: [words.len(), longest], ids: padded, mask }
    }
}

/// Canvases to page embeddings.
pub(super) struct PageModel {
    graph: Arc<PageGraph>,
    /// None: opened for the first page. Who only asks questions needs none but the first.
    session: Option<Session>,
}

/// The page graph as it was checked: all sessions are of these bytes, whatever becomes of the file.
struct PageGraph {
    path: PathBuf,
    bytes: Vec<u8>,
    spec: PageSpec,
    dim: usize,
}

/// A question's words to its embedding.
pub(super) struct QuestionModel {
    session: Session,
    spec: QuestionSpec,
    rules: WordRules,
    dim: usize,
}

/// A question, cut into words.
pub(super) struct Words(pub Vec<String>);

fn element(dtype: Dtype) -> TensorElementType {
    match dtype {
        Dtype::Uint8 => TensorElementType::Uint8,
        Dtype::Int64 => TensorElementType::Int64,
        Dtype::Float32 => TensorElementType::Float32,
    }
}

/// A failure of ONNX Runtime on valid input: memory, mostly.
fn failed(what: &'static str) -> impl Fn(ort::Error) -> Error {
    move |error| Error::transient(format!("the {what} model failed")).with_source(error)
}

impl PageGraph {
    /// For runs of one thread each on the CPU; `threads`: what a device may use of it.
    fn open(&self, threads: usize, device: Device) -> Result<(Session, Device)> {
        let threads = Threads { cpu: 1, beside_device: threads };
        session::open(session::Graph::Bytes(&self.path, &self.bytes), threads, device)
    }

    /// # Errors
    /// Configuration, where the graph does not fit the manifest.
    fn check(&self, session: &Session) -> Result<()> {
        let Self { path, spec, dim, .. } = self;
        let (patches, gate) = (&spec.outputs.patches, &spec.outputs.gate);
        let input = [None, Some(1), None, None];
        session::check(
            path,
            session,
            &[Expected { name: &spec.input.name, dtype: element(spec.input.dtype), shape: &input }],
            &[
                Expected {
                    name: &patches.name,
                    dtype: element(patches.dtype),
                    shape: &[None, None, Some(*dim as i64)],
                },
                Expected { name: &gate.name, dtype: element(gate.dtype), shape: &[None, None] },
            ],
        )
    }
}

impl PageModel {
    /// One model a thread on the CPU: a page is so little work that dividing it among threads leaves them waiting for each
    /// other. One altogether on a device.
    ///
    /// # Errors
    /// Configuration, where the graph does not fit the manifest.
    fn open(manifest: &Manifest, spec: &PageSpec, options: &EmbedOptions) -> Result<(Vec<Self>, Device)> {
        let (path, bytes) = (manifest.path_of(&spec.graph)?, manifest.bytes_of(&spec.graph)?);
        let graph = Arc::new(PageGraph { path, bytes, spec: spec.clone(), dim: manifest.info.dim });
        let (session, device) = graph.open(options.threads, options.device)?;
        graph.check(&session)?;
        let others = if device == Device::Cpu { options.threads.saturating_sub(1) } else { 0 };
        let first = Self { graph: graph.clone(), session: Some(session) };
        let others = (0..others).map(|_| Self { graph: graph.clone(), session: None });
        Ok((std::iter::once(first).chain(others).collect(), device))
    }

    /// Canvases of one size, in one run.
    fn run_alike(&mut self, canvases: &[&Canvas]) -> Result<Vec<PageEmbedding>> {
        let PageGraph { spec, dim, .. } = &*self.graph;
        let session = match &mut self.session {
            Some(session) => session,
            // The first one runs on the CPU, else there would be no others.
            empty => empty.insert(self.graph.open(1, Device::Cpu)?.0),
        };
        let (width, height) = (canvases[0].width, canvases[0].height);
        let joined;
        let data = match canvases {
            [one] => &one.data,
            several => {
                joined = several.iter().map(|canvas| canvas.data.as_slice()).collect::<Vec<_>>().concat();
                &joined
            }
        };
        let shape = [canvases.len(), 1, height, width];
        let input = TensorRef::from_array_view((shape, data.as_slice())).map_err(failed("page"))?;
        let outputs = session.run(ort::inputs![&spec.input.name => input]).map_err(failed("page"))?;
        let output = |name: &str| outputs[name].try_extract_tensor::<f32>().map_err(failed("page"));
        let (_, patches) = output(&spec.outputs.patches.name)?;
        let (_, gate) = output(&spec.outputs.gate.name)?;
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
        pages.map(|((patches, gate), canvas)| kept(patches, gate, spec.keep.threshold, canvas, grid)).collect()
    }
}

/// Cells whose gate is open; the first where none is, so that every page has a vector.
fn kept(patches: &[f32], gate: &[f32], threshold: f32, canvas: &Canvas, grid: Grid) -> Result<PageEmbedding> {
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
    Ok(PageEmbedding { patches: Multivector::new(dim, kept)?, layout: TokenLayout { grid, cells, covered } })
}

impl Model for PageModel {
    type Input = Canvas;
    type Output = PageEmbedding;

    /// Portrait and landscape pages take a run each; the answers come in the order of the pages.
    fn run(&mut self, inputs: &[Canvas]) -> Result<Vec<PageEmbedding>> {
        let mut made: Vec<Option<PageEmbedding>> = inputs.iter().map(|_| None).collect();
        let size = |canvas: &Canvas| (canvas.width, canvas.height);
        while let Some(first) = made.iter().position(Option::is_none) {
            let alike: Vec<usize> =
                (first..inputs.len()).filter(|&at| size(&inputs[at]) == size(&inputs[first])).collect();
            let canvases: Vec<&Canvas> = alike.iter().map(|&at| &inputs[at]).collect();
            for (at, page) in alike.into_iter().zip(self.run_alike(&canvases)?) {
                made[at] = Some(page);
            }
        }
        Ok(made.into_iter().flatten().collect())
    }
}

impl QuestionModel {
    /// # Errors
    /// Configuration, where the graph does not fit the manifest.
    fn open(graph: &Path, spec: &QuestionSpec, rules: WordRules, dim: usize) -> Result<Self> {
        // A question is a few words: more threads, or a device, would take longer to wake than to compute.
        let one = Threads { cpu: 1, beside_device: 1 };
        let (session, _) = session::open(session::Graph::File(graph), one, Device::Cpu)?;
        let (ids, mask) = (&spec.inputs.ids, &spec.inputs.mask);
        session::check(
            graph,
            &session,
            &[
                Expected { name: &ids.name, dtype: element(ids.dtype), shape: &[None, None] },
                Expected { name: &mask.name, dtype: element(mask.dtype), shape: &[None, None] },
            ],
            &[Expected {
                name: &spec.output.name,
                dtype: element(spec.output.dtype),
                shape: &[None, Some(dim as i64)],
            }],
        )?;
        Ok(Self { session, spec: spec.clone(), rules, dim })
    }

    fn embed(&mut self, words: &[String]) -> Result<QuestionEmbedding> {
        let Bags { shape, ids, mask } = Bags::new(&self.rules, words);
        let ids = TensorRef::from_array_view((shape, ids.as_slice())).map_err(failed("question"))?;
        let mask = TensorRef::from_array_view((shape, mask.as_slice())).map_err(failed("question"))?;
        let inputs = ort::inputs![&self.spec.inputs.ids.name => ids, &self.spec.inputs.mask.name => mask];
        let outputs = self.session.run(inputs).map_err(failed("question"))?;
        let (_, vectors) =
            outputs[self.spec.output.name.as_str()].try_extract_tensor::<f32>().map_err(failed("question"))?;
        if vectors.len() != words.len() * self.dim {
            return Err(Error::configuration(format!(
                "the question graph gave {} values for {} words of {}: its manifest does not fit it",
                vectors.len(),
                words.len(),
                self.dim
            )));
        }
        let tokens = Multivector::new(self.dim, vectors.to_vec())?;
        Ok(QuestionEmbedding { tokens, labels: words.to_vec(), from_text: vec![true; words.len()] })
    }
}

impl Model for QuestionModel {
    type Input = Words;
    type Output = QuestionEmbedding;

    fn run(&mut self, inputs: &[Words]) -> Result<Vec<QuestionEmbedding>> {
        inputs.iter().map(|Words(words)| self.embed(words)).collect()
    }
}

/// A small manifest of this family, for the tests of this room.
#[cfg(test)]
pub(super) const TEST_MANIFEST: &str = include_str!("test_manifest.json");

#[cfg(test)]
pub(super) fn test_manifest() -> GlyphManifest {
    GlyphManifest::read(serde_json::from_str(TEST_MANIFEST).unwrap()).unwrap()
}

#[cfg(test)]
mod tests;
