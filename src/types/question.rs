//! A question as the model saw it.

use super::Multivector;

/// A question's token vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionEmbedding {
    /// `[tokens, dim]`, rows of norm 1.
    pub tokens: Multivector,
    /// What each row stands for, to be shown beside similarity maps: a word, a token, an augmentation token.
    pub labels: Vec<String>,
    /// Whether each row stands for something that the user wrote. Prompt and augmentation tokens do not: they take part
    /// in every comparison, and similarity maps leave them out.
    pub from_text: Vec<bool>,
}
