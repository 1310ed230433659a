//! `answer`: how questions are answered. The model that may do it has a file of its own, `vlm.rs`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::env::Environment;
use super::report::Mistakes;
use super::tree::Node;
use super::vlm::{ImageChoice, Vlm, VlmWire};

/// How questions are answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Pages that are taken as evidence.
    pub pages: usize,
    /// Most sentences of an extractive answer.
    pub sentences: usize,
    /// The model that composes answers; None: answers are quoted from the pages.
    pub vlm: Option<Vlm>,
}

/// How questions are answered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Answer")]
pub(super) struct AnswerWire {
    /// Pages that are taken as evidence.
    #[schemars(range(min = 1, max = 100))]
    pages: usize,
    /// Most sentences of an extractive answer.
    #[schemars(range(min = 1, max = 100))]
    sentences: usize,
    /// What the answer model sees of a page: all of it, or the parts that answer, larger, beside a small whole page. `auto`: the
    /// parts where the whole page could not be read within `answer.vlm.max_page_pixels`.
    images: ImageChoice,
    /// Only from a file that the user chose: pages and keys are sent there.
    vlm: Option<VlmWire>,
}

impl Default for AnswerWire {
    fn default() -> Self {
        Self { pages: 5, sentences: 4, images: ImageChoice::Auto, vlm: None }
    }
}

impl AnswerWire {
    /// What the schema can't say.
    pub(super) fn check(&self, root: &Node, environment: &Environment, mistakes: &mut Mistakes) {
        if let Some(vlm) = &self.vlm {
            vlm.check(root, environment, mistakes);
        }
    }

    /// The validated form; `path` makes a path of what is written at a key.
    pub(super) fn into_answer(self, environment: &Environment, path: impl Fn(&str, &str) -> PathBuf) -> Answer {
        Answer {
            pages: self.pages,
            sentences: self.sentences,
            vlm: self.vlm.map(|vlm| vlm.into_vlm(environment, self.images, path)),
        }
    }
}
