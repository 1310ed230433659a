//! Where a command runs: its streams, its folder, the word to stop. Those of this process; or, in the service, those of
//! whoever asked over the control socket. A command that asks for them here works the same in both.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use indicatif::{ProgressDrawTarget, TermLike};
use tokio_util::sync::CancellationToken;

use super::signals::stop_on_signal;
use crate::error::{Error, Result};
use crate::service::{Call, Stream};
use crate::source;

/// Drawings of a progress bar in a second: as many as indicatif makes on a terminal of its own.
const DRAWINGS_A_SECOND: u8 = 20;

/// The surroundings of one command.
#[derive(Debug, Default)]
pub struct Console {
    /// None: this process.
    far: Option<Far>,
    /// This process's word to stop, once somebody listens for it.
    own_stop: OnceLock<CancellationToken>,
}

/// A client of the service.
#[derive(Debug)]
struct Far {
    stdout: Stream,
    stderr: Stream,
    stderr_is_terminal: bool,
    width: u16,
    folder: PathBuf,
    stop: CancellationToken,
}

impl Console {
    /// That of a client.
    pub fn of_call(call: &Call) -> Self {
        Self {
            far: Some(Far {
                stdout: call.stdout.clone(),
                stderr: call.stderr.clone(),
                stderr_is_terminal: call.stderr_is_terminal,
                width: call.width,
                folder: call.folder.clone(),
                stop: call.stop.clone(),
            }),
            own_stop: OnceLock::new(),
        }
    }

    /// Whether the command runs in the service, for somebody elsewhere.
    pub fn is_far(&self) -> bool {
        self.far.is_some()
    }

    /// Writes to standard output, at once.
    ///
    /// # Errors
    /// A broken pipe, where nobody reads any more.
    pub fn print(&self, text: &str) -> io::Result<()> {
        self.print_bytes(text.as_bytes())
    }

    /// As [`Self::print`].
    pub fn print_bytes(&self, bytes: &[u8]) -> io::Result<()> {
        fn write(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
            to.write_all(bytes)?;
            to.flush()
        }
        match &self.far {
            Some(far) => write(far.stdout.clone(), bytes),
            None => write(io::stdout().lock(), bytes),
        }
    }

    /// Writes to standard error. Where nobody can be told, nobody is.
    pub fn say(&self, text: &str) {
        let _ = match &self.far {
            Some(far) => far.stderr.clone().write_all(text.as_bytes()),
            None => io::stderr().lock().write_all(text.as_bytes()),
        };
    }

    /// What a person types in answer to a question; None where nobody sits at a terminal, or the command runs in the service.
    ///
    /// # Errors
    /// Permanent: the terminal can't be read.
    pub fn ask(&self, question: &str) -> Result<Option<String>> {
        if self.is_far() || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(None);
        }
        self.say(question);
        let mut typed = String::new();
        io::stdin()
            .lock()
            .read_line(&mut typed)
            .map_err(|error| Error::permanent("the answer can't be read from the terminal").with_source(error))?;
        Ok(Some(typed))
    }

    /// Where progress bars are drawn: on standard error, if people look at it.
    pub fn drawing(&self) -> ProgressDrawTarget {
        match &self.far {
            None if io::stderr().is_terminal() => ProgressDrawTarget::stderr(),
            Some(far) if far.stderr_is_terminal => {
                let terminal = FarTerminal { stderr: far.stderr.clone(), width: far.width, drawn: Mutex::default() };
                ProgressDrawTarget::term_like_with_hz(Box::new(terminal), DRAWINGS_A_SECOND)
            }
            _ => ProgressDrawTarget::hidden(),
        }
    }

    /// A path as the user wrote it, which may start at the user's current folder; or an address of a bucket or the web.
    pub fn path(&self, path: &Path) -> PathBuf {
        match &self.far {
            Some(far) if !path.to_str().is_some_and(source::is_remote) => far.folder.join(path),
            _ => path.to_owned(),
        }
    }

    pub fn paths(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        paths.iter().map(|path| self.path(path)).collect()
    }

    /// Cancelled by the first signal to stop; the same for all who ask.
    pub fn stop(&self) -> Result<CancellationToken> {
        if let Some(stop) = self.far.as_ref().map(|far| &far.stop).or(self.own_stop.get()) {
            return Ok(stop.clone());
        }
        let stop = stop_on_signal()?;
        Ok(self.own_stop.get_or_init(|| stop).clone())
    }
}

/// A terminal that a client draws on: the sequences that every terminal knows, sent a drawing at a time. A client that does
/// not take them misses some.
#[derive(Debug)]
struct FarTerminal {
    stderr: Stream,
    width: u16,
    drawn: Mutex<String>,
}

impl FarTerminal {
    fn add(&self, text: &str) -> io::Result<()> {
        self.drawn.lock().map_err(|_| io::Error::other("drawing panicked"))?.push_str(text);
        Ok(())
    }

    fn cursor(&self, count: usize, direction: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.add(&format!("\u{1b}[{count}{direction}")) }
    }
}

impl TermLike for FarTerminal {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.cursor(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.cursor(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.cursor(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.cursor(count, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text)?;
        self.add("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *self.drawn.lock().map_err(|_| io::Error::other("drawing panicked"))?);
        self.stderr.offer(drawn.into_bytes());
        Ok(())
    }
}
