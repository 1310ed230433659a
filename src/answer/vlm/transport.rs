//! HTTP to the endpoint: where requests go, the headers that carry the key, and nothing else. A request is sent once;
//! trying again is decided above, where it is known what was shown already.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;

use super::failure::{self, Failure};
use super::refusal::{Refused, read_at_most};
use crate::config::Vlm;
use crate::error::{Error, Result};

/// Bytes of a list of models that are read.
const MAX_LIST_BYTES: usize = 4 << 20;

/// The endpoint of a configured answer model.
#[derive(Debug)]
pub struct Endpoint {
    vlm: Vlm,
    client: reqwest::Client,
    headers: HeaderMap,
}

impl Endpoint {
    /// Sets up a client; nothing is sent yet. Redirects are not followed: the key goes where the configuration says and
    /// nowhere else.
    ///
    /// # Errors
    /// Configuration, where TLS can't be set up on this machine.
    pub fn new(vlm: &Vlm) -> Result<Self> {
        let client = reqwest::Client::builder()
            .connect_timeout(vlm.timeouts.connect)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("quire/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::configuration("the HTTP client can't be set up").with_source(error))?;
        let mut headers = HeaderMap::new();
        let bearer = vlm.api_key.as_ref().map(|key| HeaderValue::from_str(&format!("Bearer {}", key.expose())));
        // a key that no header can carry does not get through the configuration
        if let Some(Ok(mut bearer)) = bearer {
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        Ok(Self { vlm: vlm.clone(), client, headers })
    }

    /// The settings that it was made from.
    pub fn vlm(&self) -> &Vlm {
        &self.vlm
    }

    /// Asks for an answer as a stream of events; gives the response once its head is there.
    ///
    /// # Errors
    /// What [`failure`] makes of a connection that fails, or of an answer that is no stream.
    pub async fn chat(&self, request: &impl Serialize) -> Result<Response, Failure> {
        let body = serde_json::to_vec(request)
            .map_err(|error| Failure::Other(Error::bug("a request is always JSON").with_source(error)))?;
        let request = self.client.post(self.url("/chat/completions")).headers(self.headers.clone());
        let request = request.header(CONTENT_TYPE, "application/json").header(ACCEPT, "text/event-stream").body(body);
        let response = request.send().await.map_err(|error| failure::of_http(&self.vlm, &error))?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_document = kind.starts_with("application/json") || kind.starts_with("text/html");
        if response.status().is_success() && !is_document { Ok(response) } else { Err(self.refused(response).await) }
    }

    /// What `GET {base_url}/models` says.
    ///
    /// # Errors
    /// As for [`Self::chat`].
    pub async fn models(&self, timeout: Duration) -> Result<Vec<String>, Failure> {
        let request = self.client.get(self.url("/models")).headers(self.headers.clone()).timeout(timeout);
        let response = request.send().await.map_err(|error| failure::of_http(&self.vlm, &error))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let (body, outcome) = read_at_most(response, MAX_LIST_BYTES).await;
        outcome.map_err(|error| failure::of_http(&self.vlm, &error))?;
        let list: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let models = list["data"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(models.iter().filter_map(|model| model["id"].as_str().map(str::to_owned)).collect())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.vlm.base_url)
    }

    async fn refused(&self, response: Response) -> Failure {
        let refused = Refused::read(response, self.vlm.api_key.as_ref()).await;
        failure::of_refusal(&self.vlm, &refused)
    }
}
