//! The recorder of metrics, and how Prometheus reads them. Installed once a process; without it metrics go nowhere.

use std::sync::{Mutex, PoisonError};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::metric::Metric;
use crate::error::{Error, Result};

/// Seconds: from a cached page image to an answer of a large model.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// Pages of one batch.
const PAGES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Records metrics from now on; once a process, however often it is called.
///
/// # Errors
/// A bug: another recorder is installed.
pub fn record_metrics() -> Result<()> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if installed.is_some() {
        return Ok(());
    }
    let wrong = |error| Error::bug("the buckets of a metric are wrong").with_source(error);
    let pages = metrics_exporter_prometheus::Matcher::Full(Metric::BatchPages.name().to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets(&SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(pages, &PAGES))
        .map_err(|error| wrong(error.to_string()))?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)
        .map_err(|error| Error::bug("metrics are already recorded elsewhere").with_source(error.to_string()))?;
    Metric::describe();
    *installed = Some(handle);
    Ok(())
}

/// All metrics as Prometheus reads them; empty before [`record_metrics`].
pub fn rendered_metrics() -> String {
    let installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    installed
        .as_ref()
        .map(|handle| {
            handle.run_upkeep();
            handle.render()
        })
        .unwrap_or_default()
}
