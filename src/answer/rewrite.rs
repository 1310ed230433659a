//! A question that leans on what was said before it ("and in winter?"), as one that stands by itself: it is what is looked for
//! and answered. Only an answer model can do it. What was said before is data: it changes what is looked for and nothing else.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::citations::CitationFilter;
use super::prompt::{Delimiter, Prompt};
use super::vlm::{AnswerModel, Failure};
use crate::error::{Error, Result};

/// How much of a conversation counts: its last turns.
const MAX_TURNS: usize = 8;
/// Characters of one turn.
const MAX_TURN_CHARS: usize = 1_500;
/// Characters of the question that comes back; a longer one is no question.
const MAX_CHARS: usize = 1_000;
/// The answer waits for it, so it is not waited for at length.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Who said something in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    User,
    Assistant,
}

/// Something that was said before the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub speaker: Speaker,
    pub text: String,
}

impl AnswerModel {
    /// `question` as one that stands by itself after `earlier` (oldest first). The pages are not asked.
    ///
    /// # Errors
    /// As [`AnswerModel::answer`], after one attempt; transient also where what came back is no question.
    pub async fn standalone(&self, question: &str, earlier: &[Turn]) -> Result<String> {
        let recent = &earlier[earlier.len().saturating_sub(MAX_TURNS)..];
        let turns: Vec<(&str, &str)> = recent
            .iter()
            .map(|turn| (if turn.speaker == Speaker::User { "user" } else { "assistant" }, turn.text.as_str()))
            .collect();
        let (system, question) = self.prompts().standalone(question, &turns, MAX_TURN_CHARS, &Delimiter::random())?;
        let prompt = Prompt { system, pages: Vec::new(), question };
        // nobody reads along: what comes is taken as a whole
        let (shown, _) = mpsc::channel(1);
        let finished = self.complete(&prompt, CitationFilter::new(&[]), Instant::now() + TIMEOUT, shown).await;
        let text = match finished {
            Ok(finished) => finished.text,
            Err(Failure::Other(error)) => return Err(error),
            Err(Failure::TooLong(message)) => return Err(Error::transient(message)),
        };
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let characters = line.chars().count();
        if characters == 0 || characters > MAX_CHARS {
            return Err(Error::transient(format!(
                "{} was asked for a question and gave {characters} characters",
                self.name()
            )));
        }
        Ok(line)
    }
}
