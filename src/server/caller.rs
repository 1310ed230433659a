//! Who asks, and what they may do: made of a request's credentials, needed by every route that reads anything.
//!
//! Credentials are keys of the ledger and tokens of the configured issuer. Where neither was ever set up, whoever reaches the
//! service is its owner: it listens on this machine alone then (`listen.rs`).

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Server;
use super::problem::Problem;
use crate::app::Scope;
use crate::ledger::KeyRecord;
pub use crate::types::Permission;
use crate::types::{Groups, Tenant};

/// Whose everything is while there are no keys: the tenant of the commands.
const OWNER: &str = "default";

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    pub tenant: Tenant,
    permissions: Vec<Permission>,
    groups: Groups,
    /// What the log and the rate limit know them by; None: the owner.
    pub name: Option<String>,
}

impl Caller {
    pub(super) fn new(tenant: Tenant, permissions: Vec<Permission>, groups: Vec<String>, name: String) -> Self {
        let groups = if permissions.contains(&Permission::Admin) { Groups::All } else { Groups::Of(groups) };
        Self { tenant, permissions, groups, name: Some(name) }
    }

    fn owner() -> Self {
        Self { tenant: Tenant(OWNER.into()), permissions: Permission::ALL.to_vec(), groups: Groups::All, name: None }
    }

    /// Who a request comes from.
    ///
    /// # Errors
    /// 401: its credentials hold no more, are wrong, or are missing where some are needed. 503: the ledger is away.
    pub(super) async fn of(headers: &HeaderMap, server: &Server) -> Result<Self, Problem> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer =
            value.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some(credentials) = bearer.map(|(_, credentials)| credentials.trim()) else {
            return Self::unknown(server).await;
        };
        if let Some(key) = server.app.authenticate(credentials).await? {
            return Ok(Self::from(key));
        }
        match server.tokens().await? {
            Some(tokens) => tokens.caller(credentials),
            None => Self::unknown(server).await,
        }
    }

    /// Whoever has no credentials that hold. While none were ever given out it is the owner, also with a key that some client makes
    /// up because its form must not be empty.
    async fn unknown(server: &Server) -> Result<Self, Problem> {
        let open = server.app.config().server.jwt.is_none() && !server.app.has_keys().await?;
        if open { Ok(Self::owner()) } else { Err(Problem::unauthorized()) }
    }

    /// Whoever started a process that answers one person: what the commands see.
    pub fn at_the_terminal() -> Self {
        Self::owner()
    }

    /// What this caller may see.
    pub fn scope<'a>(&self, server: &'a Server) -> Scope<'a> {
        server.app.scope(self.tenant.clone()).in_groups(self.groups.clone())
    }

    /// # Errors
    /// 403: the caller's key is not for that.
    pub fn may(&self, permission: Permission) -> Result<(), Problem> {
        let granted = |granted: &Permission| *granted == permission || *granted == Permission::Admin;
        if self.permissions.iter().any(granted) { Ok(()) } else { Err(Problem::forbidden(permission)) }
    }
}

impl From<KeyRecord> for Caller {
    fn from(key: KeyRecord) -> Self {
        Self::new(key.tenant, key.permissions, key.groups, key.key_id)
    }
}

/// Who a request comes from, looked up once a request.
#[derive(Debug, Clone)]
struct Identified(Result<Caller, Problem>);

/// Routes that say nothing of anybody. Who asks there is not looked up: they answer at once while the ledger is away, or whoever
/// watches the process would take it for dead.
const FOR_ANYBODY: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Looks up who a request comes from, for the rate limit and for whoever asks. Lets everybody through: routes decide.
pub async fn identify(State(server): State<Server>, mut request: Request, next: Next) -> Response {
    if FOR_ANYBODY.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let caller = Identified(Caller::of(request.headers(), &server).await);
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    // for the log
    response.extensions_mut().insert(caller);
    response
}

/// What the rate limit and the log know a request's sender by, if they are known.
pub fn name_of(extensions: &axum::http::Extensions) -> Option<String> {
    extensions.get::<Identified>()?.0.as_ref().ok()?.name.clone()
}

impl FromRequestParts<Server> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Server) -> Result<Self, Problem> {
        match parts.extensions.get::<Identified>() {
            Some(Identified(caller)) => caller.clone(),
            None => Self::of(&parts.headers, server).await,
        }
    }
}
