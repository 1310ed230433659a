//! Text on its way to a terminal. File names, titles, what documents say and what models write may hold characters that
//! move the cursor, change colours, or turn the direction of writing around; none of them reaches a terminal as it is. It is
//! shown instead: an escape character as `\\u{1b}`.

use std::borrow::Cow;
use std::io::{self, Write};

/// Characters that a terminal obeys instead of showing them, and those that put others in a different place. Line end and tab
/// are not among them: text has them.
pub fn is_unsafe(char: char) -> bool {
    (char.is_control() && !matches!(char, '\n' | '\t'))
        || matches!(char,
            // marks, embeddings, overrides and isolates of direction
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // line and paragraph separator
            | '\u{2028}' | '\u{2029}')
}

/// The text with each unsafe character written out, as `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    written_out(text, is_unsafe)
}

/// The same for what has to stay on one line, such as a name: line ends and tabs are written out too, as `\n` and `\t`.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    written_out(text, |char| is_unsafe(char) || matches!(char, '\n' | '\t'))
}

fn written_out(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '\n' | '\t' if is_unsafe(char) => shown.extend(char.escape_default()),
            char if is_unsafe(char) => shown.extend(char.escape_unicode()),
            char => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

/// Log lines on their way to a terminal. The colours that the formatter puts between the fields pass; those in values were
/// written out by it.
#[derive(Debug)]
pub struct LogWriter<W> {
    inner: W,
    colours: bool,
}

impl<W: Write> LogWriter<W> {
    /// `colours`: whether the formatter colours its lines.
    pub fn new(inner: W, colours: bool) -> Self {
        Self { inner, colours }
    }
}

impl<W: Write> Write for LogWriter<W> {
    /// Takes whole lines, as the formatter writes them.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(lines);
        let mut rest: &str = &text;
        while !rest.is_empty() {
            let colour = if self.colours { colour(rest) } else { 0 };
            let next = rest[colour..].find('\u{1b}').map_or(rest.len(), |at| colour + at);
            // an escape character that begins no colour goes with what follows it
            let end = if colour == 0 && next == 0 { rest.len().min(1) } else { next };
            self.inner.write_all(&rest.as_bytes()[..colour])?;
            self.inner.write_all(visible(&rest[colour..end]).as_bytes())?;
            rest = &rest[end..];
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Bytes of the colour that a text begins with: `ESC [ 3 1 m`.
fn colour(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    let end = parameters.trim_start_matches(|char: char| char.is_ascii_digit() || char == ';');
    if end.starts_with('m') { text.len() - end.len() + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(visible("a\u{1b}[31m\u{202e}fdp.exe\r\u{9b}\u{7f}"), r"a\u{1b}[31m\u{202e}fdp.exe\u{d}\u{9b}\u{7f}");
        for hostile in ['\u{200e}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{2029}', '\u{2066}', '\u{2069}', '\0'] {
            assert!(!visible(&format!("a{hostile}b")).contains(hostile), "{hostile:?}");
        }
        let harmless = "Grüße,\n\tשלום 日本 👩\u{200d}🚀";
        assert!(matches!(visible(harmless), Cow::Borrowed(text) if text == harmless));
        assert_eq!(visible_line("a\n\tb\u{1b}"), r"a\n\tb\u{1b}");
    }

    #[test]
    fn log_lines_keep_the_colours_of_their_formatter_alone() {
        let written = |colours: bool, text: &str| {
            let mut bytes = Vec::new();
            LogWriter::new(&mut bytes, colours).write_all(text.as_bytes()).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let line = "\u{1b}[2m12:00\u{1b}[0m a\u{202e}b\u{1b}]0;title\u{7}\n";
        assert_eq!(written(true, line), "\u{1b}[2m12:00\u{1b}[0m a\\u{202e}b\\u{1b}]0;title\\u{7}\n");
        assert_eq!(written(false, line), "\\u{1b}[2m12:00\\u{1b}[0m a\\u{202e}b\\u{1b}]0;title\\u{7}\n");
    }
}
