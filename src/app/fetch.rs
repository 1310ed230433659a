//! Documents on the web are taken: fetched where they are new or changed, their bytes kept, then submitted like any others. Nobody but
//! this fetches them: workers read what was kept.

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::scope::Scope;
use crate::blobs::{upload_key, upload_prefix};
use crate::error::{Error, Result};
use crate::ingest::{Comparison, Submitter};
use crate::ledger::State;
use crate::source::{FETCHES_AT_ONCE, Fetched, SourceFile};
use crate::types::{DocumentId, is_on_web};

impl Scope<'_> {
    /// Submits what was found, wherever it lies. What is on the web and can't be had is named in the comparison.
    ///
    /// # Errors
    /// What ledger, blobs and the disk say.
    pub(super) async fn submit_found(
        &self,
        submitter: &Submitter,
        files: Vec<SourceFile>,
        stop: &CancellationToken,
    ) -> Result<Comparison> {
        let (on_web, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_on_web(&file.source.uri));
        let mut comparison = submitter.submit_all(files, stop).await?;
        if on_web.is_empty() {
            return Ok(comparison);
        }
        self.app.check_disk()?;
        let patience = self.app.patience(stop).telling(&submitter.events, &submitter.collection);
        let mut fetched = stream::iter(on_web)
            .map(|file| async move {
                let fetched = patience.with(|| self.fetch_unless_kept(submitter, &file)).await;
                (file, fetched)
            })
            .buffered(FETCHES_AT_ONCE);
        while let Some(Some((file, fetched))) = stop.run_until_cancelled(fetched.next()).await {
            match fetched? {
                Ok(fetched) => {
                    let submit = || self.submit_kept(submitter, file.clone(), fetched.as_ref(), stop);
                    comparison.extend(patience.with(submit).await?);
                }
                Err(error) => comparison.failed.push((file, error.to_string())),
            }
        }
        self.app.web.save().await?;
        Ok(comparison)
    }

    /// A copy of a document on the web; None where its bytes are kept already.
    async fn fetch_unless_kept(&self, submitter: &Submitter, file: &SourceFile) -> Result<Result<Option<Fetched>>> {
        if self.kept_bytes(submitter.document_id(file), file).await?.is_some() {
            return Ok(Ok(None));
        }
        let spool = self.app.data.spool();
        Ok(self.app.web.fetch(&file.source.uri, &spool, submitter.max_document_bytes).await.map(Some))
    }

    /// How many bytes are kept of the version that a document still has; None where none are.
    async fn kept_bytes(&self, document: DocumentId, file: &SourceFile) -> Result<Option<u64>> {
        let Some(version) = &file.version else { return Ok(None) };
        let known = self.app.ledger.document(&self.tenant, document).await?;
        let known = known.filter(|known| known.state != State::Deleting && known.content_hash == *version);
        Ok(known.map(|known| known.size_bytes))
    }

    /// Bytes, then the job; while it is submitted, the collector leaves them alone.
    async fn submit_kept(
        &self,
        submitter: &Submitter,
        mut file: SourceFile,
        fetched: Option<&Fetched>,
        stop: &CancellationToken,
    ) -> Result<Comparison> {
        let app = self.app;
        let document = submitter.document_id(&file);
        if let Some(Fetched { copy, .. }) = fetched {
            (file.version, file.size_bytes) = (Some(copy.content_hash.clone()), copy.size_bytes);
            // A server that tells no versions sends the same again and again.
            if self.kept_bytes(document, &file).await?.is_none() {
                app.blobs.put_file(&upload_key(&self.tenant, document, &copy.content_hash), &copy.path).await?;
            }
        }
        let _kept = app.collector.keep_uploads(document).await?;
        match fetched {
            Some(Fetched { copy, .. }) => {
                // The collector may just have removed them, with the document or those of an earlier version.
                let key = upload_key(&self.tenant, document, &copy.content_hash);
                if !app.blobs.list(&upload_prefix(&self.tenant, document)).await?.contains(&key) {
                    app.blobs.put_file(&key, &copy.path).await?;
                }
            }
            None => match self.kept_bytes(document, &file).await? {
                Some(size_bytes) => file.size_bytes = size_bytes,
                None => {
                    let error = Error::transient("it was deleted just now: it is fetched again the next time");
                    return Ok(Comparison { failed: vec![(file, error.to_string())], ..Comparison::default() });
                }
            },
        }
        let uri = file.source.uri.clone();
        let comparison = submitter.submit_all(vec![file], stop).await?;
        if let Some(fetched) = fetched {
            app.web.remember(&uri, fetched.version());
        }
        Ok(comparison)
    }
}
