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

/// The entries' coordinates on a few principal components, in 8 bits: for quick bounds on their dot products
/// (`derive::anchors`).
#[derive(Debug, Clone)]
pub struct RoundedEntries {
    pub count: usize,
    pub components: PrincipalComponents,
    /// `[blocks, components / 4 rounded up, entries of a block]`: four levels at a time, zeros after the last.
    pub groups: Vec<[i8; 4]>,
    /// `[blocks, entries of a block]`: what a sum with a vector begins at.
    pub starts: Vec<i32>,
    /// What a level of 1 stands for.
    pub scale: f64,
    /// The largest of each over all entries.
    pub norms: Norms,
}

/// Orthonormal directions of the space in which vectors differ most, the most important first.
#[derive(Debug, Clone)]
pub struct PrincipalComponents {
    pub count: usize,
    /// `[dim, count]`: each component a column.
    pub columns: Vec<f32>,
}

/// Euclidean norms of a vector and of what its rounded coordinates leave out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Norms {
    pub vector: f64,
    /// Of the rounding error: its coordinates less what their levels stand for.
    pub rounding: f64,
    /// Of the residual: the vector less its projection on the components.
    pub residual: f64,
}
