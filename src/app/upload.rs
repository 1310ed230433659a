//! Uploads: bytes to disk while they come, then the job. Both are durable before anybody is told that they were taken.
//!
//! The same bytes under the same name are the same document: an upload that is repeated changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use futures::Stream;

use super::scope::Scope;
use crate::blobs::upload_key;
use crate::error::{Error, Result, ResultExt};
use crate::ledger::{DocumentRecord, Receipt, Submission};
use crate::source::{self, Snapshot};
use crate::types::{DocumentId, Priority, SourceRef};

/// Longest name of a file, in bytes: what file systems take.
const MAX_NAME_BYTES: usize = 255;

/// A file that was received, and is nobody's document yet. Dropping it removes it.
#[derive(Debug)]
pub struct Received {
    name: String,
    copy: Snapshot,
}

impl Received {
    /// What tells it from others: name and hash.
    pub fn fingerprint(&self) -> (&str, &str) {
        (&self.name, &self.copy.content_hash.0)
    }
}

impl Scope<'_> {
    /// Receives a file piece by piece; `name` is what the client calls it.
    ///
    /// # Errors
    /// Permanent: it is larger than documents may be. Transient: the disk is nearly full.
    pub async fn receive<S>(&self, name: &str, pieces: S) -> Result<Received>
    where
        S: Stream<Item = Result<Bytes>> + Send,
    {
        let app = self.app;
        app.check_disk()?;
        let name = file_name(name);
        let copy = source::receive(pieces, &app.data.spool(), app.config.limits.max_document_bytes).await;
        Ok(Received { copy: copy.context(&name)?, name })
    }

    /// Makes documents of what was received: their bytes are kept and their jobs are on disk when this returns.
    ///
    /// # Errors
    /// Configuration: the collection can't be made. Else what ledger and blobs say; what was taken before stays.
    pub async fn take(
        &self,
        collection: &str,
        tags: &BTreeMap<String, String>,
        priority: Priority,
        received: Vec<Received>,
    ) -> Result<Vec<DocumentRecord>> {
        if self.app.ledger.collection(collection).await?.is_none() {
            self.app.collections.define(collection, None, &self.app.default_pipeline()).await?;
        }
        let limits = self.app.collections.limits(collection, &self.app.config.limits).await?;
        let limits = self.app.limit_values(&limits);
        let mut taken = Vec::with_capacity(received.len());
        for file in received {
            taken.push(self.take_one(collection, tags, priority, &limits, file).await?);
        }
        Ok(taken)
    }

    async fn take_one(
        &self,
        collection: &str,
        tags: &BTreeMap<String, String>,
        priority: Priority,
        limits: &BTreeMap<String, u64>,
        Received { name, copy }: Received,
    ) -> Result<DocumentRecord> {
        let app = self.app;
        let source = SourceRef::upload(&copy.content_hash, &name);
        let document = DocumentId::new(&self.tenant, collection, &source::same_name(&source.uri));
        let key = upload_key(&self.tenant, document, &copy.content_hash);
        app.blobs.put_file(&key, &copy.path).await?;
        {
            // The collector may just have removed the bytes of an earlier upload of the same: they are put back.
            let _kept = app.collector.keep_uploads(document).await?;
            if !app.blobs.list(&key[..key.rfind('/').unwrap_or(0)]).await?.contains(&key) {
                app.blobs.put_file(&key, &copy.path).await?;
            }
            let submission = Submission {
                document,
                tenant: self.tenant.clone(),
                collection: collection.to_owned(),
                source,
                content_hash: copy.content_hash.clone(),
                tags: tags.clone(),
                size_bytes: copy.size_bytes,
                priority,
                force: false,
                limits: limits.clone(),
            };
            app.ledger.submit(&submission).await?;
        }
        let record = app.ledger.document(&self.tenant, document).await?;
        record.ok_or_else(|| Error::transient("the document was deleted while it was taken"))
    }

    /// The document of the same source in another collection; None where there is none that may be seen.
    pub async fn same_in(&self, record: &DocumentRecord, collection: &str) -> Result<Option<DocumentRecord>> {
        self.document(DocumentId::new(&self.tenant, collection, &source::same_name(&record.source.uri))).await
    }

    /// What a request under this key was answered with, within a day.
    pub async fn receipt(&self, request_key: &str) -> Result<Option<Receipt>> {
        self.app.ledger.receipt(&self.tenant, request_key).await
    }

    pub async fn put_receipt(&self, request_key: &str, receipt: &Receipt) -> Result<()> {
        self.app.ledger.put_receipt(&self.tenant, request_key, receipt).await
    }
}

/// The last part of what a client calls its file, with nothing in it that could lead elsewhere or hide anything.
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut plain: String = last.chars().filter(|char| !crate::telemetry::is_unsafe(*char)).collect();
    plain = plain.trim().trim_start_matches('.').to_owned();
    while plain.len() > MAX_NAME_BYTES {
        // the ending says what kind of file it is
        let ending = Path::new(&plain).extension().map_or(0, |ending| ending.len() + 1);
        let stem = plain.len() - ending;
        match plain[..stem].char_indices().next_back() {
            Some((at, _)) => drop(plain.drain(at..stem)),
            None => plain.truncate(plain.char_indices().take_while(|(at, _)| *at < MAX_NAME_BYTES).count()),
        }
    }
    if plain.is_empty() { "document".into() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain() {
        let cases = [
            ("report.pdf", "report.pdf"),
            ("C:\\docs\\scan 1.pdf", "scan 1.pdf"),
            ("../../etc/passwd", "passwd"),
            ("", "document"),
            ("..", "document"),
            ("a\u{1b}[31m\u{202e}.pdf", "a[31m.pdf"),
        ];
        for (given, expected) in cases {
            assert_eq!(file_name(given), expected, "{given:?}");
        }
        let long = file_name(&format!("{}.pdf", "ž".repeat(300)));
        assert!(long.len() <= MAX_NAME_BYTES && long.ends_with("ž.pdf"), "{long}");
    }
}
