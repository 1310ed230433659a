//! Answers with citations that can be checked.
//!
//! With an answer model (`answer.vlm`) the answer is *composed*: a vision language model sees the best pages as images, and
//! every marker in what it writes is held against the pages that it was sent. Without one the answer is *extractive*:
//! passages of the retrieved pages' text layers, word for word, each with the marker of its page, if those pages hold what the
//! question asks about (`matching`); else it says that nothing was found. It never says anything that does not stand on a page.
//!
//! What documents say is data on the way to the model. Nothing in them is executed, and nothing they point to is fetched.

mod characters;
mod citations;
mod extractive;
mod images;
mod legible;
mod matching;
mod prompt;
mod rewrite;
mod suspicious;
#[cfg(test)]
mod testing;
mod vlm;

use serde::Serialize;

pub use citations::{MarkerSplit, Part};
pub use extractive::extract;
pub use images::Shows;
pub use matching::{Basis, Matching, PageMatch};
pub use rewrite::{Speaker, Turn};
pub use suspicious::suspicious;
pub use vlm::{AnswerModel, Composed, SentImage, SentPage, Usage};

use crate::retrieve::Hit;
use crate::types::DocumentId;
use vlm::Ending;

/// How an answer came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Quoted from text layers.
    Extractive,
    /// Composed by a vision language model from page images.
    Vlm,
}

/// A cited page: its marker and all that is known of it.
#[derive(Debug, Clone, Serialize)]
pub struct Citation {
    /// `[1]`, as it stands in the answer.
    pub marker: String,
    #[serde(flatten)]
    pub hit: Hit,
}

/// A page that the answer model saw.
#[derive(Debug, Clone, Serialize)]
pub struct Sent {
    /// `[1]`, as it was told to the model.
    pub marker: String,
    pub document_id: DocumentId,
    pub page: u32,
    pub images: Vec<SentImage>,
}

/// An answer.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    pub answer: String,
    pub mode: Mode,
    /// What the server calls the model that composed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether it cites any page that it was made from: one that holds what is asked about, where it is extractive. Without one,
    /// nothing of it can be checked.
    pub supported: bool,
    /// False where it broke off or was cut.
    pub complete: bool,
    /// Pages whose marker stands in the answer, in order of the markers.
    pub citations: Vec<Citation>,
    /// What the model was sent, in the order of its markers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Sent>,
    /// Where nothing was found: the pages that come nearest. They support nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<Hit>,
    /// What a reader must know beside it: pages left out, markers removed, why it is only quoted.
    pub notes: Vec<String>,
    /// Tokens, where the server says.
    pub usage: Option<Usage>,
}

impl Answer {
    /// A complete answer without notes; supported where it cites anything.
    fn new(mode: Mode, answer: String, citations: Vec<Citation>) -> Self {
        let supported = !citations.is_empty();
        Self {
            answer,
            mode,
            model: None,
            supported,
            complete: true,
            citations,
            sent: Vec::new(),
            nearest: Vec::new(),
            notes: Vec::new(),
            usage: None,
        }
    }

    /// The answer that `model` composed from `pages`, with everything in it that a reader must be told.
    pub fn composed(model: &AnswerModel, composed: Composed, pages: Vec<SentPage>) -> Self {
        let Composed { finished, sent: images, notes } = composed;
        let sent = images.len();
        let marker = |number: usize| format!("[{number}]");
        let shown = pages.iter().zip(images).zip(1..).map(|((page, images), number)| Sent {
            marker: marker(number),
            document_id: page.hit.document_id,
            page: page.hit.page,
            images,
        });
        let shown: Vec<Sent> = shown.collect();
        let citations =
            pages.into_iter().take(sent).zip(1..).filter(|(_, number)| finished.report.cited.contains(number));
        let citations = citations.map(|(page, number)| Citation { marker: marker(number), hit: page.hit }).collect();
        let mut answer = Self::new(Mode::Vlm, finished.text, citations);
        answer.model = Some(model.model().to_owned());
        answer.usage = finished.usage;
        answer.sent = shown;
        answer.notes = notes;
        if !finished.report.invented.is_empty() {
            let markers: Vec<String> = finished.report.invented.iter().map(|number| format!("[{number}]")).collect();
            answer.notes.push(format!(
                "the model cited {}, but was sent {sent} {}: removed",
                markers.join(", "),
                if sent == 1 { "page" } else { "pages" }
            ));
        }
        let incomplete = match finished.ending {
            Ending::Complete => None,
            Ending::Cut => Some("the answer was cut at its longest (answer.vlm.max_answer_tokens)".to_owned()),
            Ending::Filtered => Some("the server held back the rest of the answer (content filter)".to_owned()),
            Ending::Broken(error) => Some(format!("the answer broke off: {error}")),
        };
        answer.complete = incomplete.is_none();
        answer.notes.extend(incomplete);
        if !answer.supported {
            answer.notes.push("the answer cites no page: nothing in it can be checked".to_owned());
        }
        answer
    }
}
