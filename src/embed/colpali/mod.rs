//! The ColPali family: PaliGemma with a projection, exported to ONNX, as FastEmbed runs `Qdrant/colpali-v1.3-fp16`. A
//! page is resized to a square and becomes a vector for each patch and for each token of a constant prompt; a question
//! becomes a vector for each token of its prompt. Every row of the output is kept, as FastEmbed keeps them.
//!
//! One graph for both takes part of its time to look at an image that is not there when it embeds a question. Exporters
//! that write a second graph without pixels save that.

mod graph;
mod manifest;
mod pixels;
mod prompt;

pub(super) use manifest::ColPaliManifest;

use std::sync::Arc;

use super::EmbedOptions;
use super::family::{Family, InputArray, InputValues, Opened};
use super::manifest::Manifest;
use super::worker::Model;
use crate::error::Result;
use crate::types::{Grid, Multivector, PageEmbedding, PageImage, QuestionEmbedding, TokenLayout};
use graph::{Graph, Run};
use manifest::PageSpec;
use pixels::Pixels;
use prompt::{Prompt, Prompter};

/// Pages to pixels and questions to ids.
pub(super) struct ColPali {
    page: PageSpec,
    prompter: Prompter,
    /// For what they say of their inputs.
    page_graph: Arc<Graph>,
    question_graph: Arc<Graph>,
}

/// Pixels to page embeddings.
pub(super) struct PageModel {
    graph: Arc<Graph>,
    ids: Vec<i64>,
    layout: TokenLayout,
    dim: usize,
}

/// Prompts to question embeddings.
pub(super) struct QuestionModel {
    graph: Arc<Graph>,
    /// The image that is not there: zeros, or nothing where the graph takes no pixels.
    pixels: Vec<f32>,
    dim: usize,
}

impl ColPali {
    /// Opens the graphs; one that serves pages and questions is opened once, for its weights are gigabytes. Questions
    /// and pages then take turns, run by run.
    ///
    /// # Errors
    /// Configuration, where a graph or the tokenizer does not fit the manifest.
    pub fn open(manifest: &Manifest, spec: &ColPaliManifest, options: &EmbedOptions) -> Result<Opened<Self>> {
        let ColPaliManifest { page, question } = spec;
        let dim = manifest.info.dim;
        let open = |name: &str, output| Graph::open(&manifest.path_of(name)?, output, page, dim, options).map(Arc::new);
        let page_graph = open(&page.graph, &page.output)?;
        page_graph.must_take_pixels()?;
        let shared = page.graph == question.graph && page.output == question.output;
        let question_graph = if shared { page_graph.clone() } else { open(&question.graph, &question.output)? };
        let special = question.special_tokens_map.as_deref().map(|name| manifest.bytes_of(name)).transpose()?;
        let prompter = Prompter::new(&manifest.bytes_of(&question.tokenizer)?, special.as_deref(), question)?;

        let mut layout = TokenLayout::full(Grid { rows: page.rows, cols: page.cols });
        layout.cells.extend(page.suffix_ids.iter().map(|_| None));
        let pixels = if question_graph.has_pixels { 3 * page.width * page.height } else { 0 };
        let pages = PageModel { graph: page_graph.clone(), ids: page.ids(), layout, dim };
        let questions = QuestionModel { graph: question_graph.clone(), pixels: vec![0.0; pixels], dim };
        let device = page_graph.device;
        let family = Self { page: page.clone(), prompter, page_graph, question_graph };
        // One run on all threads: it is large enough for them, and another would hold gigabytes more.
        Ok(Opened { family, pages: vec![pages], device, questions })
    }
}

impl Family for ColPali {
    type Pages = PageModel;
    type Questions = QuestionModel;

    fn prepare(&self, image: &PageImage) -> Result<Pixels> {
        Pixels::new(image, &self.page)
    }

    fn question(&self, text: &str) -> Result<Prompt> {
        self.prompter.prompt(text)
    }

    fn page_arrays(&self, Pixels(values): &Pixels) -> Vec<InputArray> {
        let mut arrays = token_arrays(self.page.ids(), &self.page_graph);
        let shape = vec![1, 3, self.page.height, self.page.width];
        arrays.push(InputArray { name: "pixel_values".into(), shape, values: InputValues::F32(values.clone()) });
        arrays
    }

    fn question_arrays(&self, prompt: &Prompt) -> Vec<InputArray> {
        token_arrays(prompt.ids.clone(), &self.question_graph)
    }
}

/// Ids `[1, tokens]` and what the graph is given beside them.
fn token_arrays(ids: Vec<i64>, graph: &Graph) -> Vec<InputArray> {
    let shape = vec![1, ids.len()];
    let array = |name: &str, values| InputArray { name: name.into(), shape: shape.clone(), values };
    let constants = graph.constant_inputs().map(|(name, value)| array(name, InputValues::I64(vec![value; ids.len()])));
    let mut arrays: Vec<InputArray> = constants.collect();
    arrays.insert(0, array("input_ids", InputValues::I64(ids)));
    arrays
}

impl Model for PageModel {
    type Input = Pixels;
    type Output = PageEmbedding;

    fn run(&mut self, inputs: &[Pixels]) -> Result<Vec<PageEmbedding>> {
        let joined;
        let pixels = match inputs {
            [Pixels(one)] => one,
            several => {
                joined = several.iter().flat_map(|Pixels(values)| values).copied().collect::<Vec<f32>>();
                &joined
            }
        };
        let ids = self.ids.repeat(inputs.len());
        let values = self.graph.run(&Run { batch: inputs.len(), ids: &ids, pixels })?;
        let pages = values.chunks_exact(self.ids.len() * self.dim);
        pages
            .map(|page| {
                let patches = Multivector::new(self.dim, page.to_vec())?;
                Ok(PageEmbedding { patches, layout: self.layout.clone() })
            })
            .collect()
    }
}

impl Model for QuestionModel {
    type Input = Prompt;
    type Output = QuestionEmbedding;

    fn run(&mut self, inputs: &[Prompt]) -> Result<Vec<QuestionEmbedding>> {
        let embed = |prompt: &Prompt| {
            let values = self.graph.run(&Run { batch: 1, ids: &prompt.ids, pixels: &self.pixels })?;
            let tokens = Multivector::new(self.dim, values)?;
            Ok(QuestionEmbedding { tokens, labels: prompt.labels.clone(), from_text: prompt.from_text.clone() })
        };
        inputs.iter().map(embed).collect()
    }
}

#[cfg(test)]
mod tests;
