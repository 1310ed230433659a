//! `--evidence DIR`: page images with the matching places marked, as files.

use std::path::Path;

use super::console::Console;
use crate::app::{EvidenceImage, Scope};
use crate::error::{Error, Result, io_error};
use crate::retrieve::Hit;
use crate::types::QuestionEmbedding;

/// Writes each hit's page image into the folder, in order, and points the hit at it.
pub async fn write_evidence<'h>(
    scope: &Scope<'_>,
    collection: &str,
    hits: impl Iterator<Item = &'h mut Hit>,
    question: &QuestionEmbedding,
    folder: &Path,
    console: &Console,
) -> Result<()> {
    let real = console.path(folder);
    std::fs::create_dir_all(&real).map_err(|error| io_error("create", &real, error))?;
    for (index, hit) in hits.enumerate() {
        let EvidenceImage(image) = scope.evidence(collection, hit, question).await?;
        let stem = Path::new(&hit.source).file_stem().map_or("page".into(), |stem| stem.to_string_lossy());
        let path = folder.join(format!("{}-{stem}-p{}.png", index + 1, hit.page));
        let target = console.path(&path);
        let save = move || {
            let failed = |error| Error::permanent(format!("cannot write {}", target.display())).with_source(error);
            image.save(&target).map_err(|error: image::ImageError| failed(error))
        };
        tokio::task::spawn_blocking(save)
            .await
            .map_err(|error| Error::bug("writing evidence panicked").with_source(error))??;
        hit.image = path.display().to_string();
    }
    Ok(())
}
