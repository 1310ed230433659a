//! A question as the model saw it.

use super::Multivector;

/// A question's token vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionEmbedding {
    /// `[tokens, dim]`, rows of norm 1.
    pub tokens: Multivector,
    /// What each row stands for, to be shown beside similarity maps: a word, a token, an augmentation token.
    pub labels: Vec<String>,
}
