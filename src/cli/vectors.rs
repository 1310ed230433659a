//! `quire vectors`: what is stored of one page, as a numpy archive that anyone can check.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::exit::ExitCode;
use super::npz::NpzWriter;
use super::output::Output;
use crate::app::Scope;
use crate::error::{Error, Result};
use crate::types::{FdeSettings, NamedVector, PackedLayout, StoredPage, VectorName};

/// The array that says where on the page each row of `patches` lies.
const PATCH_RECTS: &str = "patch_rects";

#[derive(Debug, Args)]
#[command(after_help = "In Python:\n  \
    page = numpy.load(\"page.npz\"); page[\"patches\"]; json.loads(str(page[\"meta\"]))\n\
    Sparse vectors are two arrays: NAME_indices and NAME_values. patch_rects says where on the page each row of patches lies: \
    left, top, right and bottom in fractions of the page, NaN for tokens that are no part of the image.")]
pub struct VectorsArgs {
    /// The document: an id, a path, or the end of one
    source: String,
    /// Page number, counted from 1
    page: u32,
    /// File to write
    #[arg(long, value_name = "FILE.npz")]
    out: PathBuf,
}

/// What the arrays mean; `meta` in the archive.
#[derive(Debug, Serialize)]
struct Meta<'a> {
    source: &'a str,
    page: u32,
    recipe: &'a str,
    /// `id@revision`.
    model: &'a str,
    /// What `patch_rects` were computed of: grids on the page, and which cell of them each row of `patches` is.
    token_layout: PackedLayout,
    #[serde(skip_serializing_if = "Option::is_none")]
    fde: Option<FdeSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pooled: Option<Pooled>,
}

#[derive(Debug, Serialize)]
struct Pooled {
    factor: usize,
}

#[derive(Debug, Serialize)]
struct Written {
    file: PathBuf,
    /// Shape of each array.
    arrays: BTreeMap<String, Vec<usize>>,
}

pub async fn vectors(scope: &Scope<'_>, args: VectorsArgs, output: Output) -> Result<ExitCode> {
    let document = scope.find_document(&args.source).await?;
    let page = scope.stored_page(&document, args.page).await?;
    let arrays = write(&page, &output.console.path(&args.out))?;
    let written = Written { file: args.out, arrays };
    output.result(&written, |out| {
        writeln!(out, "{}", written.file.display())?;
        for (name, shape) in &written.arrays {
            writeln!(out, "  {name} {shape:?}")?;
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn write(page: &StoredPage, file: &std::path::Path) -> Result<BTreeMap<String, Vec<usize>>> {
    let mut archive = NpzWriter::create(file)?;
    let mut arrays = BTreeMap::new();
    for (name, vector) in &page.vectors {
        match vector {
            NamedVector::Dense(values) => {
                archive.array_f32(name.as_str(), &[values.len()], values)?;
                arrays.insert(name.to_string(), vec![values.len()]);
            }
            NamedVector::Multi(rows) => {
                let shape = [rows.len(), rows.dim()];
                archive.array_f32(name.as_str(), &shape, rows.as_slice())?;
                arrays.insert(name.to_string(), shape.to_vec());
            }
            NamedVector::Sparse(sparse) => {
                let indices: Vec<i64> = sparse.indices.iter().copied().map(i64::from).collect();
                let (index_name, value_name) = (format!("{name}_indices"), format!("{name}_values"));
                archive.array_i64(&index_name, &[indices.len()], &indices)?;
                archive.array_f32(&value_name, &[sparse.values.len()], &sparse.values)?;
                arrays.insert(index_name, vec![indices.len()]);
                arrays.insert(value_name, vec![sparse.values.len()]);
            }
        }
    }
    let layout = page.payload.layout()?;
    if page.vectors.contains_key(&VectorName::Patches) {
        archive.rects(PATCH_RECTS, layout.rects())?;
        arrays.insert(PATCH_RECTS.to_owned(), vec![layout.len(), 4]);
    }
    let meta = serde_json::to_string(&meta(page, (&layout).into()))
        .map_err(|error| Error::bug("the description of a page is always JSON").with_source(error))?;
    archive.string("meta", &meta)?;
    archive.finish()?;
    Ok(arrays)
}

fn meta(page: &StoredPage, token_layout: PackedLayout) -> Meta<'_> {
    let payload = &page.payload;
    let has = |name| page.vectors.contains_key(&name);
    let derive = page.derive.as_ref();
    Meta {
        source: &payload.source,
        page: payload.page,
        recipe: &payload.recipe.0,
        model: &payload.model,
        token_layout,
        fde: derive.filter(|_| has(VectorName::Fde)).map(|derive| derive.fde),
        pooled: derive.filter(|_| has(VectorName::Pooled)).map(|derive| Pooled { factor: derive.pooled_factor }),
    }
}
