//! What a server's answers mean: whether to wait, to set something right, or to give up. Never the document's fault: points
//! are checked before they are sent.

use std::time::Duration;

use qdrant_client::QdrantError;
use tonic::{Code, Status};

use crate::error::{Blame, Error, says_unknown_host};

/// Beside `RESOURCE_EXHAUSTED`: the server's disk or memory quota is used up, which no waiting of ours mends.
const NO_STORAGE: &str = "qdrant-insufficient-storage";
/// What a server says that has no quota and no room for its log any more.
const NO_SPACE: &str = "No space left on device";
/// In what strict mode refuses, behind what was asked and what is allowed.
const STRICT_MODE: &str = ". Help: ";

/// What a connection ends with that can't be secured.
const OF_TLS: &[&str] =
    &["InvalidCertificate", "invalid peer certificate", "InvalidMessage", "InvalidContentType", "AlertReceived"];
/// What a connection ends with at whose other end somebody else listens.
const OF_ANOTHER_PROTOCOL: &[&str] = &["connection error detected"];

/// An error of the client or the server at `server`, while it did `action`.
pub(super) fn store_error(server: &str, action: &str, error: QdrantError) -> Error {
    let could_not = format!("the Qdrant server at {server} could not {action}");
    match error {
        QdrantError::ResourceExhaustedError { retry_after_seconds, .. } => Error::transient_after(
            format!("{could_not}: it limits how often it is asked; it may be asked again in {retry_after_seconds} s"),
            Some(Duration::from_secs(retry_after_seconds)),
        ),
        QdrantError::ResponseError { status } => of_status(server, &could_not, &status),
        QdrantError::InvalidUri(error) => Error::configuration(format!(
            "store.url is '{server}', which is no address: http://HOST:6334 or https://HOST:6334 is expected"
        ))
        .with_source(error),
        error => Error::bug(could_not).blaming(Blame::Dependency).with_source(error),
    }
}

/// Why a server could not be reached the first time: what no waiting mends is told from a server that is away.
pub(super) fn not_reached(server: &str, error: QdrantError) -> Error {
    let QdrantError::ResponseError { status } = &error else { return store_error(server, "be reached", error) };
    // The message alone tells a broken connection and another protocol alike.
    let causes = std::iter::successors(std::error::Error::source(status), |&cause| cause.source());
    let said = std::iter::once(status.message().to_owned()).chain(causes.map(ToString::to_string));
    let said = said.collect::<Vec<_>>().join(": ");
    let is_one_of = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
    let why = if says_unknown_host(&said) {
        "there is no such host: check store.url"
    } else if is_one_of(OF_TLS) {
        "the connection can't be secured: check that store.url begins as the server listens, http or https, and that its certificate is \
         trusted (SSL_CERT_FILE names a file of more authorities)"
    } else if is_one_of(OF_ANOTHER_PROTOCOL) {
        "what answers there does not speak gRPC: store.url must name Qdrant's gRPC port (6334), with https if it takes nothing else"
    } else {
        return store_error(server, "be reached", error);
    };
    let said = in_short(status.message());
    Error::configuration(format!("the Qdrant server at {server} could not be reached ({said}): {why}"))
}

fn of_status(server: &str, could_not: &str, status: &Status) -> Error {
    let said = status.message();
    match status.code() {
        Code::ResourceExhausted if status.metadata().contains_key(NO_STORAGE) => Error::transient(format!(
            "{could_not}: its storage is full ({said}); free some, or raise its quota: work goes on by itself then"
        )),
        _ if said.contains(NO_SPACE) => {
            Error::transient(format!("{could_not}: its disk is full ({said}); make room: work goes on by itself then"))
        }
        Code::Unauthenticated | Code::PermissionDenied => Error::configuration(format!(
            "the Qdrant server at {server} refuses the key ({said}): set store.api_key, in a file as ${{QDRANT_API_KEY}}, or \
             the variable QUIRE__STORE__API_KEY"
        )),
        Code::InvalidArgument if said.contains(STRICT_MODE) => {
            Error::configuration(format!("{could_not}: strict mode of its collection forbids it: {said}"))
        }
        Code::Unimplemented => Error::configuration(format!(
            "{could_not}: it does not know such calls ({said}); Qdrant 1.16 or later is expected, and store.url must name its \
             gRPC port (6334), not its HTTP port"
        )),
        Code::NotFound => Error::configuration(format!("{could_not}: {said}")),
        Code::InvalidArgument | Code::OutOfRange | Code::AlreadyExists => {
            Error::permanent(format!("{could_not}: {said}")).blaming(Blame::Dependency)
        }
        Code::DeadlineExceeded | Code::Cancelled => Error::transient(format!(
            "{could_not} in time ({said}): it is busy or away; store.timeout_s says how long is waited"
        )),
        // Away, restarting, locked for writes, out of memory or disk, or a proxy before it: it may pass.
        _ => Error::transient(format!("{could_not}: {}", in_short(said))),
    }
}

/// Why no connection stands, out of what the client says of it, which names every layer that passed it on.
fn in_short(said: &str) -> &str {
    if !said.starts_with("Failed to connect") {
        return said;
    }
    let of_system = said.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"')).map(|(reason, _)| reason);
    let innermost = || said.rsplit_once("error: ").map(|(_, rest)| rest.trim_end_matches([' ', '}', ')', '"']));
    of_system.or_else(innermost).unwrap_or(said).trim_start_matches('"')
}

/// Whether the server says that there is no such collection.
pub(super) fn is_missing(error: &QdrantError) -> bool {
    matches!(error, QdrantError::ResponseError { status } if status.code() == Code::NotFound)
}

/// Whether another process made the same thing just now.
pub(super) fn exists_already(error: &QdrantError) -> bool {
    let QdrantError::ResponseError { status } = error else { return false };
    status.code() == Code::AlreadyExists
        || status.code() == Code::InvalidArgument && status.message().contains("already exists")
}

/// Whether a node of a cluster has not heard yet of shards that were made just now, or takes them for unready: the server asks then to be
/// told once more.
pub(super) fn is_of_new_shards(error: &QdrantError) -> bool {
    let QdrantError::ResponseError { status } = error else { return false };
    ["No target shard", "Failed to apply operation to at least one `Active` replica"]
        .iter()
        .any(|said| status.message().contains(said))
}

#[cfg(test)]
mod tests {
    use tonic::metadata::MetadataMap;

    use super::*;
    use crate::error::Kind;

    const SERVER: &str = "http://qdrant:6334";

    fn of(code: Code, message: &str, metadata: &[(&'static str, &str)]) -> Error {
        let mut map = MetadataMap::new();
        for (key, value) in metadata {
            map.insert(*key, value.parse().unwrap());
        }
        store_error(SERVER, "write points", Status::with_metadata(code, message, map).into())
    }

    #[test]
    fn a_rate_limit_says_when_to_come_again() {
        let error = of(Code::ResourceExhausted, "Rate limiting exceeded", &[("retry-after", "7")]);
        assert_eq!(error.kind(), Kind::Transient { retry_after: Some(Duration::from_secs(7)) });
        assert_eq!(error.blame(), Blame::Dependency);
    }

    #[test]
    fn a_full_node_is_told_from_a_rate_limit() {
        let error = of(Code::ResourceExhausted, "disk usage 96%", &[(NO_STORAGE, "true")]);
        assert!(error.is_transient() && error.to_string().contains("storage is full (disk usage 96%)"), "{error}");
    }

    #[test]
    fn a_full_disk_is_told_without_a_quota_too() {
        let said = "Service internal error: No space left on device: WAL buffer size exceeds available disk space";
        let error = of(Code::Internal, said, &[]);
        assert!(error.is_transient() && error.blame() == Blame::Dependency, "{error:?}");
        assert!(error.to_string().contains("its disk is full") && error.to_string().contains("WAL buffer"), "{error}");
    }

    #[test]
    fn shards_that_a_node_has_not_heard_of_are_told_from_what_is_broken() {
        let said = "Pre-condition failure: Precondition failed: No target shard 1 found for update";
        assert!(is_of_new_shards(&Status::new(Code::FailedPrecondition, said).into()));
        let said = "Service internal error: Failed to apply operation to at least one `Active` replica. Consistency of this update is not \
                    guaranteed. Please retry.";
        assert!(is_of_new_shards(&Status::new(Code::Internal, said).into()));
        assert!(!is_of_new_shards(&Status::new(Code::FailedPrecondition, "locked").into()));
    }

    #[test]
    fn strict_mode_names_its_limit() {
        let said =
            "Forbidden: Limit exceeded 500 > 100 for \"limit\". Help: Reduce the \"limit\" parameter to or below 100";
        let error = of(Code::InvalidArgument, said, &[]);
        assert_eq!(error.kind(), Kind::Configuration);
        assert!(error.to_string().contains("500 > 100"), "{error}");
    }

    #[test]
    fn a_refused_key_names_what_to_set_and_not_the_key() {
        for code in [Code::Unauthenticated, Code::PermissionDenied] {
            let error = of(code, "Invalid API key or JWT", &[]);
            assert_eq!(error.kind(), Kind::Configuration);
            assert!(error.to_string().contains("store.api_key"), "{error}");
            assert!(error.to_string().contains("QUIRE__STORE__API_KEY"), "{error}");
        }
    }

    #[test]
    fn a_server_that_is_away_blames_no_document() {
        let away =
            [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled, Code::Internal, Code::FailedPrecondition];
        for code in away {
            let error = of(code, "away", &[]);
            assert!(error.is_transient() && error.blame() == Blame::Dependency, "{code:?}: {error:?}");
        }
    }

    #[test]
    fn a_connection_that_does_not_stand_is_said_in_short() {
        let said = "Failed to connect to http://qdrant:6334/: tonic::transport::Error(Transport, ConnectError(ConnectError(\"tcp \
                    connect error\", Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" })))";
        let error = of(Code::Internal, said, &[]).to_string();
        assert!(error.ends_with("could not write points: Connection refused"), "{error}");
        let said = "Failed to connect to http://qdrant:6334/: tonic::transport::Error(Transport, ConnectError(ConnectError(\"dns error\", \
                    Custom { kind: Uncategorized, error: \"failed to lookup address information: Temporary failure in name resolution\" })))";
        let error = of(Code::Internal, said, &[]).to_string();
        assert!(
            error.ends_with("write points: failed to lookup address information: Temporary failure in name resolution"),
            "{error}"
        );
        assert_eq!(in_short("Service internal error: 1 of 2 shards"), "Service internal error: 1 of 2 shards");
    }

    #[test]
    fn what_the_server_refuses_is_no_documents_fault_either() {
        let error = of(Code::InvalidArgument, "Wrong input: Vector dimension error", &[]);
        assert_eq!((error.kind(), error.blame()), (Kind::Permanent, Blame::Dependency));
    }
}
