//! Progress of an ingest on a terminal: one bar over pages, a line for what is under way. Problems are printed above it as
//! they happen, so that nobody waits for the summary to learn that a file is broken.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::task::AbortOnDropHandle;

use super::output::Output;
use crate::app::Scope;
use crate::ingest::{DocumentEvent, Event, Happening};
use crate::telemetry::visible_line;
use crate::types::Tenant;

/// A watcher for [`crate::ingest`]: draws on a terminal, stays silent elsewhere.
pub struct Bars {
    bar: ProgressBar,
    _follower: AbortOnDropHandle<()>,
}

impl Bars {
    /// Over what happens in one collection of the scope's tenant.
    pub fn new(scope: &Scope<'_>, collection: &str, output: &Output, quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { output.console.drawing() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:28} {pos}/{len} pages  {per_sec}  {elapsed_precise}  {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let whose = (scope.tenant().clone(), collection.to_owned());
        let follower = Self::follow(bar.clone(), scope.app().events().subscribe(), whose);
        Self { bar, _follower: follower }
    }

    /// Draws what `events` tell, until they end or the value is dropped.
    fn follow(bar: ProgressBar, mut events: Receiver<Event>, whose: (Tenant, String)) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(event) if concerns(&event, &whose) => show(&bar, event),
                    Ok(_) => {}
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

/// Whether an event is about this tenant's collection.
fn concerns(event: &Event, (tenant, collection): &(Tenant, String)) -> bool {
    match event {
        Event::Document(event) => event.tenant == *tenant && event.collection == *collection,
        Event::Paused { collection: of, .. } | Event::Resumed { collection: of } => {
            of.as_ref().is_none_or(|of| of == collection)
        }
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
    use crate::types::{DocumentId, SourceRef};

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
