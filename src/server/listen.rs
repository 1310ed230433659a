//! Where the service may listen: on this machine alone until there are keys.

use std::net::SocketAddr;

use super::tokens::Tokens;
use crate::app::App;
use crate::error::{Error, Result};

/// Whether the service may listen at an address; also that the issuer's key can be read, where one is configured.
///
/// # Errors
/// Configuration: others could reach the address, and nobody would be asked who they are.
pub async fn check_listen(app: &App, address: SocketAddr) -> Result<()> {
    if let Some(settings) = app.config().server.jwt.clone() {
        tokio::task::spawn_blocking(move || Tokens::new(settings))
            .await
            .map_err(|error| Error::bug("reading the issuer's key panicked").with_source(error))??;
        return Ok(());
    }
    if address.ip().is_loopback() || app.has_keys().await? {
        return Ok(());
    }
    Err(Error::configuration(format!(
        "{address} can be reached by others, and there are no keys: everybody could read and delete everything. Make one first \
         (`quire keys create --scope admin NAME`), or listen at 127.0.0.1:{}",
        address.port()
    )))
}
