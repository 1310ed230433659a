//! The anchor codebook of a model: entries of the space that its vectors live in.

use std::sync::OnceLock;

use super::Multivector;

/// Late interaction as an inverted index: each patch votes for its nearest few entries; a question token does the same.
#[derive(Debug, Clone)]
pub struct Codebook {
    /// `[entries, dim]`, rows of norm 1. Entry `i` is index `i` of the sparse vectors.
    pub entries: Multivector,
    /// How many entries a patch votes for.
    pub page_top: usize,
    /// How many entries a question token votes for.
    pub question_top: usize,
    /// A question token's vote weighs its cosine to this power.
    pub question_power: f32,
    /// Made of the entries when it is first needed; starts empty.
    pub rounded: OnceLock<RoundedEntries>,
}

/// The entries in 8 bits, for quick bounds on their dot products (`derive::anchors`).
#[derive(Debug, Clone)]
pub struct RoundedEntries {
    /// `[entries, dim / 4 rounded up]`: four numbers at a time, zeros after the last.
    pub groups: Vec<[i8; 4]>,
    /// `[entries]`: what a sum with a vector begins at.
    pub starts: Vec<i32>,
    /// What a number of 1 stands for.
    pub scale: f64,
    /// The largest norm of an entry.
    pub norm: f64,
    /// The largest distance of an entry from what its numbers stand for.
    pub error: f64,
}
