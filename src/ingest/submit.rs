//! Files become jobs: hash, compare with the ledger, write down what is to be done.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::{Event, Progress};
use crate::error::Result;
use crate::ledger::{Ledger, Submission, Submitted};
use crate::source::{SourceFile, hash_file};
use crate::types::{DocumentId, RecipeId, Tenant};

/// Files hashed at the same time: enough to keep a disk busy.
const HASHING: usize = 4;

/// Submits files of one collection under one recipe.
pub struct Submitter {
    pub ledger: Arc<dyn Ledger>,
    pub tenant: Tenant,
    pub collection: String,
    pub recipe: RecipeId,
    pub tags: BTreeMap<String, String>,
    /// Index again what has not changed.
    pub force: bool,
    pub progress: Progress,
}

/// What became of the files.
#[derive(Debug, Default)]
pub struct Comparison {
    pub queued: usize,
    pub unchanged: usize,
    /// Source and reason of files that were rejected before, or can't be read now.
    pub failed: Vec<(SourceFile, String)>,
}

impl Submitter {
    pub async fn submit_all(&self, files: Vec<SourceFile>) -> Result<Comparison> {
        let mut comparison = Comparison::default();
        let mut hashed = stream::iter(files)
            .map(|file| async move {
                let hash = hash_file(&file.path).await;
                (file, hash)
            })
            .buffered(HASHING);
        while let Some((file, hash)) = hashed.next().await {
            let content_hash = match hash {
                Ok(content_hash) => content_hash,
                Err(error) => {
                    comparison.failed.push((file, error.to_string()));
                    continue;
                }
            };
            let submission = Submission {
                document: self.document_id(&file),
                tenant: self.tenant.clone(),
                collection: self.collection.clone(),
                source: file.source.clone(),
                content_hash,
                recipe: self.recipe.clone(),
                tags: self.tags.clone(),
                size_bytes: file.size_bytes,
                force: self.force,
            };
            let submitted = self.ledger.submit(&submission).await?;
            (self.progress)(Event::Compared { source: file.source.clone(), queued: submitted == Submitted::Queued });
            match submitted {
                Submitted::Queued => comparison.queued += 1,
                Submitted::Unchanged => comparison.unchanged += 1,
                Submitted::RejectedBefore(reason) => comparison.failed.push((file, reason)),
            }
        }
        Ok(comparison)
    }

    pub fn document_id(&self, file: &SourceFile) -> DocumentId {
        DocumentId::new(&self.tenant, &self.collection, &file.source.uri)
    }
}
