//! Runs of the graphs: pixels to page embeddings, prompts to question embeddings.

use std::sync::Arc;

use super::graph::{Graph, GraphInputs, GraphOutput};
use super::manifest::PageSpec;
use super::pixels::PixelValues;
use super::prompt::Prompt;
use crate::embed::joined::Joined;
use crate::embed::worker::Model;
use crate::error::Result;
use crate::types::{Grid, Multivector, PageEmbedding, QuestionEmbedding, TokenLayout};

/// Pixels to page embeddings.
pub(in crate::embed) struct ColPaliPages {
    graph: Arc<Graph>,
    /// The prompt of one page.
    ids: Vec<i64>,
    layout: TokenLayout,
    dim: usize,
}

/// Pages of one run.
#[derive(Default)]
pub(in crate::embed) struct PageBatch {
    pixels: Joined<PixelValues, f32>,
    /// `[pages, tokens]`.
    ids: Vec<i64>,
}

impl ColPaliPages {
    pub(super) fn new(graph: Arc<Graph>, page: &PageSpec, dim: usize) -> Self {
        let layout =
            TokenLayout::full(Grid { rows: page.rows, cols: page.cols }).followed_by_text(page.suffix_ids.len());
        Self { graph, ids: page.ids(), layout, dim }
    }
}

impl Model for ColPaliPages {
    type Input = Arc<PixelValues>;
    type Batch = PageBatch;
    type Computed = GraphOutput;
    type Output = PageEmbedding;

    fn join(&self, batch: &mut PageBatch, page: Arc<PixelValues>) {
        batch.pixels.push(page);
        batch.ids.extend_from_slice(&self.ids);
    }

    fn compute(&self, batch: &PageBatch) -> Result<GraphOutput> {
        let (pages, pixels) = (batch.pixels.pages().len(), batch.pixels.values());
        self.graph.run(&GraphInputs { batch: pages, ids: &batch.ids, pixels })
    }

    fn finish(&self, _: &PageBatch, computed: GraphOutput) -> Result<Vec<PageEmbedding>> {
        let values = self.graph.vectors(&computed)?;
        let pages = values.chunks_exact(self.ids.len() * self.dim);
        pages
            .map(|page| {
                let patches = Multivector::new(self.dim, page.to_vec())?;
                Ok(PageEmbedding { patches, layout: self.layout.clone() })
            })
            .collect()
    }
}

/// Prompts to question embeddings.
pub(in crate::embed) struct ColPaliQuestions {
    graph: Arc<Graph>,
    /// The image that is not there: zeros, or nothing if the graph takes no pixels.
    pub(super) pixels: Vec<f32>,
    dim: usize,
}

impl ColPaliQuestions {
    pub(super) fn new(graph: Arc<Graph>, page: &PageSpec, dim: usize) -> Self {
        let pixels = if graph.has_pixels { 3 * page.width * page.height } else { 0 };
        Self { graph, pixels: vec![0.0; pixels], dim }
    }
}

/// Prompts differ in length, so each takes a run.
impl Model for ColPaliQuestions {
    type Input = Arc<Prompt>;
    type Batch = Vec<Arc<Prompt>>;
    type Computed = Vec<GraphOutput>;
    type Output = QuestionEmbedding;

    fn join(&self, batch: &mut Self::Batch, prompt: Arc<Prompt>) {
        batch.push(prompt);
    }

    fn compute(&self, batch: &Self::Batch) -> Result<Vec<GraphOutput>> {
        let run =
            |prompt: &Arc<Prompt>| self.graph.run(&GraphInputs { batch: 1, ids: &prompt.ids, pixels: &self.pixels });
        batch.iter().map(run).collect()
    }

    fn finish(&self, batch: &Self::Batch, computed: Vec<GraphOutput>) -> Result<Vec<QuestionEmbedding>> {
        let embedding = |(prompt, output): (&Arc<Prompt>, GraphOutput)| {
            let tokens = Multivector::new(self.dim, self.graph.vectors(&output)?)?;
            Ok(QuestionEmbedding { tokens, labels: prompt.labels.clone(), from_text: prompt.from_text.clone() })
        };
        batch.iter().zip(computed).map(embedding).collect()
    }
}
