//! Progress of an ingest on a terminal: one bar over pages, a line for what is under way. Problems are printed above it as
//! they happen, so that nobody waits for the summary to learn that a file is broken.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::task::AbortOnDropHandle;

use crate::ingest::{DocumentEvent, Event, Events, Happening};
use crate::telemetry::visible_line;

/// A watcher for [`crate::ingest`]: draws on a terminal, stays silent elsewhere.
pub struct Bars {
    bar: ProgressBar,
    _follower: AbortOnDropHandle<()>,
}

impl Bars {
    pub fn new(events: &Events, visible: bool) -> Self {
        let bar = if visible { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) =
            ProgressStyle::with_template("{bar:28} {pos}/{len} pages  {per_sec}  {elapsed_precise}  {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let follower = Self::follow(bar.clone(), events.subscribe());
        Self { bar, _follower: follower }
    }

    /// Draws what `events` tell, until they end or the value is dropped.
    fn follow(bar: ProgressBar, mut events: Receiver<Event>) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(event) => show(&bar, event),
                    // Too slow for a moment: the bar is for people, the summary is exact.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        }))
    }

    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}

fn show(bar: &ProgressBar, event: Event) {
    if let Some(line) = line(&event) {
        bar.println(line);
    }
    let Event::Document(DocumentEvent { source, what, .. }) = event else { return };
    match what {
        Happening::Started => bar.set_message(visible_line(&source.name).into_owned()),
        Happening::Opened { pages } => bar.inc_length(u64::from(pages)),
        Happening::Page { .. } | Happening::PageFailed(_) => bar.inc(1),
        _ => {}
    }
}

/// The line that tells of an event which people should know at once.
fn line(event: &Event) -> Option<String> {
    let line = match event {
        Event::Document(DocumentEvent { source, what, .. }) => match what {
            Happening::PageFailed(page) => format!("{}, page {}: {}", source.name, page.page, page.reason),
            Happening::Rejected { reason } => format!("{}: {reason}", source.name),
            Happening::Retrying { reason } => format!("{}: {reason}; trying again", source.name),
            Happening::Dead { reason } => format!("{}: {reason}; given up", source.name),
            _ => return None,
        },
        Event::Paused { reason, .. } => format!("waiting: {reason}"),
        Event::Resumed { .. } => "going on".to_owned(),
    };
    Some(visible_line(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DocumentId, SourceRef, Tenant};

    #[test]
    fn no_name_moves_the_cursor() {
        let name = "evil\u{1b}[2J\u{202e}\n.pdf".to_owned();
        let source = SourceRef { uri: format!("/docs/{name}"), name };
        let tenant = Tenant("default".into());
        let document = DocumentId::new(&tenant, "documents", &source.uri);
        let what = Happening::Dead { reason: "no\rPDF".into() };
        let event = DocumentEvent { document, tenant, collection: "documents".into(), source, what };
        let line = line(&Event::Document(event)).unwrap();
        assert_eq!(line, r"evil\u{1b}[2J\u{202e}\n.pdf: no\u{d}PDF; given up");
    }
}
