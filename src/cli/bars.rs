//! Progress of an ingest on a terminal: one bar over pages, a line for what is under way. Problems are printed above it as
//! they happen, so that nobody waits for the summary to learn that a file is broken.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::ingest::{Event, Progress};

/// A watcher for [`crate::ingest`]: draws on a terminal, stays silent elsewhere.
pub struct Bars {
    bar: ProgressBar,
}

impl Bars {
    pub fn new(visible: bool) -> Self {
        let bar = if visible { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) =
            ProgressStyle::with_template("{bar:28} {pos}/{len} pages  {per_sec}  {elapsed_precise}  {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    pub fn progress(&self) -> Progress {
        let bar = self.bar.clone();
        Arc::new(move |event| match event {
            Event::Compared { .. } => {}
            Event::Started { source } => bar.set_message(source.name),
            Event::Opened { pages, .. } => bar.inc_length(u64::from(pages)),
            Event::Page { .. } => bar.inc(1),
            Event::PageFailed { source, page, reason } => {
                bar.inc(1);
                bar.println(format!("{}, page {page}: {reason}", source.name));
            }
            Event::Indexed { .. } => {}
            Event::Rejected { source, reason } => bar.println(format!("{}: {reason}", source.name)),
            Event::Retrying { source, reason } => bar.println(format!("{}: {reason}; trying again", source.name)),
            Event::Dead { source, reason } => bar.println(format!("{}: {reason}; given up", source.name)),
        })
    }

    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
