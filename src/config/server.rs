//! `server`: where the service listens, who may come in from where, and how much anybody may ask for. The tokens of an issuer
//! have a file of their own, `jwt.rs`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::env::Environment;
use super::jwt::{Jwt, JwtWire};
use super::report::Mistakes;
use super::tree::Node;

/// Where the service listens unless told otherwise: this machine alone.
const LISTEN: &str = "127.0.0.1:6380";

/// The service over HTTP, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// Address and port.
    pub listen: SocketAddr,
    /// Where others reach it, without a slash at the end: `https://docs.example.com`. Before links that leave the service.
    pub public_url: Option<String>,
    /// Names under which it may be asked for besides its own address, in lower case, without ports.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may ask it in a browser; `*`: all of them.
    pub cors_origins: Vec<String>,
    /// Whether the web page is served.
    pub ui: bool,
    /// How long a signed link opens what it leads to.
    pub link_valid: Duration,
    pub limits: HttpLimits,
    /// Whose tokens are taken besides keys.
    pub jwt: Option<Jwt>,
}

/// How much may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a request that is no upload.
    pub body_bytes: usize,
    /// Bytes of an upload, all of its files together.
    pub upload_bytes: u64,
    /// How long a request may take, uploads and streams apart.
    pub request: Duration,
    /// Requests of one key, or of one address without a key, in a minute; as many at once.
    pub requests_per_minute: u32,
    /// Questions that are answered at the same time.
    pub questions: usize,
    /// How long a question waits for its turn.
    pub question_wait: Duration,
    /// Documents that may wait to be indexed before uploads are turned away.
    pub queued_documents: u64,
}

impl Default for Http {
    fn default() -> Self {
        HttpWire::default().into_http(&Environment::default(), |_, value| PathBuf::from(value))
    }
}

/// The service over HTTP. Only from a file that the user chose: it says who may ask.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Server")]
pub(super) struct HttpWire {
    /// Address and port to listen at. Another address than this machine's own (127.0.0.1, `[::1]`) needs keys.
    #[schemars(length(min = 1, max = 256))]
    listen: String,
    /// Where others reach the service, through a proxy: `https://docs.example.com`. Its name is an allowed host.
    #[schemars(length(min = 1, max = 2048))]
    public_url: Option<String>,
    /// Names under which the service may be asked for, besides localhost, its address and the public URL's: `docs.example.com`.
    allowed_hosts: Vec<String>,
    /// Origins whose pages may ask the service in a browser: `https://wiki.example.com`, or `*` for all.
    cors_origins: Vec<String>,
    /// Serve the web page.
    ui: bool,
    /// Seconds that links to page images and originals stay open.
    #[schemars(range(min = 60, max = 604_800))]
    link_valid_s: u64,
    limits: LimitsWire,
    /// Tokens of an issuer that are taken besides keys.
    jwt: Option<JwtWire>,
}

/// How much may be asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "ServerLimits")]
struct LimitsWire {
    /// Bytes of a request that is no upload.
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    body_bytes: usize,
    /// Bytes of an upload, all of its files together. A single document also has `render.max_document_bytes`.
    #[schemars(range(min = 1024))]
    upload_bytes: u64,
    /// Seconds that a request may take, uploads and streamed answers apart.
    #[schemars(range(min = 1, max = 3600))]
    request_s: u64,
    /// Requests of one key, or of one address without a key, in a minute.
    #[schemars(range(min = 1, max = 10_000_000))]
    requests_per_minute: u32,
    /// Questions that are answered at the same time.
    #[schemars(range(min = 1, max = 10_000))]
    questions: usize,
    /// Seconds that a question waits for its turn before it is turned away.
    #[schemars(range(min = 0, max = 600))]
    question_wait_s: u64,
    /// Documents that may wait to be indexed before uploads are turned away.
    #[schemars(range(min = 1))]
    queued_documents: u64,
}

impl Default for HttpWire {
    fn default() -> Self {
        Self {
            listen: LISTEN.into(),
            public_url: None,
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            ui: true,
            link_valid_s: 3_600,
            limits: LimitsWire::default(),
            jwt: None,
        }
    }
}

impl Default for LimitsWire {
    fn default() -> Self {
        Self {
            body_bytes: 2 << 20,
            upload_bytes: 2 << 30,
            request_s: 120,
            requests_per_minute: 3_000,
            questions: 32,
            question_wait_s: 10,
            queued_documents: 100_000,
        }
    }
}

impl HttpWire {
    /// What the schema can't say.
    pub(super) fn check(&self, root: &Node, environment: &Environment, mistakes: &mut Mistakes) {
        let mut add = |path: &str, message: String| mistakes.add(root.locate(path), path, message);
        if self.listen.parse::<SocketAddr>().is_err() {
            let message =
                format!("found '{}', an address and a port are expected: {LISTEN}, 0.0.0.0:6380", self.listen);
            add("server.listen", message);
        }
        if let Some(url) = &self.public_url
            && origin_of(url).is_none()
        {
            add("server.public_url", format!("found '{url}', an address is expected: https://docs.example.com"));
        }
        for origin in self.cors_origins.iter().filter(|origin| *origin != "*") {
            if origin_of(origin).as_deref() != Some(origin.as_str()) {
                let message = format!("found '{origin}', an origin is expected: https://wiki.example.com, or *");
                add("server.cors_origins", message);
            }
        }
        for host in self.allowed_hosts.iter().filter(|host| host.is_empty() || host.contains(['/', ' ', '*', '@'])) {
            add("server.allowed_hosts", format!("found '{host}', a name is expected: docs.example.com"));
        }
        if let Some(jwt) = &self.jwt {
            jwt.check(root, environment, mistakes);
        }
    }

    /// The validated form; `path` makes a path of what is written at a key.
    pub(super) fn into_http(self, environment: &Environment, path: impl Fn(&str, &str) -> PathBuf) -> Http {
        let LimitsWire {
            body_bytes,
            upload_bytes,
            request_s,
            requests_per_minute,
            questions,
            question_wait_s,
            queued_documents,
        } = self.limits;
        let listen = self.listen.parse().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 6380)));
        let mut allowed_hosts: Vec<String> = self.allowed_hosts.iter().map(|host| host.to_lowercase()).collect();
        let public = self.public_url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
        allowed_hosts.extend(public.as_ref().and_then(|url| url.host_str()).map(str::to_lowercase));
        Http {
            listen,
            public_url: self.public_url.map(|url| url.trim_end_matches('/').to_owned()),
            allowed_hosts,
            cors_origins: self.cors_origins,
            ui: self.ui,
            link_valid: Duration::from_secs(self.link_valid_s),
            limits: HttpLimits {
                body_bytes,
                upload_bytes,
                request: Duration::from_secs(request_s),
                requests_per_minute,
                questions,
                question_wait: Duration::from_secs(question_wait_s),
                queued_documents,
            },
            jwt: self.jwt.map(|jwt| jwt.into_jwt(environment, path)),
        }
    }
}

/// Scheme, host and port of an address of the web, as browsers write them; None if it is none.
fn origin_of(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && plain).then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Flags};
    use super::*;

    fn load(text: &str) -> crate::error::Result<Config> {
        Config::from_text("quire.yaml", text, &Flags::default(), &Environment::default())
    }

    #[test]
    fn by_default_only_this_machine_is_served() {
        let http = load("").unwrap().server;
        assert_eq!(http, Http::default());
        assert!(http.listen.ip().is_loopback() && http.cors_origins.is_empty() && http.jwt.is_none());
    }

    #[test]
    fn the_public_name_is_an_allowed_host() {
        let text = "server: {public_url: 'https://Docs.example.com/quire/', allowed_hosts: [Inner.example]}";
        let http = load(text).unwrap().server;
        assert_eq!(http.public_url.as_deref(), Some("https://Docs.example.com/quire"));
        assert_eq!(http.allowed_hosts, ["inner.example", "docs.example.com"]);
    }

    #[test]
    fn what_a_person_sees() {
        let text = "server:\n  listen: everywhere\n  public_url: docs\n  cors_origins: ['https://a.example/x', '*']\n  \
                    allowed_hosts: ['*.example']\n  limits: {questions: 0}\n";
        let report = load(text).unwrap_err().to_string();
        for expected in ["everywhere", "'docs'", "https://a.example/x", "'*.example'", "questions"] {
            assert!(report.contains(expected), "{expected}: {report}");
        }
    }
}
