//! The pool of worker processes: who is asked, what happens when one dies, and who is blamed for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio_util::task::TaskTracker;

use super::process::{Death, Worker, WorkerCommand};
use super::protocol::{Reply, Request};
use super::slots::Slots;
use super::sniff::{Format, HEAD_BYTES, rejection, sniff};
use crate::error::{Error, Result, io_error};
use crate::types::{DocumentInfo, PageImage, RenderSettings, RenderedPage};

/// A document that a worker could open. Pages may be asked for in any order and in parallel.
#[derive(Debug, Clone)]
pub struct OpenDocument {
    pub path: PathBuf,
    pub name: String,
    pub format: Format,
    pub info: DocumentInfo,
    /// Tells this opening of the file from every other, even of the same path.
    id: u64,
}

/// What slots are taken for that are not for a document.
const NONE: u64 = u64::MAX;

/// Draws pages in worker processes, at most `workers` at a time. Cheap to clone.
#[derive(Clone)]
pub struct Renderer {
    pool: Arc<Pool>,
}

struct Pool {
    settings: RenderSettings,
    command: WorkerCommand,
    workers: u32,
    slots: Arc<Slots<Worker>>,
    closed: AtomicBool,
    documents: AtomicU64,
    tasks: TaskTracker,
}

impl Renderer {
    /// A pool of at most `workers` processes, each started when it is first needed.
    pub fn new(settings: RenderSettings, workers: usize, command: WorkerCommand) -> Result<Self> {
        let positive = |name: &str, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::configuration(format!("{name} is {value}; it must be more than 0"))),
        };
        positive("the number of render workers", workers as f64)?;
        positive("dpi", f64::from(settings.dpi))?;
        positive("max_pages", f64::from(settings.max_pages))?;
        positive("max_page_pixels", settings.max_page_pixels as f64)?;
        positive("page_timeout_s", settings.page_timeout_s as f64)?;
        positive("worker_pages", f64::from(settings.worker_pages))?;
        let workers = u32::try_from(workers)
            .map_err(|_| Error::configuration(format!("{workers} render workers are more than any machine runs")))?;
        let pool = Pool {
            settings,
            command,
            workers,
            slots: Slots::new(workers),
            closed: AtomicBool::new(false),
            documents: AtomicU64::new(0),
            tasks: TaskTracker::new(),
        };
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Opens the document at `path`, a copy that nobody changes as long as it is in use. Its bytes say what it is;
    /// `name` is for messages.
    ///
    /// A permanent error is a rejection and says why: not a format we draw, broken, encrypted, empty, too large, or a
    /// document that takes the renderer down with it.
    pub async fn open(&self, path: &Path, name: &str) -> Result<OpenDocument> {
        let pool = &self.pool;
        if path.to_str().is_none() {
            return Err(Error::permanent(format!("{name}: its path {} is not valid UTF-8", path.display())));
        }
        let (head, size) = read_head(path).await.map_err(|error| io_error("read", path, error))?;
        if size > pool.settings.max_document_bytes {
            return Err(Error::permanent(format!(
                "{name} is {size} bytes large, more than the {} allowed (max_document_bytes)",
                pool.settings.max_document_bytes
            )));
        }
        let format = sniff(&head, name).ok_or_else(|| Error::permanent(rejection(&head, name)))?;
        let id = pool.documents.fetch_add(1, Ordering::Relaxed);
        let request = Request::Open { id, path: path.to_owned(), format };
        match pool.ask(id, &request).await? {
            Ok((Reply::Opened(info), _)) => {
                Ok(OpenDocument { path: path.to_owned(), name: name.into(), format, info, id })
            }
            Ok((reply, _)) => Err(refusal(reply, name)),
            Err(death) => Err(Error::permanent(match death {
                Death::TimedOut => format!("opening {name} took longer than {}", pool.time_limit()),
                Death::OutOfMemory => format!("opening {name} needed more than {}", pool.memory_limit()),
                Death::Crashed(how) => format!("the renderer crashed with {how} when it opened {name}"),
            })),
        }
    }

    /// Draws the 1-based page `number`. A permanent error fails this page and says why; the document goes on.
    pub async fn page(&self, document: &OpenDocument, number: u32) -> Result<RenderedPage> {
        let pool = &self.pool;
        if number == 0 || number > document.info.page_count {
            return Err(Error::permanent(format!(
                "{} has no page {number}: its pages are 1 to {}",
                document.name, document.info.page_count
            )));
        }
        let request = Request::Page { id: document.id, path: document.path.clone(), format: document.format, number };
        match pool.ask(document.id, &request).await? {
            Ok((Reply::Page(header), rgb)) => {
                let expected = u64::from(header.width) * u64::from(header.height) * 3;
                if rgb.len() as u64 != expected {
                    return Err(Error::bug(format!("page {number} came with {} bytes, not {expected}", rgb.len())));
                }
                Ok(RenderedPage {
                    number,
                    image: PageImage { width: header.width, height: header.height, rgb },
                    text: header.text,
                    width_pt: header.width_pt,
                    height_pt: header.height_pt,
                    scaled_down: header.scaled_down,
                })
            }
            Ok((reply, _)) => Err(refusal(reply, &format!("page {number}"))),
            Err(death) => Err(Error::permanent(match death {
                Death::TimedOut => format!("page {number} took longer than {}", pool.time_limit()),
                Death::OutOfMemory => format!("page {number} needed more than {}", pool.memory_limit()),
                Death::Crashed(how) => format!("the renderer crashed with {how} on page {number}"),
            })),
        }
    }

    /// Waits for what is being drawn, refuses what is asked from now on, and ends every worker and every task.
    pub async fn shutdown(&self) {
        let pool = &self.pool;
        if !pool.closed.swap(true, Ordering::SeqCst) {
            // every slot: nobody is at work any more
            let mut slots = Vec::new();
            for _ in 0..pool.workers {
                slots.extend(pool.slots.take(NONE).await);
            }
            let workers = slots.iter_mut().filter_map(|slot| slot.worker.take()).chain(pool.slots.resting());
            futures::future::join_all(workers.map(Worker::stop)).await;
            pool.tasks.close();
        }
        pool.tasks.wait().await;
    }
}

impl Pool {
    /// Asks a worker, one that has the document open if there is one. Outer error: the request never reached a worker
    /// that could try it. Inner error: the request killed its worker.
    async fn ask(&self, document: u64, request: &Request) -> Result<Result<(Reply, Bytes), Death>> {
        let mut slot = self.slots.take(document).await?;
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::transient("the renderer is shut down"));
        }
        let limit = Duration::from_secs(self.settings.page_timeout_s);
        let mut worker = match slot.worker.take() {
            Some(worker) => worker,
            None => self.start().await?,
        };
        loop {
            let fresh = worker.is_fresh();
            // if the caller gives up, the worker is dropped here in mid-request, and with that killed: its pipe holds
            // an answer that nobody waits for
            let death = match worker.ask(request, limit).await {
                Ok(answer) => {
                    slot.worker = self.fit_for_more(worker);
                    return Ok(Ok(answer));
                }
                Err(death) => death,
            };
            tracing::warn!(?death, ?request, fresh, "a render worker died");
            if fresh || death == Death::TimedOut {
                return Ok(Err(death));
            }
            // what it did before may be to blame: this request gets its own process, and dies only by its own fault
            worker = self.start().await?;
        }
    }

    async fn start(&self) -> Result<Worker> {
        Worker::start(&self.command, &self.settings, &self.tasks).await
    }

    /// The worker, unless it has drawn enough pages to be replaced.
    fn fit_for_more(&self, worker: Worker) -> Option<Worker> {
        if worker.pages() < self.settings.worker_pages {
            return Some(worker);
        }
        self.tasks.spawn(worker.stop());
        None
    }

    fn time_limit(&self) -> String {
        format!("{} s (page_timeout_s)", self.settings.page_timeout_s)
    }

    fn memory_limit(&self) -> String {
        let gib = self.settings.worker_memory_bytes as f64 / f64::from(1 << 30);
        format!("{} GiB of memory (worker_memory_bytes)", (gib * 100.0).round() / 100.0)
    }
}

/// The error behind a reply that is not the one asked for.
fn refusal(reply: Reply, subject: &str) -> Error {
    match reply {
        Reply::Refused(reason) => Error::permanent(format!("{subject} {reason}")),
        Reply::Unusable(reason) => Error::configuration(reason),
        Reply::Opened(_) | Reply::Page(_) => {
            Error::bug(format!("a render worker answered another question: {subject}"))
        }
    }
}

async fn read_head(path: &Path) -> std::io::Result<(Vec<u8>, u64)> {
    let file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    let mut head = Vec::with_capacity(HEAD_BYTES);
    file.take(HEAD_BYTES as u64).read_to_end(&mut head).await?;
    Ok((head, size))
}
