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
    pub outline: OnceLock<Outline>,
}

/// The entries in the few directions in which they differ most, and how much of each lies outside of these.
#[derive(Debug, Clone)]
pub struct Outline {
    /// `[directions, dim]`, orthonormal.
    pub directions: Vec<f32>,
    /// `[entries, directions + 1]`: the share in each direction, and the norm of the rest, never less than it is.
    pub entries: Vec<f32>,
}
