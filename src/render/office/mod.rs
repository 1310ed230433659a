//! Office files become PDFs: by LibreOffice, where it is installed. From there on they go the way of every PDF.
//!
//! LibreOffice reads what strangers wrote, so it runs as render workers do: in a process group of its own that ends with us,
//! locked in ([`worker`]: files, network, memory, the size of what it writes), with a time limit, and with a profile that is new for
//! every document, in which no macro runs and no link is followed. What it leaves is looked at before it is believed. Nothing
//! here decides a document's life: an error says whether it is the document's fault, and whether to try again.

mod archive;
mod facts;
mod find;
pub(super) mod kind;
mod order;
mod process;
mod profile;
pub mod worker;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use uuid::Uuid;

use self::find::{Found, LIMIT};
use self::kind::OfficeKind;
use self::order::{Layout, Order, Reply};
use self::process::End;
use super::death::signal_name;
use super::group::WorkerCommand;
use crate::error::{Blame, Error, Result};
use crate::telemetry;
use crate::types::RenderLimits;

pub use self::find::OfficePlaces;

/// Folders of conversions end so: whoever clears the folder of what a killed process left knows them by it.
const CONVERSION_SUFFIX: &str = ".office";
/// How LibreOffice says that it could not read a file.
const NOT_LOADED: &str = "could not be loaded";

/// Converts office files, a few at a time.
pub struct Office {
    places: OfficePlaces,
    /// This program with its hidden command `office-worker`.
    command: WorkerCommand,
    /// Where conversions have their folders.
    folder: PathBuf,
    at_once: Semaphore,
}

/// A PDF made of an office file, and what it does not say of that file.
pub(super) struct Converted {
    /// Nameless: gone when it is closed.
    pub pdf: File,
    /// RFC 3339.
    pub created: Option<String>,
    pub modified: Option<String>,
    /// What our copy was called.
    pub stem: String,
}

/// A folder that goes with its value.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove the folder of a conversion");
        }
    }
}

impl Office {
    /// Converts in folders beneath `folder`, at most `at_once` documents at a time. `command` is how render workers are started.
    pub fn new(places: OfficePlaces, command: &WorkerCommand, folder: PathBuf, at_once: usize) -> Self {
        let command = WorkerCommand { args: vec!["office-worker".into()], ..command.clone() };
        Self { places, command, folder, at_once: Semaphore::new(at_once.max(1)) }
    }

    /// The PDF of a document that is an office file; None: it is none. `head`: its first bytes.
    ///
    /// # Errors
    /// Permanent, the document's fault: LibreOffice is not there (with the limit `libreoffice`, so that the document is tried again
    /// when it is), a password keeps the document, or LibreOffice can't read it. Transient, the document's fault: LibreOffice
    /// crashed over it, took too long, or left no PDF. Whatever else is wrong is a dependency's fault.
    pub(super) async fn convert(
        &self,
        document: &Arc<File>,
        head: &[u8],
        name: &str,
        limits: &RenderLimits,
    ) -> Result<Option<Converted>> {
        let (file, first, called) = (document.clone(), head.to_vec(), name.to_owned());
        let Some(kind) = blocking(move || Ok(OfficeKind::of(&file, &first, &called))).await? else { return Ok(None) };
        let found = self.found(kind, name)?;
        let _place = self.at_once.acquire().await.map_err(|_| Error::transient("the renderer is shut down"))?;
        let layout = Layout(self.folder.join(format!("{}{CONVERSION_SUFFIX}", Uuid::new_v4())));
        let _folder = Folder(layout.0.clone());
        // Its name tells nothing, and comes back as the title where the document has none.
        let stem = Uuid::new_v4().simple().to_string();
        let order = Order {
            program: found.program,
            folder: layout.0.clone(),
            name: format!("{stem}.{}", kind.ending),
            memory_bytes: limits.worker_memory_bytes,
            file_bytes: limits.max_document_bytes,
            seconds: limits.office_timeout_s.saturating_mul(2),
        };
        let (file, copy) = (document.clone(), order.name.clone());
        blocking(move || prepare(&layout, &file, &copy)).await?;
        let limit = Duration::from_secs(limits.office_timeout_s);
        let end = process::run(&self.command, &order, limit).await.map_err(|error| {
            let message = format!("cannot start the office worker {}", self.command.program.display());
            Error::configuration(message).blaming(Blame::Dependency).with_source(error)
        })?;
        let (status, said, created, modified) = match end {
            End::Replied(Reply::Ended { status, said, created, modified }) => {
                (ExitStatus::from_raw(status), said, created, modified)
            }
            End::Replied(Reply::Protected) => {
                return Err(Error::permanent(format!("{name} is protected by a password: save it without one")));
            }
            End::Replied(Reply::NotStarted(why)) => {
                let program = order.program.display();
                return Err(Error::configuration(format!("LibreOffice can't be started ({program}): {why}")));
            }
            End::TimedOut => {
                telemetry::worker_death();
                return Err(timed_out(name, limits));
            }
            End::Lost(why) => {
                telemetry::worker_death();
                return Err(failed(name, &format!("ended its worker: {why}")));
            }
        };
        // Whoever was killed may have left half of it.
        if status.signal().is_some() {
            return Err(without_pdf(name, status, &said, limits));
        }
        let output = Layout(order.folder).output().join(format!("{stem}.pdf"));
        let most = limits.max_document_bytes;
        match blocking(move || open_pdf(&output, most)).await? {
            Output::Pdf(pdf) => Ok(Some(Converted { pdf, created: date(created), modified: date(modified), stem })),
            Output::Missing => Err(without_pdf(name, status, &said, limits)),
            Output::TooLarge => Err(too_large(name, limits)),
            Output::NoPdf => Err(failed(name, "left something that is no PDF")),
        }
    }

    /// The LibreOffice that reads this kind.
    fn found(&self, kind: &OfficeKind, name: &str) -> Result<Found> {
        let title = kind.title();
        let part = kind.program.title();
        let package = format!("libreoffice-{}", part.to_lowercase());
        match self.places.find()? {
            Some(found) if found.has(kind.program) => Ok(found),
            Some(found) => Err(Error::permanent(format!(
                "{name} is {title}: making pages of it needs LibreOffice {part}, which {} is without: install it \
                 ({package}), or convert the file to PDF",
                found.path.display()
            ))
            .at_limit(LIMIT, found.value())),
            None => Err(Error::permanent(format!(
                "{name} is {title}: making pages of it needs LibreOffice, which is not installed: install it ({package}), \
                 say where it is (native.libreoffice), or convert the file to PDF"
            ))
            .at_limit(LIMIT, 0)),
        }
    }

    /// What is there of LibreOffice now, as the value of a limit.
    pub(super) fn limit(&self) -> (String, u64) {
        self.places.limit()
    }
}

/// The folders of a conversion, with the document and a new profile in them.
fn prepare(layout: &Layout, document: &File, name: &str) -> Result<()> {
    let prepare = || -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700).create(&layout.0)?;
        for folder in layout.own().into_iter().chain([layout.input()]) {
            builder.create(folder)?;
        }
        profile::write(&layout.profile())?;
        // A descriptor of its own would share its position with whoever else reads it.
        let mut source = super::document_file::Positioned::new(document);
        let mut options = OpenOptions::new();
        let mut copy = options.write(true).create_new(true).mode(0o600).open(layout.input().join(name))?;
        io::copy(&mut source, &mut copy).map(drop)
    };
    let path = layout.0.display();
    prepare().map_err(|error| Error::transient(format!("cannot prepare a conversion in {path}")).with_source(error))
}

/// What lies where the PDF should.
enum Output {
    Pdf(File),
    Missing,
    TooLarge,
    NoPdf,
}

/// Whoever wrote it may have been taken over by the document: only a plain file counts.
fn open_pdf(path: &Path, most: u64) -> Result<Output> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Output::Missing),
        Err(_) => return Ok(Output::NoPdf),
    };
    let look = |file: &mut File| -> io::Result<Output> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(Output::NoPdf);
        }
        if metadata.len() > most {
            return Ok(Output::TooLarge);
        }
        let mut magic = Vec::new();
        file.take(5).read_to_end(&mut magic)?;
        file.rewind()?;
        Ok(if magic == b"%PDF-" { Output::Pdf(file.try_clone()?) } else { Output::NoPdf })
    };
    look(&mut file).map_err(|error| crate::error::io_error("read", path, error))
}

/// The error of a program that ended without a PDF.
fn without_pdf(name: &str, status: ExitStatus, said: &str, limits: &RenderLimits) -> Error {
    match status.signal() {
        Some(libc::SIGXFSZ) => return too_large(name, limits),
        Some(libc::SIGXCPU) => return timed_out(name, limits),
        Some(signal) => {
            telemetry::worker_death();
            return failed(name, &format!("crashed with signal {signal}{}", signal_name(signal)));
        }
        None => {}
    }
    if said.contains(NOT_LOADED) {
        return Error::permanent(format!(
            "{name} can't be read by LibreOffice: it is damaged, protected by a password, or not what its name says"
        ));
    }
    let code = status.code().unwrap_or_default();
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let last: String = last.into_iter().flat_map(str::chars).take(300).collect();
    let last = if last.is_empty() { last } else { format!(": {last}") };
    failed(name, &format!("left no PDF (exit code {code}{last})"))
}

/// The machine's state may be to blame as well as the document: worth another attempt, which the document pays for.
fn failed(name: &str, what: &str) -> Error {
    Error::transient(format!("converting {name}, LibreOffice {what}")).blaming(Blame::Document)
}

fn timed_out(name: &str, limits: &RenderLimits) -> Error {
    let seconds = limits.office_timeout_s;
    Error::transient(format!("converting {name} took longer than {seconds} s (office_timeout_s)"))
        .blaming(Blame::Document)
        .at_limit(RenderLimits::OFFICE_TIMEOUT_S, seconds)
}

fn too_large(name: &str, limits: &RenderLimits) -> Error {
    let most = limits.max_document_bytes;
    Error::permanent(format!("{name} becomes a PDF of more than the {most} bytes allowed (max_document_bytes)"))
        .at_limit(RenderLimits::MAX_DOCUMENT_BYTES, most)
}

/// The worker read it from a stranger's file: what is no date is none.
fn date(text: Option<String>) -> Option<String> {
    text.filter(|text| text.len() <= 40 && text.parse::<jiff::Timestamp>().is_ok())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::bug("preparing a conversion was cut off").with_source(error)))
}
