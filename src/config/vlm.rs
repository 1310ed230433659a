//! `answer.vlm`: which vision language model answers, what it may be sent, and how long it may take. The key comes from
//! the environment alone; it stands in no file, and no error, log line or debug print shows it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::env::{self, Environment};
use super::report::Mistakes;
use super::tree::Node;

/// Where the keys of this file stand in the service configuration.
const PATH: &str = "answer.vlm";

/// The answer model behind an OpenAI-compatible endpoint, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Vlm {
    /// `http://localhost:8000/v1`, without a slash at the end; the client adds `/chat/completions`.
    pub base_url: String,
    /// As the server calls it.
    pub model: String,
    /// None where its variable is not set: many endpoints ask for none.
    pub api_key: Option<ApiKey>,
    /// The variable that holds it, for messages.
    pub api_key_env: String,
    /// Folder of templates that take the place of the built-in ones.
    pub prompts: Option<PathBuf>,
    /// Whether the pages' text layers go along with their images.
    pub page_text: bool,
    /// Characters of one page's text layer that go along.
    pub page_text_chars: usize,
    pub budget: ImageBudget,
    /// `answer.images`.
    pub images: ImageChoice,
    /// Tokens of an answer.
    pub max_answer_tokens: u32,
    /// What `max_answer_tokens` is called in the request.
    pub answer_tokens_field: TokensField,
    /// None: the server's own.
    pub temperature: Option<f32>,
    pub timeouts: VlmTimeouts,
    /// Attempts at one answer, the first included.
    pub max_attempts: u32,
    /// Wait before the second attempt; doubles with each further one.
    pub first_retry: Duration,
    /// Longest wait between two attempts; a server that asks for more is not waited for.
    pub longest_retry: Duration,
}

/// What is sent of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageChoice {
    /// The whole page.
    Pages,
    /// The parts that answer, and a small overview; the whole page where no part stands out.
    Regions,
    /// The parts where words on the whole page would be too small to be read.
    #[default]
    Auto,
}

/// What one request may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageBudget {
    pub pages: usize,
    /// Width times height of a page's image; of all its images together where it goes in parts.
    pub page_pixels: u64,
    /// JPEG bytes of all page images together, before base64 makes them a third larger.
    pub bytes: u64,
    /// JPEG quality, 1 to 100, of images that had to be made smaller.
    pub quality: u8,
}

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlmTimeouts {
    pub connect: Duration,
    /// From the request to the first word of the answer.
    pub first_token: Duration,
    /// Between two pieces of the answer.
    pub between_tokens: Duration,
    /// For the whole answer, all attempts together.
    pub total: Duration,
}

/// Servers disagree on the name of the limit: OpenAI's newer models refuse the old one, other servers know no other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokensField {
    #[default]
    MaxTokens,
    MaxCompletionTokens,
}

/// A key that is never printed.
#[derive(Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    pub fn new(key: impl Into<String>) -> Self {
        Self(SecretString::from(key.into()))
    }

    /// The key itself, for the header that carries it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

impl Eq for ApiKey {}

impl PartialEq for ApiKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

/// The vision language model that composes answers, behind an OpenAI-compatible chat endpoint (vLLM, Ollama, llama.cpp,
/// OpenAI). Without it answers are quoted from the pages.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "AnswerModel")]
pub(super) struct VlmWire {
    /// Address of the API, up to and with its version: `http://localhost:8000/v1`.
    #[schemars(length(min = 1, max = 2048))]
    base_url: String,
    /// The model, as the server calls it.
    #[schemars(length(min = 1, max = 512))]
    model: String,
    /// Environment variable that holds the key (OPENAI_API_KEY, where it is set).
    #[schemars(length(min = 1, max = 256))]
    api_key_env: Option<String>,
    /// Folder of prompt templates that take the place of the built-in ones of the same name.
    #[schemars(length(min = 1))]
    prompts: Option<String>,
    /// Send the pages' text layers beside their images (true).
    page_text: Option<bool>,
    /// Characters of one page's text that are sent (3000).
    #[schemars(range(min = 1, max = 100_000))]
    page_text_chars: Option<usize>,
    /// Pages in one request (5); `answer.pages` says how many pages are evidence at all. One that goes in parts
    /// (`answer.images`) takes up to three images.
    #[schemars(range(min = 1, max = 100))]
    max_pages: Option<usize>,
    /// Larger page images are sent smaller (1000000); a page that goes in parts has so many pixels in all.
    #[schemars(range(min = 10_000, max = 100_000_000))]
    max_page_pixels: Option<u64>,
    /// Bytes of all page images of one request, as JPEG (8000000).
    #[schemars(range(min = 10_000, max = 1_000_000_000))]
    max_image_bytes: Option<u64>,
    /// JPEG quality of images that are made smaller (85).
    #[schemars(range(min = 1, max = 100))]
    image_quality: Option<u8>,
    /// Tokens of an answer (1024).
    #[schemars(range(min = 1, max = 1_000_000))]
    max_answer_tokens: Option<u32>,
    /// What the server calls that limit (max_tokens).
    answer_tokens_field: Option<TokensField>,
    /// 0 for the likeliest words (the server's own default).
    #[schemars(range(min = 0, max = 2))]
    temperature: Option<f32>,
    /// Milliseconds until a connection must stand (5000).
    #[schemars(range(min = 1, max = 3_600_000))]
    connect_timeout_ms: Option<u64>,
    /// Milliseconds until the answer must begin (120000).
    #[schemars(range(min = 1, max = 3_600_000))]
    first_token_timeout_ms: Option<u64>,
    /// Milliseconds until the answer must go on (30000).
    #[schemars(range(min = 1, max = 3_600_000))]
    between_tokens_timeout_ms: Option<u64>,
    /// Milliseconds for the whole answer, all attempts together (300000).
    #[schemars(range(min = 1, max = 86_400_000))]
    total_timeout_ms: Option<u64>,
    /// Attempts at one answer, where the failure may pass (3).
    #[schemars(range(min = 1, max = 20))]
    max_attempts: Option<u32>,
    /// Milliseconds before the second attempt; doubles with each further one (1000).
    #[schemars(range(min = 0, max = 3_600_000))]
    first_retry_ms: Option<u64>,
    /// Longest wait between two attempts, in milliseconds, also where the server asks for more (30000).
    #[schemars(range(min = 0, max = 3_600_000))]
    longest_retry_ms: Option<u64>,
}

impl VlmWire {
    /// What the schema can't say: that the address is one, and that the key is there.
    pub(super) fn check(&self, root: &Node, environment: &Environment, mistakes: &mut Mistakes) {
        let mut add = |key: &str, message: String| {
            let path = format!("{PATH}.{key}");
            mistakes.add(root.locate(&path), path, message);
        };
        if let Err(message) = check_url(&self.base_url, root.written(&format!("{PATH}.base_url"))) {
            add("base_url", message);
        }
        match self.key_variable() {
            // the value is not shown: whoever writes the key itself here must not find it in a log
            Err(message) => add("api_key_env", message.into()),
            Ok(variable) => match key(variable, environment) {
                Some(key) if !key.chars().all(|char| char.is_ascii_graphic()) => add(
                    if self.api_key_env.is_some() { "api_key_env" } else { "base_url" },
                    format!("the value of environment variable {variable} holds characters that no key has"),
                ),
                None if self.api_key_env.is_some() => {
                    add("api_key_env", format!("environment variable {variable} is not set: set it to the key"));
                }
                _ => {}
            },
        }
    }

    /// The variable that holds the key.
    fn key_variable(&self) -> Result<&str, &'static str> {
        let name = self.api_key_env.as_deref().unwrap_or(env::OPENAI_API_KEY);
        let well_formed = !name.starts_with(|first: char| first.is_ascii_digit())
            && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
        if well_formed { Ok(name) } else { Err("the name of an environment variable is expected, not the key itself") }
    }

    /// The validated form; `path` makes a path of what is written at a key.
    pub(super) fn into_vlm(
        self,
        environment: &Environment,
        images: ImageChoice,
        path: impl Fn(&str, &str) -> PathBuf,
    ) -> Vlm {
        let ms = |value: Option<u64>, default: u64| Duration::from_millis(value.unwrap_or(default));
        let api_key = self.key_variable().ok().and_then(|variable| key(variable, environment)).map(ApiKey::new);
        let first_retry = ms(self.first_retry_ms, 1_000);
        Vlm {
            base_url: self.base_url.trim_end_matches('/').to_owned(),
            model: self.model,
            api_key,
            api_key_env: self.api_key_env.unwrap_or_else(|| env::OPENAI_API_KEY.to_owned()),
            prompts: self.prompts.map(|value| path("answer.vlm.prompts", &value)),
            page_text: self.page_text.unwrap_or(true),
            page_text_chars: self.page_text_chars.unwrap_or(3_000),
            budget: ImageBudget {
                pages: self.max_pages.unwrap_or(5),
                page_pixels: self.max_page_pixels.unwrap_or(1_000_000),
                bytes: self.max_image_bytes.unwrap_or(8_000_000),
                quality: self.image_quality.unwrap_or(85),
            },
            images,
            max_answer_tokens: self.max_answer_tokens.unwrap_or(1_024),
            answer_tokens_field: self.answer_tokens_field.unwrap_or_default(),
            temperature: self.temperature,
            timeouts: VlmTimeouts {
                connect: ms(self.connect_timeout_ms, 5_000),
                first_token: ms(self.first_token_timeout_ms, 120_000),
                between_tokens: ms(self.between_tokens_timeout_ms, 30_000),
                total: ms(self.total_timeout_ms, 300_000),
            },
            max_attempts: self.max_attempts.unwrap_or(3),
            first_retry,
            longest_retry: ms(self.longest_retry_ms, 30_000).max(first_retry),
        }
    }
}

/// The key as it is sent; an empty variable counts as not set, and the line end that files leave is cut off.
fn key<'e>(variable: &str, environment: &'e Environment) -> Option<&'e str> {
    environment.text(variable).map(str::trim).filter(|key| !key.is_empty())
}

/// `written` is what the file says, with the names of variables instead of their values.
fn check_url(text: &str, written: Option<&str>) -> Result<(), String> {
    // before an @ stands a password
    let found = if text.contains('@') { "..." } else { written.unwrap_or(text) };
    let expected = "the address of an OpenAI-compatible API is expected, such as http://localhost:8000/v1";
    let url = reqwest::Url::parse(text).map_err(|error| format!("found '{found}' ({error}): {expected}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address holds a name or password: keys come from the environment (api_key_env)".into());
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("found '{found}': {expected}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("'?' and '#' have no place in this address: keys come from the environment (api_key_env)".into());
    }
    if url.path().trim_end_matches('/').ends_with("/chat/completions") {
        return Err(format!("found '{found}': leave out /chat/completions, it is added"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Flags};
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> crate::error::Result<Config> {
        let environment: Environment = variables.iter().copied().collect();
        Config::from_text("quire.yaml", text, &Flags::default(), &environment)
    }

    const MINIMAL: &str = "answer: {vlm: {base_url: 'http://localhost:8000/v1/', model: some/model}}\n";

    #[test]
    fn two_keys_are_enough() {
        assert_eq!(load("answer: {pages: 3}", &[]).unwrap().answer.vlm, None);
        assert_eq!(load("answer: {vlm: }", &[]).unwrap().answer.vlm, None);
        let vlm = load(MINIMAL, &[]).unwrap().answer.vlm.unwrap();
        assert_eq!((vlm.base_url.as_str(), vlm.model.as_str()), ("http://localhost:8000/v1", "some/model"));
        assert_eq!((vlm.api_key, vlm.page_text, vlm.budget.pages), (None, true, 5));
        assert_eq!(vlm.timeouts.first_token, Duration::from_secs(120));
    }

    #[test]
    fn variables_alone_are_enough() {
        let variables = [
            ("QUIRE__ANSWER__VLM__BASE_URL", "https://example.org/v1"),
            ("QUIRE__ANSWER__VLM__MODEL", "m"),
            ("QUIRE__ANSWER__VLM__PAGE_TEXT", "false"),
            ("QUIRE__ANSWER__VLM__MAX_PAGE_PIXELS", "250000"),
            ("QUIRE__ANSWER__VLM__TEMPERATURE", "0"),
            ("QUIRE__ANSWER__VLM__ANSWER_TOKENS_FIELD", "max_completion_tokens"),
            ("OPENAI_API_KEY", " sk-secret\n"),
        ];
        let config = load("", &variables).unwrap();
        assert!(!format!("{config:?}").contains("sk-secret"));
        let vlm = config.answer.vlm.unwrap();
        assert_eq!((vlm.page_text, vlm.budget.page_pixels, vlm.temperature), (false, 250_000, Some(0.0)));
        assert_eq!(vlm.answer_tokens_field, TokensField::MaxCompletionTokens);
        assert_eq!(vlm.api_key, Some(ApiKey::new("sk-secret")));
    }

    #[test]
    fn the_key_comes_from_the_variable_that_is_named() {
        let text = MINIMAL.replace("model:", "api_key_env: MY_KEY, model:");
        let vlm = load(&text, &[("MY_KEY", "one"), ("OPENAI_API_KEY", "two")]).unwrap().answer.vlm.unwrap();
        assert_eq!((vlm.api_key, vlm.api_key_env.as_str()), (Some(ApiKey::new("one")), "MY_KEY"));
        let report = load(&text, &[("OPENAI_API_KEY", "two")]).unwrap_err().to_string();
        assert!(report.contains("quire.yaml:1:") && report.contains("variable MY_KEY is not set"), "{report}");
    }

    #[test]
    fn what_a_person_sees() {
        let text = "answer:\n  vlm:\n    base_url: localhost:8000\n    api_key: sk-secret-1\n    api_key_env: sk-secret-2\n    \
                    max_pages: 0\n    page_text: maybe\n    temperature: hot\n";
        let variables = [("QUIRE__ANSWER__VLM__TOTAL_TIMEOUT_MS", "0"), ("OPENAI_API_KEY", "sk-secret-3")];
        insta::assert_snapshot!(load(text, &variables).unwrap_err());
        let mut reports = String::new();
        for url in [
            "localhost:8000",
            "http://",
            "ftp://example.org/v1",
            "http://me:sk-secret@example.org/v1",
            "https://example.org/v1?key=1",
            "https://example.org/v1/chat/completions",
        ] {
            let text = format!("answer:\n  vlm:\n    model: m\n    base_url: '{url}'\n    api_key_env: sk-secret-2\n");
            reports.push_str(&format!("{}\n", load(&text, &[]).unwrap_err()));
        }
        let report = load(MINIMAL, &[("OPENAI_API_KEY", "sk secret")]).unwrap_err();
        reports.push_str(&report.to_string());
        assert!(!reports.contains("secret"), "{reports}");
        insta::assert_snapshot!(reports);
    }
}
