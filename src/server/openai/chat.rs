//! `POST /v1/chat/completions`: the last thing that the user said is a question to a collection, or to what a pipeline brought into one.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::completion::{Completion, Head};
use super::error::{Body, OpenAiCaller, OpenAiError};
use super::options::Options;
use super::wire::ChatRequest;
use super::{chores, models, stream};
use crate::app::Question;
use crate::retrieve::PageFilter;
use crate::server::cited::Addresses;
use crate::server::{Permission, Server};

pub async fn complete(
    State(server): State<Server>,
    OpenAiCaller(caller): OpenAiCaller,
    addresses: Addresses,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, OpenAiError> {
    caller.may(Permission::Read)?;
    let request = ChatRequest::read(&body)?;
    let options = Options::of(&request, &headers);
    let said = request.last()?;
    let head = Head::new(&request.model);
    let (streamed, with_usage) = (request.wants_stream(), request.wants_usage());
    if let Some(text) = chores::answer(&said, request.system().as_deref()) {
        return Ok(if streamed { stream::of_text(head, with_usage, text) } else { head.whole_text(&text) });
    }
    let model = models::find(&server, &caller, &options.model).await?;
    let question = Question {
        plan: options.plan.clone().or(model.plan),
        filter: PageFilter { tags: model.tags, ..PageFilter::default() },
        extractive: options.extractive,
        earlier: request.earlier(),
        ..Question::new(chores::question(&said), model.collection, server.app.config().answer.pages)
    };
    let _turn = server.question_turn().await?;
    let completion = Completion { server, caller, addresses, options, question, head, with_usage, _turn };
    if streamed { stream::respond(completion).await } else { completion.whole().await }
}
