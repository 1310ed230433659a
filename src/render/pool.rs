//! The pool of worker processes: who is asked, what happens when one dies, and who is blamed for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio_util::task::TaskTracker;

use super::confine::Confinement;
use super::death::Death;
use super::group::WorkerCommand;
use super::office::{Converted, Office};
use super::process::{Answer, Worker};
use super::protocol::Request;
use super::queue::WorkQueue;
use super::sniff::{Format, HEAD_BYTES, rejection, sniff};
use crate::error::{Blame, Error, Result, io_error};
use crate::telemetry;
use crate::types::{DocumentInfo, PageImage, RenderLimits, RenderSettings, RenderedPage};

/// A document that a worker could open. Pages may be asked for in any order and in parallel.
#[derive(Debug, Clone)]
pub struct OpenDocument {
    pub name: String,
    pub format: Format,
    pub info: DocumentInfo,
    /// How its pages are drawn.
    pub settings: RenderSettings,
    /// What it may cost.
    pub limits: Arc<RenderLimits>,
    /// What every worker that draws a page of it is handed.
    file: Arc<File>,
    /// Tells this opening of the file from every other, even of the same path.
    id: u64,
}

/// What permits are taken for that are not for a document.
const NO_DOCUMENT: u64 = u64::MAX;

/// Draws pages in worker processes, at most `workers` at a time. Cheap to clone.
#[derive(Clone)]
pub struct Renderer {
    pool: Arc<Pool>,
    /// Of the documents that are opened with it.
    limits: Arc<RenderLimits>,
    /// None: office files are refused.
    office: Option<Arc<Office>>,
}

struct Pool {
    command: WorkerCommand,
    workers: u32,
    queue: Arc<WorkQueue<Worker>>,
    closed: AtomicBool,
    documents: AtomicU64,
    tasks: TaskTracker,
}

impl Renderer {
    /// A pool of at most `workers` processes, each started when it is first needed.
    pub fn new(limits: RenderLimits, workers: usize, command: WorkerCommand) -> Result<Self> {
        positive("the number of render workers", workers as f64)?;
        check(&limits)?;
        let workers = u32::try_from(workers)
            .map_err(|_| Error::configuration(format!("{workers} render workers are more than any machine runs")))?;
        let pool = Pool {
            command,
            workers,
            queue: WorkQueue::new(workers),
            closed: AtomicBool::new(false),
            documents: AtomicU64::new(0),
            tasks: TaskTracker::new(),
        };
        Ok(Self { pool: Arc::new(pool), limits: Arc::new(limits), office: None })
    }

    /// The same, for office files too.
    #[must_use]
    pub fn converting(self, office: Office) -> Self {
        Self { office: Some(Arc::new(office)), ..self }
    }

    /// The same workers, for documents under limits of their own. A worker process has its limits from its start: where
    /// documents under several limits are drawn at once, one that meets others is replaced.
    ///
    /// # Errors
    /// Configuration: no work can be done within a limit.
    pub fn within(&self, limits: RenderLimits) -> Result<Self> {
        check(&limits)?;
        Ok(Self { limits: Arc::new(limits), ..self.clone() })
    }

    /// Opens the document at `path`, a copy that nobody changes as long as it is in use. Its bytes say what it is;
    /// `name` is for messages. The file is opened here, once; workers are handed what was opened.
    ///
    /// # Errors
    /// Permanent, a rejection that says why: not a format we draw, broken, encrypted, empty; with the
    /// [limit](Error::limit) where the document is larger than one allows. Transient and the document's fault: it took
    /// its worker down. Whatever else is wrong is a dependency's fault.
    pub async fn open(&self, path: &Path, name: &str, settings: &RenderSettings) -> Result<OpenDocument> {
        let (pool, limits) = (&self.pool, &self.limits);
        positive("dpi", f64::from(settings.dpi))?;
        positive("max_page_pixels", settings.max_page_pixels as f64)?;
        let (file, head, size) = open_file(path).await.map_err(|error| io_error("read", path, error))?;
        let max_document_bytes = limits.max_document_bytes;
        if size > max_document_bytes {
            let message = format!(
                "{name} is {size} bytes large, more than the {max_document_bytes} allowed (max_document_bytes)"
            );
            return Err(Error::permanent(message).at_limit(RenderLimits::MAX_DOCUMENT_BYTES, max_document_bytes));
        }
        let mut file = Arc::new(file);
        let (format, converted) = match sniff(&head, name) {
            Some(format) => (format, None),
            None => match self.convert(&file, &head, name).await? {
                Some(converted) => (Format::Pdf, Some(converted)),
                None => return Err(Error::permanent(rejection(&head, name))),
            },
        };
        let of_office = converted.map(|Converted { pdf, created, modified, stem }| {
            file = Arc::new(pdf);
            (created, modified, stem)
        });
        let id = pool.documents.fetch_add(1, Ordering::Relaxed);
        match pool.ask(limits, id, &Request::Open { id, format }, Some(&file)).await? {
            Ok(Answer::Opened(mut info)) => {
                if let Some((created, modified, stem)) = of_office {
                    // The PDF is as old as its conversion, and called like our copy where the document has no title.
                    (info.created, info.modified) = (created, modified);
                    info.title = info.title.filter(|title| !title.contains(&stem));
                }
                let (name, settings, limits) = (name.into(), settings.clone(), limits.clone());
                Ok(OpenDocument { name, format, info, settings, limits, file, id })
            }
            Ok(answer) => Err(refusal(answer, name, limits)),
            Err(death) => Err(death.into_error(&format!("opening {name}"), limits)),
        }
    }

    async fn convert(&self, file: &Arc<File>, head: &[u8], name: &str) -> Result<Option<Converted>> {
        match &self.office {
            Some(office) => office.convert(file, head, name, &self.limits).await,
            None => Ok(None),
        }
    }

    /// Draws the 1-based page `number`, as the settings that the document was opened with say.
    ///
    /// # Errors
    /// As [`Self::open`]; a permanent error fails this page alone.
    pub async fn page(&self, document: &OpenDocument, number: u32) -> Result<RenderedPage> {
        let (pool, limits) = (&self.pool, &document.limits);
        if number == 0 || number > document.info.page_count {
            return Err(Error::permanent(format!(
                "{} has no page {number}: its pages are 1 to {}",
                document.name, document.info.page_count
            )));
        }
        let settings = document.settings.clone();
        let request = Request::Page { id: document.id, format: document.format, number, settings };
        match pool.ask(limits, document.id, &request, Some(&document.file)).await? {
            Ok(Answer::Page(header, rgb)) => Ok(RenderedPage {
                number,
                image: PageImage { width: header.width, height: header.height, rgb, dpi: header.dpi },
                text: header.text,
                width_pt: header.width_pt,
                height_pt: header.height_pt,
                scaled_down: header.scaled_down,
                notes: header.notes.0,
            }),
            Ok(answer) => Err(refusal(answer, &format!("page {number}"), limits)),
            Err(death) => Err(death.into_error(&format!("page {number}"), limits)),
        }
    }

    /// The bytes of a document inside a PDF: [`Attachment::index`](crate::types::Attachment::index).
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn attachment(&self, document: &OpenDocument, index: u32) -> Result<Bytes> {
        let (pool, limits) = (&self.pool, &document.limits);
        let what = format!("file {} inside {}", index + 1, document.name);
        let request = Request::Attachment { id: document.id, index };
        match pool.ask(limits, document.id, &request, Some(&document.file)).await? {
            Ok(Answer::Attachment(bytes)) => Ok(bytes),
            Ok(answer) => Err(refusal(answer, &what, limits)),
            Err(death) => Err(death.into_error(&what, limits)),
        }
    }

    /// What a worker is kept from on this machine, part by part, asked of a worker that has locked itself in.
    pub async fn confinement(&self) -> Result<Vec<Confinement>> {
        let what = "asking a render worker for its confinement";
        let limits = &self.limits;
        match self.pool.ask(limits, NO_DOCUMENT, &Request::Confinement, None).await? {
            Ok(Answer::Confinement(parts)) => Ok(parts),
            Ok(answer) => Err(refusal(answer, what, limits)),
            Err(death) => Err(death.into_error(what, limits).blaming(Blame::Dependency)),
        }
    }

    /// What a document may cost that is opened with it.
    pub fn limits(&self) -> &RenderLimits {
        &self.limits
    }

    /// Values of the limits in force, by name: these, and what is there of LibreOffice.
    pub fn limit_values(&self, limits: &RenderLimits) -> BTreeMap<String, u64> {
        let mut values = limits.values();
        values.extend(self.office.as_ref().map(|office| office.limit()));
        values
    }

    /// Waits for what is being drawn, refuses what is asked from now on, and ends every worker and every task.
    pub async fn shutdown(&self) {
        let pool = &self.pool;
        if !pool.closed.swap(true, Ordering::SeqCst) {
            // every permit: nobody is at work any more
            let mut permits = Vec::new();
            for _ in 0..pool.workers {
                permits.extend(pool.queue.take(NO_DOCUMENT).await);
            }
            let workers = permits.iter_mut().filter_map(|permit| permit.worker.take()).chain(pool.queue.resting());
            futures::future::join_all(workers.map(Worker::stop)).await;
            pool.tasks.close();
        }
        pool.tasks.wait().await;
    }
}

impl Pool {
    /// Asks a worker, one that has the document open if there is one. Outer error: the request never reached a worker
    /// that could try it. Inner error: the request killed its worker.
    async fn ask(
        &self,
        limits: &RenderLimits,
        document: u64,
        request: &Request,
        file: Option<&File>,
    ) -> Result<Result<Answer, Death>> {
        let mut permit = self.queue.take(document).await?;
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::transient("the renderer is shut down"));
        }
        let limit = Duration::from_secs(limits.page_timeout_s);
        let mut worker = match permit.worker.take() {
            Some(worker) if worker.limits() == limits => worker,
            other => {
                if let Some(other) = other {
                    self.tasks.spawn(other.stop());
                }
                self.start(limits).await?
            }
        };
        loop {
            let fresh = worker.is_fresh();
            // if the caller gives up, the worker is dropped here in mid-request, and with that killed: its pipe holds
            // an answer that nobody waits for
            let death = match worker.ask(request, file, limit).await {
                Ok(answer) => {
                    permit.worker = self.fit_for_more(worker);
                    return Ok(Ok(answer));
                }
                Err(death) => death,
            };
            telemetry::worker_death();
            tracing::warn!(?death, ?request, fresh, "a render worker died");
            if fresh || death == Death::TimedOut {
                return Ok(Err(death));
            }
            // what it did before may be to blame: this request gets its own process, and dies only by its own fault
            worker = self.start(limits).await?;
        }
    }

    async fn start(&self, limits: &RenderLimits) -> Result<Worker> {
        Worker::start(&self.command, limits, &self.tasks).await
    }

    /// The worker, unless it has drawn enough pages to be replaced.
    fn fit_for_more(&self, worker: Worker) -> Option<Worker> {
        if worker.pages() < worker.limits().worker_pages {
            return Some(worker);
        }
        self.tasks.spawn(worker.stop());
        None
    }
}

/// The error behind an answer that is not the one hoped for.
fn refusal(answer: Answer, subject: &str, limits: &RenderLimits) -> Error {
    match answer {
        Answer::Refused { reason, limit } => {
            let error = Error::permanent(format!("{subject} {reason}"));
            // our value, whatever the worker says
            match limit.and_then(|limit| limits.values().remove_entry(&limit.name)) {
                Some((name, value)) => error.at_limit(&name, value),
                None => error,
            }
        }
        Answer::Unreadable(reason) => Error::transient(format!("{subject} cannot be read from our copy: {reason}")),
        Answer::Unusable(reason) => Error::configuration(reason),
        Answer::Confinement(_) | Answer::Opened(_) | Answer::Attachment(_) | Answer::Page(..) => {
            Error::bug(format!("a render worker's answer was taken for one to another question: {subject}"))
        }
    }
}

/// Refuses limits that no work can be done within.
fn check(limits: &RenderLimits) -> Result<()> {
    positive("max_pages", f64::from(limits.max_pages))?;
    positive("page_timeout_s", limits.page_timeout_s as f64)?;
    positive("worker_pages", f64::from(limits.worker_pages))
}

/// Refuses a setting that no work can be done with.
fn positive(name: &str, value: f64) -> Result<()> {
    match value > 0.0 && value.is_finite() {
        true => Ok(()),
        false => Err(Error::configuration(format!("{name} is {value}; it must be more than 0"))),
    }
}

/// The file, its first bytes, and its size.
async fn open_file(path: &Path) -> std::io::Result<(File, Vec<u8>, u64)> {
    let mut file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    let mut head = Vec::with_capacity(HEAD_BYTES);
    (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head).await?;
    Ok((file.into_std().await, head, size))
}
