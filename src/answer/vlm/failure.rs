//! What went wrong with an attempt, and what may be done about it: wait and try again, send less, or tell the user to
//! mend the configuration. Every message names the endpoint and the model; none holds the key.

use std::time::Duration;

use reqwest::StatusCode;

use super::refusal::{Refused, explain, presentable};
use crate::config::Vlm;
use crate::error::Error;

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The request was more than the model or the server takes.
    TooLong(String),
    /// Its kind says the rest.
    Other(Error),
}

/// Words by which servers say that a request has more tokens than their model's context.
const TOO_LONG: [&str; 13] = [
    "context_length_exceeded",
    "exceed_context_size",
    "maximum context length",
    "context length",
    "context size",
    "context window",
    "maximum model length",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "too many tokens",
    "too many input tokens",
    "payload too large",
];

/// `MODEL at BASE_URL`.
pub fn name(vlm: &Vlm) -> String {
    format!("the answer model '{}' at {}", vlm.model, vlm.base_url)
}

/// A stream that breaks a rule; `how` may hold the server's own words.
pub fn of_stream(vlm: &Vlm, how: &str) -> Failure {
    Failure::Other(Error::transient(said(vlm, how)))
}

fn said(vlm: &Vlm, message: &str) -> String {
    format!("{}: {}", name(vlm), presentable(message, vlm.api_key.as_ref()))
}

/// No response at all: the connection failed, or broke.
pub fn of_http(vlm: &Vlm, error: &reqwest::Error) -> Failure {
    let what = if error.is_connect() {
        "can't be connected to"
    } else if error.is_timeout() {
        "did not answer in time"
    } else {
        "broke off the connection"
    };
    let message = format!("{} {what}: {}", name(vlm), presentable(&innermost(error), vlm.api_key.as_ref()));
    Failure::Other(if error.is_builder() { Error::configuration(message) } else { Error::transient(message) })
}

/// The cause that says most: `Connection refused (os error 111)`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A response that is no success.
pub fn of_refusal(vlm: &Vlm, refused: &Refused) -> Failure {
    let status = refused.status;
    let words = format!("{} {}", refused.code, refused.message).to_lowercase();
    // servers disagree on the status of this one: 400, 413, 422, 500; these never mean it
    let other = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS];
    let too_long = !other.contains(&status) && TOO_LONG.iter().any(|known| words.contains(known));
    if status == StatusCode::PAYLOAD_TOO_LARGE || too_long {
        return Failure::TooLong(said(vlm, &refused.to_string()));
    }
    let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    let out_of_money = words.contains("insufficient_quota");
    if (busy.contains(&status) || status.is_server_error()) && !out_of_money {
        return Failure::Other(Error::transient_after(said(vlm, &refused.to_string()), refused.retry_after));
    }
    let advice = match status {
        _ if out_of_money => "the account has nothing left".to_owned(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if vlm.api_key.is_none() => {
            format!("no key was sent: set environment variable {}", vlm.api_key_env)
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("check the key in environment variable {}", vlm.api_key_env)
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            "check answer.vlm.base_url and answer.vlm.model".to_owned()
        }
        _ if status.is_success() || status.is_redirection() => "check answer.vlm.base_url".to_owned(),
        _ => "check answer.vlm: the server does not take such a request".to_owned(),
    };
    Failure::Other(Error::configuration(format!("{} ({advice})", said(vlm, &refused.to_string()))))
}

/// An error that comes as an event of the stream, behind a status that promised success.
pub fn of_event(vlm: &Vlm, error: &serde_json::Value) -> Failure {
    let body = serde_json::json!({ "error": error }).to_string();
    let (code, message) = explain(&body);
    let status = code.parse::<u16>().ok().and_then(|code| StatusCode::from_u16(code).ok());
    let message = presentable(&message, vlm.api_key.as_ref());
    // what breaks after it began is more likely to pass than not
    of_refusal(
        vlm,
        &Refused {
            status: status.filter(|status| !status.is_success()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            message,
            retry_after: None,
        },
    )
}

/// The other side stayed silent.
pub fn silence(vlm: &Vlm, what: &str, waited: Duration, key: &str) -> Error {
    Error::transient(format!(
        "{} {what} within {} ms (answer.vlm.{key} is how long is waited)",
        name(vlm),
        waited.as_millis()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment, Flags};
    use crate::error::Kind;

    fn vlm() -> Vlm {
        let variables = [
            ("QUIRE__ANSWER__VLM__BASE_URL", "http://localhost:8000/v1"),
            ("QUIRE__ANSWER__VLM__MODEL", "m"),
            ("OPENAI_API_KEY", "sk-secret"),
        ];
        let environment: Environment = variables.into_iter().collect();
        Config::load(&Flags::default(), &environment).unwrap().answer.vlm.unwrap()
    }

    #[test]
    fn every_status_has_a_kind() {
        let cases = [
            (400, "", "temperature is not supported", "configuration"),
            (400, "context_length_exceeded", "", "too long"),
            (400, "", "The decoder prompt (length 5000) is longer than the maximum model length of 4096", "too long"),
            (400, "exceed_context_size_error", "exceeds the available context size", "too long"),
            (401, "", "no", "configuration"),
            (404, "", "no", "configuration"),
            (413, "", "", "too long"),
            (422, "", "Unexpected fields", "configuration"),
            (429, "rate_limit_exceeded", "slow down", "transient"),
            (429, "insufficient_quota", "pay", "configuration"),
            (500, "", "context window exceeded", "too long"),
            (500, "", "sk-secret", "transient"),
            (503, "", "loading", "transient"),
        ];
        for (status, code, message, expected) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let refused = Refused { status, code: code.into(), message: message.into(), retry_after: None };
            let (found, said) = match of_refusal(&vlm(), &refused) {
                Failure::TooLong(message) => ("too long", message),
                Failure::Other(error) => match error.kind() {
                    Kind::Transient { .. } => ("transient", error.to_string()),
                    Kind::Configuration => ("configuration", error.to_string()),
                    kind => panic!("{kind:?}"),
                },
            };
            assert_eq!(found, expected, "{status} {code} {message}");
            assert!(said.contains("'m' at http://localhost:8000/v1") && !said.contains("sk-secret"), "{said}");
        }
    }

    #[test]
    fn an_error_in_the_stream_is_as_good_as_its_code() {
        let kind = |event: serde_json::Value| match of_event(&vlm(), &event) {
            Failure::TooLong(_) => "too long",
            Failure::Other(error) if error.is_transient() => "transient",
            Failure::Other(_) => "final",
        };
        assert_eq!(kind(serde_json::json!("CUDA out of memory")), "transient");
        assert_eq!(kind(serde_json::json!({ "message": "no such field", "code": 400 })), "final");
        assert_eq!(kind(serde_json::json!({ "message": "maximum context length is 5", "code": null })), "too long");
    }
}
