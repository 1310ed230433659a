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

/// The entries' coordinates in a few directions, in 8 bits: for quick bounds on their dot products (`derive::anchors`).
#[derive(Debug, Clone)]
pub struct RoundedEntries {
    pub count: usize,
    pub directions: Directions,
    /// `[blocks, directions / 4 rounded up, entries of a block]`: four numbers at a time, zeros after the last.
    pub groups: Vec<[i8; 4]>,
    /// `[blocks, entries of a block]`: what a sum with a vector begins at.
    pub starts: Vec<i32>,
    /// What a number of 1 stands for.
    pub scale: f64,
    pub largest: Sizes,
}

/// Orthonormal directions of the space.
#[derive(Debug, Clone)]
pub struct Directions {
    pub count: usize,
    /// `[dim, count]`: each direction a column.
    pub columns: Vec<f32>,
}

/// What is known of a vector besides its rounded coordinates; of several, the largest of each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    pub norm: f64,
    /// The distance of its coordinates from what their numbers stand for.
    pub error: f64,
    /// The norm of what lies beside the directions.
    pub beside: f64,
}
