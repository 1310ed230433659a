//! The ColPali family's part of a manifest. `scripts/colpali_manifest.py` writes one for a folder of files; docs/colpali.md
//! explains every field.

use serde::Deserialize;
use serde_json::Value;

use crate::embed::resize::Filter;

/// Fewest tokens of a question: its prompt, its augmentation and a word must fit.
const MIN_TOKENS: usize = 16;
/// Longest side of the model's image, in pixels. The published models have 448 and 896.
const MAX_SIDE: usize = 4096;

/// `page` and `question` of a manifest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct ColPaliManifest {
    pub page: PageSpec,
    pub question: QuestionSpec,
}

/// The page graph, and what it is given: pixels `[batch, 3, height, width]` and the ids of a constant prompt.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::embed) struct PageSpec {
    pub graph: String,
    pub output: OutputRef,
    /// Size that every page is resized to, whatever its shape.
    pub width: usize,
    pub height: usize,
    pub resize: Resize,
    /// What a sample of 0 to 255 is multiplied with, in f64, before it becomes f32.
    pub rescale: f64,
    /// Red, green, blue.
    pub mean: [f32; 3],
    pub std: [f32; 3],
    /// The grid of patches. The prompt begins with `rows * cols` times `image_token`; output rows follow it, row by row.
    pub rows: u32,
    pub cols: u32,
    pub image_token: i64,
    /// The rest of the prompt: ids of a fixed text.
    pub suffix_ids: Vec<i64>,
}

/// The question graph, and how a text becomes ids.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::embed) struct QuestionSpec {
    /// The page graph once more, or one that needs no pixels.
    pub graph: String,
    pub output: OutputRef,
    pub tokenizer: String,
    /// File with special tokens that the tokenizer's own file may lack.
    pub special_tokens_map: Option<String>,
    /// Text before the question.
    pub prefix: String,
    pub augmentation: Augmentation,
    /// Text behind the augmentation.
    pub suffix: String,
    /// Written over the first ids of whatever the tokenizer gave: FastEmbed's way to a correct prompt.
    pub first_ids: Vec<u32>,
    /// Longest question, in tokens with everything around it.
    pub max_tokens: Option<usize>,
    /// Where longer ones are cut.
    #[serde(default)]
    pub truncate: Side,
}

/// Tokens behind the question whose vectors stand for what it leaves unsaid.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::embed) struct Augmentation {
    pub token: String,
    pub count: usize,
}

/// An output by its place or its name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(in crate::embed) enum OutputRef {
    Index(usize),
    Name(String),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::embed) enum Side {
    Left,
    #[default]
    Right,
}

/// Pillow's filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(in crate::embed) enum Resize {
    #[serde(rename = "pillow-box")]
    Box,
    #[serde(rename = "pillow-bilinear")]
    Bilinear,
    #[serde(rename = "pillow-bicubic")]
    Bicubic,
    #[serde(rename = "pillow-lanczos")]
    Lanczos,
}

impl From<Resize> for Filter {
    fn from(resize: Resize) -> Self {
        match resize {
            Resize::Box => Self::Box,
            Resize::Bilinear => Self::Bilinear,
            Resize::Bicubic => Self::Bicubic,
            Resize::Lanczos => Self::Lanczos,
        }
    }
}

impl ColPaliManifest {
    /// # Errors
    /// A sentence that names the field, what was found and what is expected.
    pub fn read(manifest: &Value) -> Result<Self, String> {
        // Read apart, so that an error names its half.
        let part = |name: &str| manifest.get(name).cloned().unwrap_or(Value::Null);
        let page: PageSpec = serde_json::from_value(part("page")).map_err(|error| format!("page: {error}"))?;
        let question: QuestionSpec =
            serde_json::from_value(part("question")).map_err(|error| format!("question: {error}"))?;
        let side = 1..=MAX_SIDE;
        if !side.contains(&page.width) || !side.contains(&page.height) {
            return Err(format!(
                "page.width and page.height are {} and {}, 1 to {MAX_SIDE} pixels are expected",
                page.width, page.height
            ));
        }
        let cells = u64::from(page.rows) * u64::from(page.cols);
        if cells == 0 || cells > (page.width * page.height) as u64 {
            return Err(format!(
                "page.rows and page.cols are {} and {}, a grid of patches of {} x {} pixels is expected",
                page.rows, page.cols, page.width, page.height
            ));
        }
        if !page.rescale.is_finite() || page.std.contains(&0.0) {
            return Err("page.rescale must be a number, and no page.std may be 0".into());
        }
        if let Some(tokens) = question.max_tokens.filter(|&tokens| tokens < MIN_TOKENS) {
            return Err(format!("question.max_tokens is {tokens}, at least {MIN_TOKENS} is expected"));
        }
        Ok(Self { page, question })
    }
}

impl PageSpec {
    /// Patches of a page.
    pub fn cells(&self) -> usize {
        self.rows as usize * self.cols as usize
    }

    /// The constant prompt of a page.
    pub fn ids(&self) -> Vec<i64> {
        let mut ids = vec![self.image_token; self.cells()];
        ids.extend_from_slice(&self.suffix_ids);
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let good: Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/colpali/model/manifest.json")).unwrap();
        assert_eq!(ColPaliManifest::read(&good).unwrap().page.ids().len(), 1030);
        for (place, value, says) in [
            ("/page/resize", "bicubic".into(), "page: unknown variant `bicubic`"),
            ("/page/width", 0.into(), "page.width"),
            ("/page/rows", 0.into(), "page.rows"),
            ("/page/std", serde_json::json!([0.5, 0.0, 0.5]), "page.std"),
            ("/page/output", Value::Null, "page: "),
            ("/question/max_tokens", 3.into(), "question.max_tokens is 3"),
            ("/question/augmentation", serde_json::json!({"token": "<pad>"}), "question: missing field `count`"),
        ] {
            let mut manifest = good.clone();
            *manifest.pointer_mut(place).unwrap() = value;
            let error = ColPaliManifest::read(&manifest).unwrap_err();
            assert!(error.contains(says), "{place}: {error}");
        }
        let mut manifest = good;
        manifest["question"]["sufix"] = "\n".into();
        assert!(ColPaliManifest::read(&manifest).unwrap_err().contains("sufix"));
    }
}
