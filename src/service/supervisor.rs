//! What systemd is told, where it started us: that the service is ready, and that it stops.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use crate::app::Installation;
use crate::config::NOTIFY_SOCKET;

/// Tells the supervisor, if there is one.
pub(super) fn tell(installation: &Installation, state: &str) {
    let Some(socket) = installation.environment().path(NOTIFY_SOCKET) else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, "systemd could not be told: {state}");
    }
}

fn send(socket: &Path, state: &str) -> std::io::Result<()> {
    let address = match socket.as_os_str().as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let supervisor = UnixDatagram::bind(&path).unwrap();
        send(&path, "READY=1").unwrap();
        let mut heard = [0; 16];
        let length = supervisor.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1");
        assert!(send(&folder.path().join("nobody"), "READY=1").is_err());
    }
}
