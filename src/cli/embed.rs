//! `quire embed`: what a model is given and what it gives for one image or question, as numpy arrays.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::exit::ExitCode;
use super::npz::NpzWriter;
use super::output::{Output, count};
use crate::app::{Installation, embed_options};
use crate::config::Config;
use crate::embed::{self, Embedder, InputArray, InputValues, ModelInfo};
use crate::error::{Error, Result};
use crate::types::{Multivector, PackedLayout, PageEmbedding, QuestionEmbedding};

#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// Image file; read as FastEmbed reads it: no rotation, transparency dropped
    #[arg(required_unless_present = "query", conflicts_with = "query")]
    image: Option<PathBuf>,
    /// Embed a question instead
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// Name or folder of the model [default: the configured one]
    #[arg(long)]
    model: Option<String>,
    /// Archive to write: the inputs of the graph by their names, `embeddings` [rows, dim], and `meta`, a JSON text
    #[arg(long, value_name = "FILE.npz")]
    out: PathBuf,
}

/// `meta` of the archive: what the arrays are.
#[derive(Debug, Serialize)]
struct Meta<'a> {
    model: &'a str,
    revision: &'a str,
    family: String,
    dim: usize,
    #[serde(flatten)]
    of: Of,
}

/// What was embedded, and what each row of `embeddings` stands for.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Of {
    Page {
        /// Where on the image each row of `embeddings` lies: grids, and the cells as runs: `0-1023,x6`, where `x6` are six
        /// tokens that are no part of the image.
        token_layout: PackedLayout,
    },
    Question {
        labels: Vec<String>,
        /// False for rows of the model's own prompt.
        from_text: Vec<bool>,
    },
}

#[derive(Debug, Serialize)]
struct Written {
    out: String,
    model: String,
    rows: usize,
    dim: usize,
    arrays: Vec<String>,
}

pub async fn embed(args: EmbedArgs, config: &Config, installation: &Installation, output: Output) -> Result<ExitCode> {
    let folder = installation.model(args.model.as_deref().unwrap_or(&config.model))?;
    embed::runtime::init(&installation.onnxruntime(config)?)?;
    // Blocking is fine here: nothing else runs in this process.
    let model = Embedder::load(&folder, &embed_options(config))?;
    let (inputs, embeddings, of) = match (&args.image, &args.query) {
        (Some(image), None) => page(&model, image).await?,
        (None, Some(text)) => question(&model, text).await?,
        _ => return Err(Error::bug("either an image or a question is there")),
    };
    write(&args.out, model.info(), &inputs, &embeddings, of)?;
    model.shutdown().await;
    let mut arrays: Vec<String> = inputs.into_iter().map(|array| array.name).collect();
    arrays.extend(["embeddings".into(), "meta".into()]);
    let written = Written {
        out: args.out.display().to_string(),
        model: model.info().name(),
        rows: embeddings.len(),
        dim: embeddings.dim(),
        arrays,
    };
    output.result(&written, |out| {
        let rows = count(written.rows as u64, "vector");
        writeln!(out, "{}: {rows} of {} dimensions, {}", written.out, written.dim, written.arrays.join(", "))
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn page(model: &Embedder, image: &Path) -> Result<(Vec<InputArray>, Multivector, Of)> {
    let input = model.prepare(&embed::read_picture(image)?)?;
    let inputs = model.page_arrays(&input)?;
    let PageEmbedding { patches, layout } = model.embed_page(input).await?;
    Ok((inputs, patches, Of::Page { token_layout: (&layout).into() }))
}

async fn question(model: &Embedder, text: &str) -> Result<(Vec<InputArray>, Multivector, Of)> {
    let inputs = model.question_arrays(text)?;
    let QuestionEmbedding { tokens, labels, from_text } = model.embed_question(text).await?;
    Ok((inputs, tokens, Of::Question { labels, from_text }))
}

fn write(out: &Path, info: &ModelInfo, inputs: &[InputArray], embeddings: &Multivector, of: Of) -> Result<()> {
    let family = info.family.to_string();
    let meta = Meta { model: &info.id, revision: &info.revision, family, dim: info.dim, of };
    let meta = serde_json::to_string(&meta).map_err(|error| Error::bug("meta is always JSON").with_source(error))?;
    let mut archive = NpzWriter::create(out)?;
    for InputArray { name, shape, values } in inputs {
        match values {
            InputValues::F32(values) => archive.array_f32(name, shape, values)?,
            InputValues::I64(values) => archive.array_i64(name, shape, values)?,
            InputValues::U8(values) => archive.array_u8(name, shape, values)?,
        }
    }
    archive.array_f32("embeddings", &[embeddings.len(), embeddings.dim()], embeddings.as_slice())?;
    archive.string("meta", &meta)?;
    archive.finish()
}
