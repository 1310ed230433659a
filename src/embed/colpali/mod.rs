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
mod runs;

use std::sync::Arc;

use serde_json::Value;

use super::family::{Family, Opened};
use super::manifest::Manifest;
use super::options::EmbedOptions;
use super::page_model::{InputArray, InputValues};
use crate::error::Result;
use crate::types::PageImage;
use graph::{Graph, TokenInputs};
use manifest::ColPaliManifest;
use pixels::PixelValues;
use prompt::{Prompt, Prompter};
use runs::{ColPaliPages, ColPaliQuestions};

/// A model of this family.
pub(super) struct ColPali(ColPaliManifest);

/// Questions to prompts, and what the graphs are given beside ids and pixels.
pub(super) struct Reader {
    prompter: Prompter,
    page_inputs: TokenInputs,
    question_inputs: TokenInputs,
}

impl Family for ColPali {
    type Page = PixelValues;
    type Question = Prompt;
    type Reader = Reader;
    type Pages = ColPaliPages;
    type Questions = ColPaliQuestions;

    fn read(manifest: &Value) -> Result<Self, String> {
        ColPaliManifest::read(manifest).map(Self)
    }

    /// One graph that serves pages and questions is opened once, for its weights are gigabytes. Questions and pages then take
    /// turns, run by run.
    fn open(&self, manifest: &Manifest, options: &EmbedOptions) -> Result<Opened<Self>> {
        let ColPaliManifest { page, question } = &self.0;
        let dim = manifest.info.dim;
        let open = |name: &str, output| Graph::open(&manifest.path_of(name)?, output, page, dim, options).map(Arc::new);
        let page_graph = open(&page.graph, &page.output)?;
        page_graph.must_take_pixels()?;
        let shared = page.graph == question.graph && page.output == question.output;
        let question_graph = if shared { page_graph.clone() } else { open(&question.graph, &question.output)? };
        let special = question.special_tokens_map.as_deref().map(|name| manifest.bytes_of(name)).transpose()?;
        let prompter = Prompter::new(&manifest.bytes_of(&question.tokenizer)?, special.as_deref(), question)?;
        let (page_inputs, question_inputs) = (page_graph.token_inputs, question_graph.token_inputs);
        let device = page_graph.device;
        // One run on all threads: it is large enough for them, and another would hold gigabytes more.
        let pages = vec![ColPaliPages::new(page_graph, page, dim)];
        let questions = ColPaliQuestions::new(question_graph, page, dim);
        Ok(Opened { reader: Reader { prompter, page_inputs, question_inputs }, pages, device, questions })
    }

    fn prepare(&self, image: &PageImage) -> Result<PixelValues> {
        PixelValues::new(image, &self.0.page)
    }

    fn question(reader: &Reader, text: &str) -> Result<Prompt> {
        reader.prompter.prompt(text)
    }

    fn page_arrays(&self, reader: &Reader, PixelValues(values): &PixelValues) -> Vec<InputArray> {
        let page = &self.0.page;
        let mut arrays = token_arrays(page.ids(), reader.page_inputs);
        let shape = vec![1, 3, page.height, page.width];
        arrays.push(InputArray { name: "pixel_values".into(), shape, values: InputValues::F32(values.clone()) });
        arrays
    }

    fn question_arrays(&self, reader: &Reader, prompt: &Prompt) -> Vec<InputArray> {
        token_arrays(prompt.ids.clone(), reader.question_inputs)
    }
}

/// Ids `[1, tokens]` and what the graph is given beside them.
fn token_arrays(ids: Vec<i64>, inputs: TokenInputs) -> Vec<InputArray> {
    let shape = vec![1, ids.len()];
    let array = |name: &str, values| InputArray { name: name.into(), shape: shape.clone(), values };
    let constants = inputs.constants().map(|(name, value)| array(name, InputValues::I64(vec![value; ids.len()])));
    let mut arrays: Vec<InputArray> = constants.collect();
    arrays.insert(0, array("input_ids", InputValues::I64(ids)));
    arrays
}

#[cfg(test)]
mod tests;
