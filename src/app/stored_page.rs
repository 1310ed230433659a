//! What is stored of one page, for those who want to check it.

use super::collections::DefinedBuild;
use super::scope::Scope;
use crate::error::{Error, Result};
use crate::ledger::DocumentRecord;
use crate::store::StoredPoint;
use crate::types::{DeriveSettings, PointId, StoredPage, VectorName};

impl Scope<'_> {
    /// Payload and named vectors of a page as the store holds them (`float16` widened, quantized copies left aside).
    ///
    /// # Errors
    /// Permanent, where the document is not indexed or has no such page.
    pub async fn stored_page(&self, document: &DocumentRecord, page: u32) -> Result<StoredPage> {
        let build = self.app.collections.active(&document.collection).await?;
        let names: Vec<VectorName> = build.definition.schema.vectors.iter().map(|spec| spec.name).collect();
        let point = self.stored_point(&build, document, page, &names).await?;
        let definition = build.definition;
        // The definition may have moved on since the page was indexed: then its parameters are not those of the page.
        let derive: Option<DeriveSettings> =
            (definition.recipe == point.payload.recipe).then(|| definition.derive.clone());
        Ok(StoredPage { payload: point.payload, vectors: point.vectors, derive })
    }

    /// The point of a page that people see, with these of its vectors.
    ///
    /// # Errors
    /// As [`Self::stored_page`].
    pub(super) async fn stored_point(
        &self,
        build: &DefinedBuild,
        document: &DocumentRecord,
        page: u32,
        vectors: &[VectorName],
    ) -> Result<StoredPoint> {
        let Some(generation) = &document.visible else {
            return Err(Error::permanent(format!(
                "{} is {}, not indexed: it has no vectors",
                document.source.uri,
                document.state.as_str()
            )));
        };
        let id = PointId::new(document.document_id, generation, page);
        let stored = self.app.store.retrieve(&build.physical, &self.tenant, &[id], vectors).await?;
        stored.into_iter().next().ok_or_else(|| {
            let failed = document.failed_pages.iter().find(|failed| failed.page == page);
            Error::permanent(match failed {
                Some(failed) => {
                    format!("page {page} of {} could not be indexed: {}", document.source.uri, failed.reason)
                }
                None => format!(
                    "{} has no page {page}: it has {}, counted from 1",
                    document.source.uri, document.page_count
                ),
            })
        })
    }
}
