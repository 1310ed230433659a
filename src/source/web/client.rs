//! What is sent and to whom: one GET, no cookies, no credentials, no proxy of the environment, no redirect followed by itself. A name
//! is looked up once for a connection, every address that it has is checked, and one of these very addresses is connected to: a name
//! that means something else a moment later changes nothing.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;

use super::address::{Address, may_be_reached};
use crate::error::{Error, Result};

/// To a host that does not answer.
const CONNECT: Duration = Duration::from_secs(10);
/// Without a byte.
const SILENCE: Duration = Duration::from_secs(30);

/// Finds the addresses of a host.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// As the system finds them.
pub fn system() -> Lookup {
    Arc::new(|host| {
        async move { Ok(tokio::net::lookup_host((host.as_str(), 0)).await?.map(|found| found.ip()).collect()) }.boxed()
    })
}

/// Two clients, which share no connection: one never connects to a private network.
#[derive(Debug)]
pub struct Clients {
    public: reqwest::Client,
    private: reqwest::Client,
}

impl Clients {
    /// # Errors
    /// Configuration, where TLS can't be set up on this machine.
    pub fn new(lookup: &Lookup) -> Result<Self> {
        Ok(Self { public: client(lookup, false)?, private: client(lookup, true)? })
    }

    /// The beginning of a request. The response's head is read within the time that the caller gives, its body by the caller.
    pub fn get(&self, address: &Address) -> reqwest::RequestBuilder {
        let client = if address.private { &self.private } else { &self.public };
        client.get(address.url.clone())
    }
}

fn client(lookup: &Lookup, private: bool) -> Result<reqwest::Client> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/pdf, image/*, */*;q=0.5"));
    // Nothing is unpacked here, where few bytes could become many.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    reqwest::Client::builder()
        .dns_resolver(Guard { lookup: lookup.clone(), private })
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("quire/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .build()
        .map_err(|error| Error::configuration("the HTTP client can't be set up").with_source(error))
}

/// Gives addresses of a name only if all of them may be connected to.
struct Guard {
    lookup: Lookup,
    private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, private, host) = (self.lookup.clone(), self.private, name.as_str().to_owned());
        Box::pin(async move {
            let found = lookup(host.clone()).await?;
            for address in &found {
                may_be_reached(*address, private)
                    .map_err(|reason| Error::permanent(format!("{host} is not asked: {reason}")))?;
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// The refusal of [`Guard`] behind an error of the client, where it is one.
pub fn refused(error: &reqwest::Error) -> Option<Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<Error>() {
            return Some(refusal.duplicate());
        }
        cause = error.source();
    }
    None
}
