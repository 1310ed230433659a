//! What passes between the pool and a worker: frames of a small JSON header and raw bytes.
//!
//! Frame: `u32` header length, `u64` body length (both little-endian), header, body. The pool sends one [`Setup`], with the
//! shared memory as a descriptor beside it, then one [`Order`] at a time, with the document beside it; each gets one
//! [`Reply`]. The body of a drawn page is its pixels, that of an attachment its bytes; every other body is empty.
//!
//! The pool trusts nothing that it reads: a worker may have been taken over by a document. Lengths are checked before
//! anything is allocated, lists by the entry; what a reply means is checked in `answers`.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::UnixStream;

use super::confine::PartReport;
use super::descriptors::send_all;
use super::sniff::Format;
use crate::error::Limit;
use crate::types::{Attachment, DocumentInfo, Note, OutlineEntry, RenderLimits, RenderSettings, TextLayer};

/// A longer header is nonsense: the largest text layer that a worker reads takes about 64 MiB.
const MAX_HEADER_BYTES: u32 = 96 << 20;
/// Entries of an outline that are read; the rest is left out.
pub(super) const MAX_OUTLINE_ENTRIES: usize = 10_000;
/// Most labels that are accepted: the largest `max_pages` that can be configured.
const MAX_PAGE_LABELS: usize = 1_000_000;
/// Documents inside a document that are read.
pub(super) const MAX_ATTACHMENTS: usize = 100;
/// The largest document inside another that is read.
pub(super) const MAX_ATTACHMENT_BYTES: u64 = 256 << 20;
/// Notes about a page or a document that are passed on; the rest is left out.
pub(super) const MAX_NOTES: usize = 32;
/// A reason for people is cut at this.
pub(super) const MAX_REASON_CHARS: usize = 8_192;

/// What the pool asks for, and where a page goes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order<'a> {
    pub request: Cow<'a, Request>,
    /// Number of a slot in the memory that pool and worker share.
    pub slot: Option<u32>,
}

/// The first frame to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub limits: RenderLimits,
    /// Full path of PDFium's shared library.
    pub pdfium: PathBuf,
    pub faults: Vec<Fault>,
}

/// A failure that a test asks a worker for, to try the recovery from it.
#[doc(hidden)]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// 1-based; 0 is the opening of a document.
    pub page: u32,
    pub kind: FaultKind,
}

/// What a probe reaches for.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeTargets {
    /// A file that exists, such as the ledger.
    pub ledger: PathBuf,
    /// The folder of all state.
    pub data_dir: PathBuf,
    /// A Unix socket that somebody listens on.
    pub unix_socket: PathBuf,
    /// A port on the loopback interface that somebody listens on.
    pub tcp_port: u16,
    /// The pool's process.
    pub parent: i32,
    /// Where eight bytes lie that can be read in the pool's process.
    pub parent_address: u64,
    /// A descriptor that the pool has open and does not close for its children.
    pub descriptor: i32,
}

#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    /// Dies of a signal.
    Crash,
    /// Dies of a signal, unless this is the first thing the worker does.
    CrashUnlessFresh,
    /// Is killed from outside.
    Killed,
    /// Never answers.
    Hang,
    /// Asks for more memory than it may have.
    Allocate,
    /// Prints to standard output, where the frames would be if the worker did not move them away.
    Print,
    /// Tries to get out, and refuses the page with a report of every attempt.
    Probe(ProbeTargets),
    /// The same before the worker locks itself in: what an attempt does when nothing stops it.
    ProbeBeforeLockIn(ProbeTargets),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Request {
    /// What the worker is kept from.
    Confinement,
    /// `id` is the pool's number for this opening of the file: a path may be used again for other bytes, a number never
    /// is.
    Open {
        id: u64,
        format: Format,
    },
    /// The bytes of a document inside a PDF.
    Attachment {
        id: u64,
        index: u32,
    },
    Page {
        id: u64,
        format: Format,
        number: u32,
        settings: RenderSettings,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Confinement(AtMost<PartReport, 16>),
    Opened(DocumentHeader),
    /// The body is the document.
    Attachment,
    Page(PageHeader),
    /// The document or the page cannot be used; the sentence follows the document's name or the page's number. `limit`: what
    /// it ran into, if that is why.
    Refused {
        reason: String,
        limit: Option<Limit>,
    },
    /// Our copy of the document could not be read.
    Unreadable(String),
    /// This installation cannot draw PDFs: the library is missing or does not fit.
    Unusable(String),
}

/// [`DocumentInfo`] as it passes over the pipe.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DocumentHeader {
    pub page_count: u32,
    pub title: Option<String>,
    pub author: Option<String>,
    pub created: Option<String>,
    pub modified: Option<String>,
    pub outline: AtMost<OutlineEntry, MAX_OUTLINE_ENTRIES>,
    pub page_labels: AtMost<String, MAX_PAGE_LABELS>,
    pub attachments: AtMost<Attachment, MAX_ATTACHMENTS>,
    pub notes: AtMost<Note, MAX_NOTES>,
}

impl From<DocumentInfo> for DocumentHeader {
    fn from(info: DocumentInfo) -> Self {
        let DocumentInfo { page_count, title, author, created, modified, outline, page_labels, attachments, notes } =
            info;
        let (outline, page_labels, notes) = (AtMost(outline), AtMost(page_labels), at_most_notes(notes));
        let attachments = AtMost(attachments);
        Self { page_count, title, author, created, modified, outline, page_labels, attachments, notes }
    }
}

/// A rendered page without its pixels, which are the frame's body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PageHeader {
    pub width: u32,
    pub height: u32,
    /// Pixels an inch that a page of a true size was drawn at.
    pub dpi: Option<u32>,
    pub width_pt: f32,
    pub height_pt: f32,
    pub scaled_down: bool,
    /// The pixels are in the memory that the pool shares with the worker, and the body is empty.
    pub shared: bool,
    pub text: TextLayer,
    pub notes: AtMost<Note, MAX_NOTES>,
}

/// The first notes of a list that may be longer.
pub(super) fn at_most_notes(mut notes: Vec<Note>) -> AtMost<Note, MAX_NOTES> {
    notes.truncate(MAX_NOTES);
    AtMost(notes)
}

/// A page as the worker drew it.
pub(super) struct Drawn {
    pub header: PageHeader,
    /// RGB8, `[height, width, 3]`; empty where it is in shared memory.
    pub rgb: Vec<u8>,
}

/// A list that is refused at the entry that is one too many, before more of them take memory.
#[derive(Debug, Clone)]
pub(super) struct AtMost<T, const MOST: usize>(pub Vec<T>);

impl<T: Serialize, const MOST: usize> Serialize for AtMost<T, MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counting<T, const MOST: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Counting<T, MOST> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST} entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    if list.len() == MOST {
                        return Err(A::Error::custom(format!("a list has more than {MOST} entries")));
                    }
                    list.push(entry);
                }
                Ok(list)
            }
        }

        deserializer.deserialize_seq(Counting::<T, MOST>(PhantomData)).map(Self)
    }
}

fn lengths(header: &[u8], body: &[u8]) -> io::Result<[u8; 12]> {
    let header_length = u32::try_from(header.len())
        .ok()
        .filter(|length| *length <= MAX_HEADER_BYTES)
        .ok_or_else(|| invalid(format!("a frame header of {} bytes is too long", header.len())))?;
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&header_length.to_le_bytes());
    bytes[4..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    Ok(bytes)
}

/// Lengths of header and body, checked before anything is allocated for them.
fn parse_lengths(bytes: [u8; 12], max_body: u64) -> io::Result<(usize, usize)> {
    let [a, b, c, d, rest @ ..] = bytes;
    let (header, body) = (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(rest));
    if header > MAX_HEADER_BYTES || body > max_body {
        return Err(invalid(format!("a frame announces {header} + {body} bytes")));
    }
    let body = usize::try_from(body).map_err(|_| invalid(format!("a frame announces {body} bytes")))?;
    Ok((header as usize, body))
}

fn invalid(message: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Writes one frame; the worker's side.
pub(super) fn write_frame(out: &mut impl Write, header: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let header = serde_json::to_vec(header).map_err(invalid)?;
    out.write_all(&lengths(&header, body)?)?;
    out.write_all(&header)?;
    out.write_all(body)?;
    out.flush()
}

/// Reads one frame without a body; the worker's side. `None`: the pool closed the socket.
pub(super) fn read_frame<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<T>> {
    let mut bytes = [0; 12];
    match input.read_exact(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let (length, _) = parse_lengths(bytes, 0)?;
    let mut header = vec![0; length];
    input.read_exact(&mut header)?;
    serde_json::from_slice(&header).map(Some).map_err(invalid)
}

/// Sends one frame without a body, and a descriptor beside it; the pool's side.
pub(super) async fn send(
    socket: &UnixStream,
    header: &impl Serialize,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let header = serde_json::to_vec(header).map_err(invalid)?;
    let mut frame = lengths(&header, &[])?.to_vec();
    frame.extend_from_slice(&header);
    send_all(socket, &frame, descriptor).await
}

/// Reads the header of a frame, and how many bytes its body has; the pool's side. More than `max_body` are an error. Memory
/// is taken for bytes that have come, not for bytes that are announced.
pub(super) async fn receive_header<T: DeserializeOwned, R: AsyncRead + Unpin>(
    input: &mut R,
    max_body: u64,
) -> io::Result<(T, usize)> {
    let mut bytes = [0; 12];
    input.read_exact(&mut bytes).await?;
    let (header_length, body_length) = parse_lengths(bytes, max_body)?;
    let mut header = Vec::new();
    if input.take(header_length as u64).read_to_end(&mut header).await? < header_length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((serde_json::from_slice(&header).map_err(invalid)?, body_length))
}

/// Reads the body of a frame, whose `length` must have been checked against what the header says; the pool's side.
pub(super) async fn receive_body<R: AsyncRead + Unpin>(input: &mut R, length: usize) -> io::Result<Vec<u8>> {
    // not zeroed first: a page is megabytes, and every one of them is about to be overwritten
    let mut body = Vec::with_capacity(length);
    if input.take(length as u64).read_to_end(&mut body).await? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_arrives_as_it_was_sent() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &Reply::Unreadable("no".into()), &[1, 2, 3]).unwrap();
        let mut input = bytes.as_slice();
        let (reply, length): (Reply, _) = receive_header(&mut input, 3).await.unwrap();
        assert!(matches!(reply, Reply::Unreadable(reason) if reason == "no"));
        assert_eq!(receive_body(&mut input, length).await.unwrap(), [1, 2, 3]);

        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let request = Request::Page { id: 1, format: Format::Tiff, number: 7, settings: RenderSettings::default() };
        send(&UnixStream::from_std(ours).unwrap(), &request, None).await.unwrap();
        let request: Option<Request> = read_frame(&mut theirs).unwrap();
        assert!(matches!(request, Some(Request::Page { number: 7, format: Format::Tiff, .. })));
        assert!(read_frame::<Request>(&mut theirs).unwrap().is_none());
    }

    #[tokio::test]
    async fn lengths_are_checked_before_memory_is_taken() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, &Reply::Unreadable("no".into()), &[0; 8]).unwrap();
        assert!(receive_header::<Reply, _>(&mut bytes.as_slice(), 7).await.is_err());
        let nonsense = [0xff; 64];
        assert!(receive_header::<Reply, _>(&mut nonsense.as_slice(), u64::MAX).await.is_err());
    }

    #[test]
    fn a_list_ends_at_its_bound() {
        assert_eq!(serde_json::from_str::<AtMost<u8, 3>>("[1,2,3]").unwrap().0, [1, 2, 3]);
        assert!(serde_json::from_str::<AtMost<u8, 3>>("[1,2,3,4]").is_err());
    }
}
