//! `urls`: whether documents are fetched from the web, from where, and what one may cost. Off unless the user switches it on.

use std::time::Duration;

use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use super::report::Mistakes;
use super::tree::Node;

/// Whether documents are fetched from the web, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    pub enabled: bool,
    /// Only these are asked; empty: every host with a public address.
    pub hosts: Vec<Host>,
    /// Those that may lie in a private network.
    pub private_hosts: Vec<Host>,
    /// Addresses without encryption too.
    pub http: bool,
    /// How long one document may take, redirects and all.
    pub timeout: Duration,
    /// Redirects followed for one document.
    pub max_redirects: u32,
}

impl Default for Urls {
    fn default() -> Self {
        UrlsWire::default().into_urls()
    }
}

/// A host that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// As URLs have it: small letters, Punycode, `127.0.0.1`, `[::1]`.
    name: String,
    /// Not the host itself, but those below it: `*.example.org`.
    below: bool,
    /// None: the ports that http and https have.
    port: Option<u16>,
}

impl Host {
    /// What `example.org`, `*.example.org`, `example.org:8443`, `10.1.2.3` and `[fd00::1]:8443` say; None: it is none of them.
    pub fn parse(text: &str) -> Option<Self> {
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let plain = |char: char| !char.is_whitespace() && !char.is_control() && !"/\\@?#*%".contains(char);
        let url = Url::parse(&format!("https://{rest}/")).ok().filter(|_| rest.chars().all(plain))?;
        let name = url.host_str().filter(|name| !name.ends_with('.'))?.to_owned();
        Some(Self { name, below, port: url.port() })
    }

    /// Whether it means this host; `port`: one that is not the scheme's own.
    pub fn is(&self, name: &str, port: Option<u16>) -> bool {
        let named = match self.below {
            true => name.strip_suffix(&self.name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            false => name == self.name,
        };
        named && port == self.port
    }
}

/// Documents from the web. Only from a file that the user chose.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Urls")]
pub(super) struct UrlsWire {
    /// Fetch documents from the web: pipelines with `source: {type: urls}`, and addresses given to `quire ingest`.
    enabled: bool,
    /// Only these hosts are asked: `example.org`, `*.example.org` (those below it), `example.org:8443`. Without any, every host with
    /// a public address, at the ports of http and https.
    #[schemars(length(max = 1000))]
    hosts: Vec<String>,
    /// Hosts that may lie in a private network (`wiki.corp.example`, `10.1.2.3:8080`). Others are asked at public addresses alone.
    #[schemars(length(max = 1000))]
    private_hosts: Vec<String>,
    /// Take addresses without encryption (http://) too.
    http: bool,
    /// Seconds that one document may take, redirects and all.
    #[schemars(range(min = 1, max = 3_600))]
    timeout_s: u64,
    /// Redirects that are followed for one document.
    #[schemars(range(min = 0, max = 20))]
    max_redirects: u32,
}

impl Default for UrlsWire {
    fn default() -> Self {
        Self {
            enabled: false,
            hosts: Vec::new(),
            private_hosts: Vec::new(),
            http: false,
            timeout_s: 120,
            max_redirects: 5,
        }
    }
}

impl UrlsWire {
    /// What the schema can't say.
    pub(super) fn check(&self, root: &Node, mistakes: &mut Mistakes) {
        for (key, hosts) in [("hosts", &self.hosts), ("private_hosts", &self.private_hosts)] {
            for (index, host) in hosts.iter().enumerate().filter(|(_, host)| Host::parse(host).is_none()) {
                let path = format!("urls.{key}[{index}]");
                let found = root.written(&path).unwrap_or(host);
                let expected = "a host is expected: example.org, *.example.org, example.org:8443, 10.1.2.3";
                mistakes.add(root.locate(&path), &path, format!("found '{found}', {expected}"));
            }
        }
    }

    /// The validated form. What is no host has been reported.
    pub(super) fn into_urls(self) -> Urls {
        let parsed = |hosts: Vec<String>| hosts.iter().filter_map(|host| Host::parse(host)).collect();
        Urls {
            enabled: self.enabled,
            hosts: parsed(self.hosts),
            private_hosts: parsed(self.private_hosts),
            http: self.http,
            timeout: Duration::from_secs(self.timeout_s),
            max_redirects: self.max_redirects,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::env::Environment;
    use super::super::flags::Flags;
    use super::super::service::Config;
    use super::*;

    #[test]
    fn nothing_is_fetched_unless_somebody_says_so() {
        let urls = Config::default().urls;
        assert!(!urls.enabled && !urls.http && urls.hosts.is_empty() && urls.private_hosts.is_empty());
    }

    #[test]
    fn a_host_means_itself_or_those_below_it_and_its_port() {
        let host = |text: &str| Host::parse(text).unwrap();
        assert!(host("Example.ORG").is("example.org", None));
        assert!(!host("example.org").is("a.example.org", None) && !host("example.org").is("example.org", Some(8443)));
        assert!(host("example.org:8443").is("example.org", Some(8443)));
        assert!(host("example.org:443").is("example.org", None), "its own port");
        let below = host("*.example.org");
        assert!(below.is("a.example.org", None) && below.is("a.b.example.org", None));
        for other in ["example.org", ".example.org", "badexample.org", "example.org.evil.example"] {
            assert!(!below.is(other, None), "{other}");
        }
        assert!(host("[fd00::0:1]:81").is("[fd00::1]", Some(81)) && host("0x7f.1").is("127.0.0.1", None));
        assert!(host("bücher.example").is("xn--bcher-kva.example", None));
    }

    #[test]
    fn what_is_no_host_is_refused_with_its_place() {
        for text in
            ["", "https://example.org", "example.org/x", "me@example.org", "a b", "*", "*.*.org", "example.org.", "h:x"]
        {
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
        let text = "urls: {hosts: [example.org, 'https://x'], private_hosts: ['a/b']}\n";
        let error = Config::from_text("etc/quire.yaml", text, &Flags::default(), &Environment::default()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("etc/quire.yaml:1:29: urls.hosts[1]: found 'https://x', a host is expected"), "{error}");
        assert!(error.contains("urls.private_hosts[0]: found 'a/b'"), "{error}");
    }
}
