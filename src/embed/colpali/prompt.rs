//! A question as the ids that FastEmbed gives to ColPali: prefix, question, augmentation tokens and suffix are one text
//! for the tokenizer, whatever tokens its own file adds, and the first ids are then written over.

use serde::Deserialize;
use serde_json::Value;
use tokenizers::utils::truncation::{TruncationDirection, TruncationParams};
use tokenizers::{AddedToken, Tokenizer};

use super::manifest::{QuestionSpec, Side};
use crate::error::{Error, Result};

/// A question, ready for the graph. One entry a token in each list.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::embed) struct Prompt {
    pub ids: Vec<i64>,
    /// The tokens of these ids, as the vocabulary spells them.
    pub labels: Vec<String>,
    /// Whether the token holds anything that the user wrote.
    pub from_text: Vec<bool>,
}

/// Makes [`Prompt`]s.
pub(super) struct Prompter {
    tokenizer: Tokenizer,
    prefix: String,
    /// Augmentation tokens and what follows them.
    tail: String,
    first_ids: Vec<u32>,
}

/// A token of a special tokens map, if it is more than a word.
#[derive(Deserialize)]
struct TokenWire {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    normalized: bool,
}

impl Prompter {
    /// `special_tokens_map`: the bytes of that file, if the model has one.
    ///
    /// # Errors
    /// Configuration, if a file is not what its name says.
    pub fn new(tokenizer: &[u8], special_tokens_map: Option<&[u8]>, spec: &QuestionSpec) -> Result<Self> {
        let wrong = |name: &str, error: Box<dyn std::error::Error + Send + Sync>| {
            Error::configuration(format!("{name} cannot be read: restore the model folder")).with_source(error)
        };
        let name = spec.tokenizer.as_str();
        let mut tokenizer = Tokenizer::from_bytes(tokenizer).map_err(|error| wrong(name, error))?;
        if let Some(map) = special_tokens_map {
            let name = spec.special_tokens_map.as_deref().unwrap_or_default();
            let map: Value = serde_json::from_slice(map).map_err(|error| wrong(name, error.into()))?;
            let tokens = special_tokens(&map).map_err(|error| wrong(name, error.into()))?;
            tokenizer.add_special_tokens(tokens).map_err(|error| wrong(name, error))?;
        }
        // Questions are embedded one by one: nothing is ever padded.
        tokenizer.with_padding(None);
        let truncation = spec.max_tokens.map(|max_length| TruncationParams {
            max_length,
            direction: match spec.truncate {
                Side::Left => TruncationDirection::Left,
                Side::Right => TruncationDirection::Right,
            },
            ..TruncationParams::default()
        });
        tokenizer.with_truncation(truncation).map_err(|error| wrong(name, error))?;
        let tail = spec.augmentation.token.repeat(spec.augmentation.count) + &spec.suffix;
        Ok(Self { tokenizer, prefix: spec.prefix.clone(), tail, first_ids: spec.first_ids.clone() })
    }

    /// # Errors
    /// Permanent, if the text is empty; configuration, if tokenizer and manifest do not fit each other.
    pub fn prompt(&self, text: &str) -> Result<Prompt> {
        if text.trim().is_empty() {
            return Err(Error::permanent("the question is empty: ask with at least one word"));
        }
        let whole = format!("{}{text}{}", self.prefix, self.tail);
        let encoding = self
            .tokenizer
            .encode(whole, true)
            .map_err(|error| Error::permanent("the question cannot be cut into tokens").with_source(error))?;
        let mut ids = encoding.get_ids().to_vec();
        let fixed = self.first_ids.len();
        if ids.len() < fixed {
            return Err(Error::configuration(format!(
                "the tokenizer made {} tokens of a question, and the manifest's first_ids are {fixed}: they do not fit \
                 each other",
                ids.len()
            )));
        }
        ids[..fixed].copy_from_slice(&self.first_ids);
        let written = self.prefix.len()..self.prefix.len() + text.len();
        let offsets = encoding.get_offsets().iter().enumerate();
        let from_text =
            offsets.map(|(at, &(start, end))| at >= fixed && start < written.end && end > written.start).collect();
        let label = |&id: &u32| self.tokenizer.id_to_token(id).unwrap_or_else(|| id.to_string());
        let labels = ids.iter().map(label).collect();
        Ok(Prompt { ids: ids.into_iter().map(i64::from).collect(), labels, from_text })
    }
}

/// Every token of a special tokens map: a word, an object, or a list of either under each key.
fn special_tokens(map: &Value) -> serde_json::Result<Vec<AddedToken>> {
    let entries = map.as_object().into_iter().flat_map(|map| map.values());
    let tokens = entries.flat_map(|entry| entry.as_array().map_or(std::slice::from_ref(entry), Vec::as_slice));
    tokens
        .filter(|token| token.is_string() || token.is_object())
        .map(|token| match token.as_str() {
            Some(content) => Ok(AddedToken::from(content, true)),
            None => TokenWire::deserialize(token).map(|token| {
                AddedToken::from(token.content, true)
                    .single_word(token.single_word)
                    .lstrip(token.lstrip)
                    .rstrip(token.rstrip)
                    .normalized(token.normalized)
            }),
        })
        .collect()
}
