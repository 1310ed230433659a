//! Questions as they are asked.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{Speaker, Turn};
use crate::app::{Question, Scope};
use crate::error::Result;
use crate::retrieve::{FilterText, PageFilter};
use crate::server::problem::Problem;

/// Pages that a search gives where it is not told how many.
const DEFAULT_LIMIT: usize = 5;
/// Most pages that one search gives.
const MAX_LIMIT: usize = 200;

/// What is looked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// In words that stand on the page.
    #[schema(min_length = 1, max_length = 4000)]
    pub query: String,
    /// Most pages.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 200, default = 5)]
    pub limit: Option<usize>,
    /// How to search: a plan of the collection.
    #[serde(default)]
    pub plan: Option<String>,
    #[serde(default)]
    pub collection: Option<String>,
    #[serde(default)]
    pub filter: Option<StatedFilter>,
    /// Tell the stages of the search, and which of them found each page.
    #[serde(default)]
    pub explain: bool,
}

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRequest {
    #[schema(min_length = 1, max_length = 4000)]
    pub question: String,
    /// What was said before, oldest first. With an answer model the question is made one that stands by itself.
    #[serde(default)]
    pub messages: Vec<Message>,
    #[serde(default)]
    pub collection: Option<String>,
    #[serde(default)]
    pub plan: Option<String>,
    #[serde(default)]
    pub filter: Option<StatedFilter>,
    /// Quote the pages even if an answer model is configured.
    #[serde(default)]
    pub extractive: bool,
    #[serde(default)]
    pub explain: bool,
    /// Answer with server-sent events: `retrieval`, `delta`, `citation`, `done`, or `error`.
    #[serde(default)]
    pub stream: bool,
}

/// Something that was said.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Assistant,
    /// Instructions of a client: they are not passed on.
    System,
}

/// Which pages count; all of it must hold. The fields are the flags of the commands.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatedFilter {
    /// Tags that the document has.
    pub tags: BTreeMap<String, String>,
    /// A document: an id, a path, or the end of one.
    pub document: Option<String>,
    /// Exactly this source (path or URL).
    pub source: Option<String>,
    /// Exactly this title.
    pub title: Option<String>,
    /// Page numbers: `3`, `3-10`, `3-` or `-10`.
    pub pages: Option<String>,
    /// A day (`2024-05-01`) or a moment of RFC 3339, inclusive.
    pub created_from: Option<String>,
    pub created_to: Option<String>,
    pub ingested_from: Option<String>,
    pub ingested_to: Option<String>,
}

impl StatedFilter {
    /// What it means to somebody.
    ///
    /// # Errors
    /// Configuration: a value is not of the form expected, or no document is called so.
    async fn read(self, scope: &Scope<'_>) -> Result<PageFilter> {
        let documents = match &self.document {
            Some(name) => vec![scope.find_document(name).await?.document_id],
            None => Vec::new(),
        };
        let text = FilterText {
            tags: self.tags,
            document: self.document,
            source: self.source,
            title: self.title,
            pages: self.pages,
            created_from: self.created_from,
            created_to: self.created_to,
            ingested_from: self.ingested_from,
            ingested_to: self.ingested_to,
        };
        Ok(PageFilter { documents, ..text.read()? })
    }
}

impl SearchRequest {
    /// # Errors
    /// As [`StatedFilter`]; 422: more pages are asked for than one search gives; 404: there is no such collection.
    pub async fn question(self, scope: &Scope<'_>) -> Result<Question, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let detail = format!("limit is {limit}: 1 to {MAX_LIMIT} is expected");
            return Err(Problem::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        let collection = collection(self.collection, scope).await?;
        let filter = self.filter.unwrap_or_default().read(scope).await?;
        Ok(Question { plan: self.plan, filter, explain: self.explain, ..Question::new(self.query, collection, limit) })
    }
}

impl AskRequest {
    /// # Errors
    /// As [`SearchRequest::question`].
    pub async fn into_question(self, scope: &Scope<'_>) -> Result<Question, Problem> {
        let collection = collection(self.collection, scope).await?;
        let filter = self.filter.unwrap_or_default().read(scope).await?;
        let earlier = self.messages.into_iter().filter_map(|message| {
            let speaker = match message.role {
                Role::User => Speaker::User,
                Role::Assistant => Speaker::Assistant,
                Role::System => return None,
            };
            Some(Turn { speaker, text: message.content })
        });
        let limit = scope.app().config().answer.pages;
        Ok(Question {
            plan: self.plan,
            filter,
            explain: self.explain,
            extractive: self.extractive,
            earlier: earlier.collect(),
            ..Question::new(self.question, collection, limit)
        })
    }
}

/// The collection that is asked, or the service's own. One in which nothing is that may be seen is none, but for the service's
/// own: its name is known to everybody, and where nothing is in it nothing is found.
async fn collection(named: Option<String>, scope: &Scope<'_>) -> Result<String, Problem> {
    let name = named.unwrap_or_else(|| scope.app().config().collection.clone());
    match scope.own_collection(&name).await? {
        Some(_) => Ok(name),
        None if scope.app().is_common(&name).await? => Ok(name),
        None => Err(Problem::not_found(format!("there is no collection '{name}', or nothing in it yet"))),
    }
}
