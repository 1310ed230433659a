//! Hearing of work that other processes write down, and letting others see that this process is there.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::watch;

use super::{CHANNEL, presence};

/// Between two attempts to reach a server that is away.
const PAUSE: Duration = Duration::from_secs(5);

/// Passes news on until it is aborted. While the server is away there are none; workers look by themselves now and then.
pub async fn listen(pool: PgPool, news: watch::Sender<u64>) {
    loop {
        if let Err(error) = listen_once(&pool, &news).await {
            tracing::debug!(%error, "no news of other processes for now");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(pool: &PgPool, news: &watch::Sender<u64>) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let mut is_new = true;
    loop {
        if is_new {
            // Goes with the connection. Whoever moves the ledger holds it alone.
            sqlx::query("SELECT pg_advisory_lock_shared($1)").bind(presence()).execute(&mut listener).await?;
        }
        // What was told before, or while the connection was lost, is missing: both end with a look.
        news.send_modify(|news| *news += 1);
        is_new = listener.try_recv().await?.is_none();
    }
}
