//! The connection to a server: address, key, time limits, version. It is opened by the first call, and again by any call after
//! it broke; nothing is ever printed of the key.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use qdrant_client::config::QdrantConfig;
use qdrant_client::{Qdrant, QdrantError};
use tokio::sync::OnceCell;

use super::errors::{not_reached, store_error};
use crate::config;
use crate::error::{Error, Result};

/// How long is waited for a connection to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections kept open: writes in flight, and questions beside them.
const CONNECTIONS: usize = 4;
/// Older servers know no metadata of a collection, in which its identity is kept.
const OLDEST: Version = Version { major: 1, minor: 16 };
/// From here on a crash in the middle of a write can't damage a neighbouring multivector (qdrant#9501).
const SAFE_MULTIVECTORS: Version = Version { major: 1, minor: 19 };
/// From here on the weights of terms may be counted over one tenant's pages alone.
const IDF_CORPUS: Version = Version { major: 1, minor: 19 };
/// From here on a filled collection can be given a vector, and lose one.
const VECTOR_NAMES: Version = Version { major: 1, minor: 18 };
/// From here on the lists that a fusion joins may have weights.
const WEIGHTED_FUSION: Version = Version { major: 1, minor: 17 };

/// From here on there is TurboQuant, and it is not passed over as unknown.
pub(super) const TURBO_QUANTIZATION: Version = Version { major: 1, minor: 18 };
/// From here on the parts of a vector have tiers of memory.
pub(super) const MEMORY_TIERS: Version = Version { major: 1, minor: 19 };
/// From here on vectors can be stored as `turbo4`.
pub(super) const TURBO_4: Version = Version { major: 1, minor: 19 };
/// From here on there are `turbo8`, `turbo16`, and TurboQuant of eight bits.
pub(super) const TURBO_8: Version = Version { major: 1, minor: 20 };

/// What decides which features a server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// Of `1.18.3` or `1.19.0-dev`; None if it is no version.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(['.', '-']);
        let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { major, minor })
    }

    /// Whether the corpus of a query's weights can be one tenant's pages.
    pub fn has_idf_corpus(self) -> bool {
        self >= IDF_CORPUS
    }

    pub fn has_vector_names(self) -> bool {
        self >= VECTOR_NAMES
    }

    pub fn has_weighted_fusion(self) -> bool {
        self >= WEIGHTED_FUSION
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A server as it answered the first time.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// `1.18.3`.
    pub release: String,
    pub version: Version,
}

impl Server {
    pub fn new(release: String) -> Result<Self> {
        let version = Version::parse(&release).ok_or_else(|| {
            Error::configuration(format!("store.url leads to something of version '{release}', which is no Qdrant"))
        })?;
        if version < OLDEST {
            return Err(Error::configuration(format!(
                "the Qdrant server has version {release}: {OLDEST} or later is needed, which keeps the identity of a collection"
            )));
        }
        Ok(Self { release, version })
    }

    /// What people should know of this version, if anything.
    pub fn note(&self) -> Option<&'static str> {
        (self.version < SAFE_MULTIVECTORS).then_some(
            "before 1.19 a crash can damage a page whose multivector was just written again with more rows (qdrant#9501); \
             Quire never does that: a page that is written again keeps its rows",
        )
    }
}

/// Calls to one server. Clones share the connections.
#[derive(Clone)]
pub(super) struct Connection {
    client: Qdrant,
    url: String,
    server: Arc<OnceCell<Server>>,
    warned: Arc<AtomicBool>,
}

impl Connection {
    /// Connects with the first call.
    ///
    /// # Errors
    /// Configuration, if the address or the key is none.
    pub fn new(settings: &config::Server) -> Result<Self> {
        let key = settings.api_key.as_ref().map(|key| key.expose().to_owned());
        // The client would print a key that can't be sent.
        if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Error::configuration("store.api_key holds characters that no key has"));
        }
        let client = Qdrant::new(QdrantConfig {
            uri: settings.url.clone(),
            timeout: settings.timeout,
            connect_timeout: CONNECT_TIMEOUT.min(settings.timeout),
            api_key: key,
            // Said by us, in our own words and on standard error.
            check_compatibility: false,
            pool_size: CONNECTIONS,
            ..QdrantConfig::default()
        })
        .map_err(|error| store_error(&settings.url, "be called", error))?;
        Ok(Self { client, url: settings.url.clone(), server: Arc::default(), warned: Arc::default() })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs one call; `action` completes "the server could not ...".
    ///
    /// # Errors
    /// As [`store_error`]; configuration, if the server is too old.
    pub async fn call<'a, T, F>(&'a self, action: &str, call: impl FnOnce(&'a Qdrant) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, QdrantError>> + 'a,
    {
        self.try_call(call).await?.map_err(|error| store_error(&self.url, action, error))
    }

    /// As [`Self::call`], for whom some failures are answers.
    pub async fn try_call<'a, T, F>(
        &'a self,
        call: impl FnOnce(&'a Qdrant) -> F,
    ) -> Result<std::result::Result<T, QdrantError>>
    where
        F: Future<Output = std::result::Result<T, QdrantError>> + 'a,
    {
        self.server().await?;
        Ok(call(&self.client).await)
    }

    /// The server, asked once who it is.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn server(&self) -> Result<&Server> {
        self.server
            .get_or_try_init(|| async {
                let reply = self.client.health_check().await;
                let reply = reply.map_err(|error| not_reached(&self.url, error))?;
                let server = Server::new(reply.version)?;
                tracing::info!(url = self.url, version = server.release, "the store is a Qdrant server");
                Ok(server)
            })
            .await
    }

    /// Says, once a process, what whoever writes to a server of this version should know.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn warn_of_writing(&self) -> Result<()> {
        let server = self.server().await?;
        if let Some(note) = server.note()
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(version = server.release, "{note}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ApiKey;
    use crate::error::{Blame, Kind};

    fn settings(url: &str) -> config::Server {
        config::Server { timeout: Duration::from_secs(2), ..config::Server::at(url) }
    }

    #[test]
    fn versions_are_compared_and_old_ones_refused() {
        assert_eq!(Version::parse("1.19.0-dev"), Some(Version { major: 1, minor: 19 }));
        assert_eq!(Version::parse("latest"), None);
        assert!(Version { major: 2, minor: 0 }.has_idf_corpus() && !Version { major: 1, minor: 18 }.has_idf_corpus());
        let error = Server::new("1.15.4".into()).unwrap_err();
        assert!(error.kind() == Kind::Configuration && error.to_string().contains("1.15.4"), "{error}");
        assert!(Server::new("1.18.3".into()).unwrap().note().unwrap().contains("9501"));
        assert_eq!(Server::new("1.19.0".into()).unwrap().note(), None);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_waited_for() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let connection = Connection::new(&settings(&format!("http://127.0.0.1:{port}"))).unwrap();
        let error = connection.server().await.err().unwrap();
        assert!(error.is_transient() && error.blame() == Blame::Dependency, "{error:?}");
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }

    /// What comes of a server that does this with whoever connects.
    async fn met(scheme: &str, serve: impl AsyncFn(tokio::net::TcpStream) + Send + 'static) -> Error {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connection = Connection::new(&settings(&format!("{scheme}://127.0.0.1:{port}"))).unwrap();
        let serving = async {
            loop {
                serve(listener.accept().await.unwrap().0).await;
            }
        };
        tokio::select! {
            () = serving => unreachable!(),
            reached = connection.server() => reached.err().unwrap(),
        }
    }

    #[tokio::test]
    async fn what_no_waiting_mends_is_told_from_a_server_that_is_away() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        async fn answer(mut stream: tokio::net::TcpStream, bytes: &[u8]) {
            let mut heard = [0; 64];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            while stream.read(&mut heard).await.is_ok_and(|length| length > 0) {}
        }
        const HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        /// A fatal alert of TLS: a message that was not expected.
        const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 10];
        let to_be_mended = [
            ("gRPC", met("http", async |stream| answer(stream, HTTP).await).await),
            ("gRPC", met("http", async |stream| answer(stream, ALERT).await).await),
            ("secured", met("https", async |stream| answer(stream, HTTP).await).await),
            ("secured", met("https", async |stream| answer(stream, ALERT).await).await),
        ];
        for (says, error) in to_be_mended {
            assert_eq!((error.kind(), error.blame()), (Kind::Configuration, Blame::Dependency), "{error:?}");
            assert!(error.to_string().contains(says) && error.to_string().contains("store.url"), "{error}");
        }
        // As a server does that starts, or is killed: who comes is not heard, or the connection is reset.
        let away = [
            met("http", async |stream| drop(stream)).await,
            met("https", async |stream| drop(stream)).await,
            met("http", async |stream| stream.readable().await.unwrap()).await,
        ];
        for error in away {
            assert!(error.is_transient() && error.blame() == Blame::Dependency, "{error:?}");
        }
    }

    #[test]
    fn an_unknown_host_is_told_from_a_name_that_is_not_known_yet() {
        let of = |said: &str| {
            let said = format!(
                "Failed to connect to http://qdrant:6334/: tonic::transport::Error(Transport, ConnectError(ConnectError(\"dns error\", \
                 Custom {{ kind: Uncategorized, error: \"failed to lookup address information: {said}\" }})))"
            );
            not_reached("http://qdrant:6334", tonic::Status::internal(said).into())
        };
        let unknown = of("Name or service not known");
        assert_eq!(unknown.kind(), Kind::Configuration);
        assert!(
            unknown
                .to_string()
                .contains("(failed to lookup address information: Name or service not known): there is no such host")
        );
        assert!(of("Temporary failure in name resolution").is_transient());
    }

    #[test]
    fn neither_address_nor_key_is_sent_if_it_is_none() {
        let error = Connection::new(&settings("http://a b")).err().unwrap();
        assert!(error.kind() == Kind::Configuration && error.to_string().contains("store.url"), "{error}");
        let key = Some(ApiKey::new("two\nlines"));
        let error = Connection::new(&config::Server { api_key: key, ..settings("http://localhost") }).err().unwrap();
        assert!(error.kind() == Kind::Configuration && !error.to_string().contains("two"), "{error}");
    }
}
