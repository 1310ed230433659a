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
    /// `[width, height]` in pixels that a page is fitted into.
    pub portrait: [usize; 2],
    pub landscape: [usize; 2],
    /// Pixels of the canvas a pixel of the page, at most. None (models of before): enlarged to the canvas's size, whatever
    /// the page's, and the canvas is always that large.
    pub enlarge_at_most: Option<f64>,
    /// None: every page is fitted, however large or long it is.
    pub large: Option<Large>,
    /// None: one look.
    pub passes: Option<Passes>,
    /// None: every canvas takes one run.
    pub tiles: Option<Tiles>,
    /// None: pages are read as they stand.
    pub turns: Option<Turns>,
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
    /// A vector of a smaller scale goes if one of a larger scale at the same place has this cosine with it or more.
    pub same_as_finer: Option<f32>,
    /// Vectors a page, at most: those of the most open gates stay.
    pub most: Option<usize>,
}

/// Pages that are too large or too long to be fitted: what is small on them is still to be read.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(in crate::embed) struct Large {
    /// Pages of a known size are large if fitting leaves fewer pixels an inch.
    pub fit_dpi_below: f64,
    /// Pictures are large if their longer side is more than so many shorter ones.
    pub longer_than: f64,
    /// Pixels an inch that are wanted of a large page.
    pub dpi: f64,
    /// Its canvas has the area of so many usual ones at most.
    pub canvases: f64,
}

/// The scales that a page is looked at.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct Passes {
    /// Fractions of the full scale, which is the first. Behind the last, the same steps begin anew from it.
    pub scales: Vec<f64>,
    /// Pixels; a smaller look shows nothing that could be read.
    pub shorter_side_at_least: usize,
    /// Pixels; the steps begin anew only from a longer look.
    pub longer_side_above: usize,
}

/// How a canvas is cut if it is too long for one run.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(in crate::embed) struct Tiles {
    /// Cells along a side of a run, at most.
    pub most_cells: usize,
    /// Cells that a tile sees on its inner sides beside those that are its own.
    pub margin_cells: usize,
}

/// When a page is turned to be read. Shares are of a sample of the vectors at full scale.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(in crate::embed) struct Turns {
    /// Vectors in a sample.
    pub sample: usize,
    /// The words that vectors are compared with: the first of the anchors.
    pub anchors: usize,
    /// Cosines with the nearest word: below, a vector reads like none; from there on, surely like one.
    pub weak_below: f32,
    pub sure_from: f32,
    /// Side in cells of the part of the page that is turned first: the one with the most cells of contrast.
    pub window_cells: usize,
    /// Levels between the darkest and the lightest pixel of a cell in which something may be written.
    pub contrast_from: u8,
    /// A page with fewer cells of contrast, or fewer open ones, is read as it stands.
    pub tried_from_cells: usize,
    /// Open cells over cells of contrast: below, letters may stand in a way that the graph does not even see.
    pub tried_if_open_below: f32,
    pub tried_if_weak: f32,
    pub tried_if_sure_below: f32,
    /// A turn counts if it has so many vectors and so large a share of sure ones.
    pub kept_from_vectors: usize,
    pub kept_if_sure: ByTurn,
    /// Or so small a share of weak ones.
    pub kept_if_weak_at_most: ByTurn,
    /// If a turn counts, what the page says as it stands stays only if its own share is not below.
    pub upright_dropped_if_sure_below: ByTurn,
}

/// A share for each kind of turn.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(in crate::embed) struct ByTurn {
    /// By 90 or 270 degrees, where nothing reads like a word by chance.
    pub quarter: f32,
    /// By 180 degrees, where short words do.
    pub half: f32,
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
        read.page.check()?;
        if !read.question.ngrams.buckets.is_power_of_two() {
            return Err(format!(
                "question.ngrams.buckets is {}, expected a power of two",
                read.question.ngrams.buckets
            ));
        }
        Ok(read)
    }
}

impl PageSpec {
    fn check(&self) -> Result<(), String> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if let Some(Passes { scales, .. }) = &self.passes
            && (scales.first() != Some(&1.0)
                || !scales.is_sorted_by(|a, b| a > b)
                || !scales.iter().all(|&s| positive(s)))
        {
            return Err(format!("page.passes.scales is {scales:?}, expected 1.0 and then smaller ones"));
        }
        if let Some(Tiles { most_cells, margin_cells }) = self.tiles
            && most_cells <= 2 * margin_cells
        {
            return Err(format!("page.tiles: {most_cells} cells leave nothing between margins of {margin_cells}"));
        }
        if let Some(limit) = self.enlarge_at_most.filter(|&limit| !positive(limit)) {
            return Err(format!("page.enlarge_at_most is {limit}, expected more than 0"));
        }
        if let Some(large) = self.large.filter(|large| !positive(large.dpi) || !positive(large.canvases)) {
            return Err(format!(
                "page.large has dpi {} and canvases {}, expected more than 0",
                large.dpi, large.canvases
            ));
        }
        if let Some(turns) = self.turns.as_ref().filter(|turns| turns.sample == 0 || turns.anchors == 0) {
            return Err(format!(
                "page.turns has sample {} and anchors {}, expected more than 0",
                turns.sample, turns.anchors
            ));
        }
        Ok(())
    }
}

/// A small manifest of this family, for the tests of this folder.
#[cfg(test)]
pub(super) fn test_manifest() -> GlyphManifest {
    GlyphManifest::read(&serde_json::from_str(include_str!("test_manifest.json")).unwrap()).unwrap()
}
