//! The glyph family's part of a manifest. Rules that are code are spelled out in the manifest too; a rule that this
//! code does not follow is refused instead of guessed at.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// `page` and `question` of a manifest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct GlyphManifest {
    pub page: PageSpec,
    pub question: QuestionSpec,
}

/// The page graph: canvas `[batch, 1, height, width]` to patches `[batch, cells, dim]` and gate `[batch, cells]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct PageSpec {
    pub graph: String,
    pub input: Port,
    pub outputs: PageOutputs,
    /// `[width, height]` of the canvas, in pixels.
    pub portrait: [usize; 2],
    pub landscape: [usize; 2],
    pub background: u8,
    /// A page of a lower mean luma is taken for white on black and inverted.
    pub invert_if_mean_luma_below: u64,
    /// `[width, height]` of a cell, in pixels.
    pub cell: [usize; 2],
    pub keep: Keep,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct PageOutputs {
    pub patches: Port,
    pub gate: Port,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct Keep {
    /// A cell whose gate is below says nothing and is dropped.
    pub threshold: f32,
}

/// The question graph: n-gram ids and their mask, both `[words, ngrams]`, to vectors `[words, dim]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct QuestionSpec {
    pub graph: String,
    pub inputs: QuestionInputs,
    pub output: Port,
    pub fold: Fold,
    pub words: WordsSpec,
    pub ngrams: NgramsSpec,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct QuestionInputs {
    pub ids: Port,
    pub mask: Port,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct Fold {
    /// Letters that have no decomposition, and what readers type instead.
    pub replace: BTreeMap<char, String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct WordsSpec {
    pub max_chars: usize,
    /// File with one word a line.
    pub stop_words: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct NgramsSpec {
    pub bag_prefix: String,
    pub bag_sizes: Vec<usize>,
    /// What stands before and after a word.
    pub frame: [String; 2],
    /// Bags of this size and larger see the frame.
    pub framed_from_size: usize,
    pub start_prefix: String,
    pub end_prefix: String,
    pub place_sizes: Vec<usize>,
    pub word_prefix: String,
    /// Rows of the table; a power of two.
    pub buckets: u32,
}

/// Name and element type of an input or output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct Port {
    pub name: String,
    pub dtype: Dtype,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::embed) enum Dtype {
    Uint8,
    Int64,
    Float32,
}

/// Rules that are code, by their place in the manifest.
fn rules() -> Vec<(&'static str, Value)> {
    use serde_json::json;
    vec![
        ("page.input.dtype", json!("uint8")),
        ("page.outputs.patches.dtype", json!("float32")),
        ("page.outputs.gate.dtype", json!("float32")),
        ("page.landscape_if", json!("width > height")),
        ("page.luma", json!("pillow-L")),
        ("page.resize", json!("pillow-bicubic")),
        ("page.place", json!("top-left")),
        ("page.keep.rule", json!("gate >= threshold")),
        ("page.keep.if_none", json!("cell 0")),
        ("question.inputs.ids.dtype", json!("int64")),
        ("question.inputs.mask.dtype", json!("float32")),
        ("question.output.dtype", json!("float32")),
        ("question.fold.normalize", json!("NFKD")),
        ("question.fold.lowercase", json!(true)),
        ("question.fold.drop_category", json!("Mn")),
        ("question.words.characters", json!(["L", "N"])),
        ("question.words.joiners", json!(".,")),
        ("question.words.joiners_between", json!("Nd")),
        ("question.words.joiner_written_as", json!(".")),
        ("question.words.deduplicate", json!(true)),
        ("question.words.drop_single_letters", json!(true)),
        ("question.ngrams.hash", json!("fnv1a-32")),
    ]
}

impl GlyphManifest {
    /// # Errors
    /// A sentence that names the field, what was found and what is known.
    pub fn read(manifest: &Value) -> Result<Self, String> {
        for (place, known) in rules() {
            let found = manifest.pointer(&format!("/{}", place.replace('.', "/"))).unwrap_or(&Value::Null);
            if *found != known {
                return Err(format!("{place} is {found}, and this Quire knows only {known}"));
            }
        }
        let read = Self::deserialize(manifest).map_err(|error| error.to_string())?;
        let whole = |canvas: [usize; 2]| {
            (0..2).all(|side| canvas[side] > 0 && canvas[side].is_multiple_of(read.page.cell[side]))
        };
        if read.page.cell.contains(&0) || !whole(read.page.portrait) || !whole(read.page.landscape) {
            return Err("page.portrait and page.landscape must be whole numbers of page.cell".into());
        }
        if !read.question.ngrams.buckets.is_power_of_two() {
            return Err(format!(
                "question.ngrams.buckets is {}, expected a power of two",
                read.question.ngrams.buckets
            ));
        }
        Ok(read)
    }
}

/// A small manifest of this family, for the tests of this folder.
#[cfg(test)]
pub(super) fn test_manifest() -> GlyphManifest {
    GlyphManifest::read(&serde_json::from_str(include_str!("test_manifest.json")).unwrap()).unwrap()
}
