//! `quire top`: what the running service does, drawn anew twice a second; once and as text where nobody looks at a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Table};
use tokio_util::sync::CancellationToken;

use super::exit::ExitCode;
use super::output::Output;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::service::{Client, LiveDocument, Snapshot};
use crate::telemetry::visible_line;

/// How soon a key is heard.
const KEYS: Duration = Duration::from_millis(100);
/// Cells of a progress bar.
const BAR: usize = 20;

pub async fn top(config: &Config, output: &Output) -> Result<ExitCode> {
    let client = Client::find(&config.data_dir).await.ok_or_else(|| {
        let folder = config.data_dir.display();
        Error::configuration(format!(
            "no service runs on {folder}: `quire serve` starts one, `quire status` needs none"
        ))
    })?;
    if output.json || !io::stdout().is_terminal() {
        client
            .watch(|json| {
                let snapshot = read(json)?;
                output.result(&snapshot, |out| write_text(out, &snapshot))?;
                Ok(false)
            })
            .await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut terminal = ratatui::init();
    let outcome = draw_until_left(client, &mut terminal).await;
    ratatui::restore();
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn draw_until_left(client: Client, terminal: &mut DefaultTerminal) -> Result<()> {
    let left = CancellationToken::new();
    let hearing = tokio::task::spawn_blocking({
        let left = left.clone();
        move || {
            while !left.is_cancelled() {
                match event::poll(KEYS).and_then(|there| there.then(event::read).transpose()) {
                    Ok(Some(event)) if leaves(&event) => left.cancel(),
                    Ok(_) => {}
                    // No terminal any more.
                    Err(_) => left.cancel(),
                }
            }
        }
    });
    let drawing = client.watch(|json| {
        let snapshot = read(json)?;
        let drawn = terminal.draw(|frame| draw(frame, &snapshot));
        drawn.map_err(|error| Error::permanent("cannot draw on the terminal").with_source(error))?;
        Ok(true)
    });
    let outcome = left.run_until_cancelled(drawing).await.unwrap_or(Ok(()));
    left.cancel();
    let _ = hearing.await;
    outcome
}

fn read(json: &[u8]) -> Result<Snapshot> {
    serde_json::from_slice(json).map_err(|error| Error::bug("the service's answer can't be read").with_source(error))
}

fn leaves(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot) {
    let paused: Vec<Line<'_>> = paused(snapshot).into_iter().map(|line| Line::from(line).bold()).collect();
    let heights = [
        Constraint::Length(3 + u16::try_from(paused.len()).unwrap_or(1)),
        Constraint::Min(4),
        Constraint::Percentage(40),
    ];
    let [head, middle, foot] = Layout::vertical(heights).areas(frame.area());
    let mut lines: Vec<Line<'_>> = headings(snapshot).into_iter().map(Line::from).collect();
    lines.extend(paused);
    frame.render_widget(Paragraph::new(lines), head);
    let rows = snapshot.under_way.iter().map(|document| {
        let source = visible_line(&document.source).into_owned();
        Row::new([
            bar(document),
            format!("{} s", document.seconds),
            visible_line(&document.collection).into_owned(),
            source,
        ])
    });
    let widths =
        [Constraint::Length(BAR as u16 + 12), Constraint::Length(7), Constraint::Length(16), Constraint::Fill(1)];
    let table = Table::new(rows, widths)
        .header(Row::new(["pages", "for", "collection", "document"]).style(Style::new().dim()))
        .block(Block::bordered().title("under way"));
    frame.render_widget(table, middle);
    let ended: Vec<Line<'_>> = snapshot.ended.iter().map(|line| Line::from(visible_line(line).into_owned())).collect();
    frame.render_widget(Paragraph::new(ended).block(Block::bordered().title("ended, newest first (q leaves)")), foot);
}

fn write_text(out: &mut dyn Write, snapshot: &Snapshot) -> io::Result<()> {
    headings(snapshot).iter().chain(&paused(snapshot)).try_for_each(|line| writeln!(out, "{line}"))?;
    for document in &snapshot.under_way {
        writeln!(out, "  {} {}", bar(document), visible_line(&document.source))?;
    }
    snapshot.ended.iter().try_for_each(|line| writeln!(out, "  ended: {}", visible_line(line)))
}

fn headings(snapshot: &Snapshot) -> [String; 2] {
    let at = snapshot.address.as_deref().unwrap_or("no address");
    let (hours, minutes) = (snapshot.uptime_s / 3600, snapshot.uptime_s / 60 % 60);
    let states: Vec<String> = snapshot.documents.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let states = if states.is_empty() { "no documents".to_owned() } else { states.join(", ") };
    [
        format!("quire {} at {at}, process {}, up {hours} h {minutes:02} min", snapshot.version, snapshot.process),
        format!("{states}; {:.1} pages/s", snapshot.pages_per_second),
    ]
}

fn paused(snapshot: &Snapshot) -> Vec<String> {
    let line = |(collection, reason): &(String, String)| {
        let whose = if collection.is_empty() { "everything".to_owned() } else { format!("collection {collection}") };
        visible_line(&format!("{whose} waits: {reason}")).into_owned()
    };
    snapshot.paused.iter().map(line).collect()
}

/// `#####...............  13/50`
fn bar(document: &LiveDocument) -> String {
    if document.pages == 0 {
        return format!("{:BAR$}  opening", "");
    }
    let done = (BAR * document.pages_done.min(document.pages) as usize) / document.pages as usize;
    format!("{}{}  {}/{}", "#".repeat(done), ".".repeat(BAR - done), document.pages_done, document.pages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn snapshot() -> Snapshot {
        Snapshot {
            version: "1.2.3".into(),
            process: 42,
            address: Some("http://127.0.0.1:6380".into()),
            uptime_s: 3720,
            documents: vec![("indexed".into(), 7)],
            pages_per_second: 2.5,
            under_way: vec![LiveDocument {
                source: "/docs/evil\u{1b}[2J.pdf".into(),
                collection: "documents".into(),
                pages_done: 5,
                pages: 10,
                seconds: 3,
            }],
            ended: vec!["a.pdf: indexed, 3 pages in 1.0 s".into()],
            paused: vec![(String::new(), "the disk is full".into())],
        }
    }

    #[test]
    fn the_picture_tells_what_goes_on() {
        let mut terminal = Terminal::new(TestBackend::new(100, 24)).unwrap();
        terminal.draw(|frame| draw(frame, &snapshot())).unwrap();
        let shown = terminal.backend().to_string();
        for part in
            ["up 1 h 02 min", "7 indexed; 2.5 pages/s", "everything waits: the disk is full", "##########", "5/10"]
        {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(shown.contains(r"evil\u{1b}[2J.pdf") && !shown.contains('\u{1b}'), "{shown}");
    }

    #[test]
    fn the_text_tells_the_same() {
        let mut out = Vec::new();
        write_text(&mut out, &snapshot()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("process 42") && text.contains("5/10") && text.contains("ended: a.pdf"), "{text}");
    }
}
