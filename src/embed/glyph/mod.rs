//! The glyph family: small models that find what is *written* on a page by its shape. A page graph turns a canvas of
//! luma into one vector a cell and says which cells hold ink worth keeping; a question graph turns the character
//! n-grams of each word into one vector a word.
//!
//! The page graph reads letters of some sizes, so a page is looked at at several scales (`scales`, `canvas`); what is too long
//! for one run is cut (`tiles`), what stands on its side is turned (`turns`), and what says nothing new goes (`kept`).

mod canvas;
mod graph;
mod kept;
mod manifest;
mod pages;
mod questions;
mod scales;
mod tiles;
mod turns;
mod words;

use std::sync::Arc;

use serde_json::Value;

use super::family::{Family, Opened};
use super::manifest::Manifest;
use super::options::EmbedOptions;
use super::page_model::{InputArray, InputValues};
use crate::error::{Error, Result};
use crate::types::PageImage;
use canvas::{Canvas, Looks};
use manifest::GlyphManifest;
use pages::GlyphPages;
use questions::{GlyphQuestions, Question, WordNgrams};
use words::WordRules;

/// A model of this family.
pub(super) struct Glyph(GlyphManifest);

impl Family for Glyph {
    type Page = Looks;
    type Question = Question;
    type Reader = WordRules;
    type Pages = GlyphPages;
    type Questions = GlyphQuestions;

    fn read(manifest: &Value) -> Result<Self, String> {
        GlyphManifest::read(manifest).map(Self)
    }

    fn open(&self, manifest: &Manifest, options: &EmbedOptions) -> Result<Opened<Self>> {
        let GlyphManifest { page, question } = &self.0;
        let stop_words = manifest.bytes_of(&question.words.stop_words)?;
        let reader = WordRules::new(question.clone(), &String::from_utf8_lossy(&stop_words));
        let (pages, device) = GlyphPages::open(manifest, page, options)?;
        let graph = manifest.path_of(&question.graph)?;
        let questions = GlyphQuestions::open(&graph, question, reader.clone(), manifest.info.dim)?;
        Ok(Opened { reader, pages, device, questions })
    }

    fn prepare(&self, image: &PageImage) -> Result<Looks> {
        Looks::new(image, &self.0.page)
    }

    fn question(rules: &WordRules, text: &str) -> Result<Question> {
        let words = rules.question_words(text);
        if words.is_empty() {
            return Err(Error::permanent(if text.trim().is_empty() {
                "the question is empty: ask with at least one word".to_owned()
            } else {
                let shown: String = text.chars().take(40).collect();
                format!("the question '{shown}' has no letter or digit: ask with at least one word")
            }));
        }
        Ok(Question { words })
    }

    /// The canvas of full scale by the input's name, the others by that and their number, from 1.
    fn page_arrays(&self, _: &WordRules, Looks(looks): &Looks) -> Vec<InputArray> {
        let name = |number: usize| match number {
            0 => self.0.page.input.name.clone(),
            _ => format!("{}_{number}", self.0.page.input.name),
        };
        let array = |(number, look): (usize, &Arc<Canvas>)| {
            let shape = vec![1, 1, look.height, look.width];
            InputArray { name: name(number), shape, values: InputValues::U8(look.data.clone()) }
        };
        looks.iter().enumerate().map(array).collect()
    }

    fn question_arrays(&self, rules: &WordRules, question: &Question) -> Vec<InputArray> {
        let WordNgrams { shape, ids, mask } = WordNgrams::new(rules, &question.words);
        let inputs = &self.0.question.inputs;
        vec![
            InputArray { name: inputs.ids.name.clone(), shape: shape.to_vec(), values: InputValues::I64(ids) },
            InputArray { name: inputs.mask.name.clone(), shape: shape.to_vec(), values: InputValues::F32(mask) },
        ]
    }
}

#[cfg(test)]
mod tests;
