//! Answers with citations that can be checked.
//!
//! Without an answer model the answer is *extractive*: sentences of the retrieved pages' text layers, word for word, each
//! with the marker of its page. It never says anything that does not stand on a page.

mod extractive;

use serde::Serialize;

pub use extractive::extract;

use crate::retrieve::Hit;

/// How an answer came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Quoted from text layers.
    Extractive,
}

/// A cited page: its marker and all that is known of it.
#[derive(Debug, Clone, Serialize)]
pub struct Citation {
    /// `[1]`, as it stands in the answer.
    pub marker: String,
    #[serde(flatten)]
    pub hit: Hit,
}

/// An answer.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    pub answer: String,
    pub mode: Mode,
    /// Pages whose marker stands in the answer, in order of the markers.
    pub citations: Vec<Citation>,
}
