//! The word to stop: the first SIGINT or SIGTERM lets a command finish what ends soon and give the rest back; a second one
//! ends it at once, which loses nothing either.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// What shells expect of a program that a signal ended: 128 and the signal's number.
const ENDED_BY_SIGINT: i32 = 130;

/// Cancelled by the first signal.
pub fn stop_on_signal() -> Result<CancellationToken> {
    let listen = |kind| signal(kind).map_err(|error| Error::bug("signals can't be listened to").with_source(error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping: what is under way is finished or given back; a second signal ends at once");
        told.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(ENDED_BY_SIGINT);
    });
    Ok(stop)
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
