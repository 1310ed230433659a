//! A ColPali graph: whatever the exporter made of it, as far as it takes ids and pixels and gives a vector a token. Which
//! of the known inputs it has, and the name and precision of its output, are asked of the graph itself.

use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Outlet, TensorElementType, TensorRef};

use super::manifest::{OutputRef, PageSpec};
use crate::embed::options::EmbedOptions;
use crate::embed::session::{self, Expected, Threads};
use crate::embed::shared::Shared;
use crate::error::{Error, Result};
use crate::types::Device;

const INPUT_IDS: &str = "input_ids";
const ATTENTION_MASK: &str = "attention_mask";
const TOKEN_TYPE_IDS: &str = "token_type_ids";
const PIXEL_VALUES: &str = "pixel_values";

/// An open graph; it may be shared between threads, which then take turns in the order in which they came.
pub(super) struct Graph {
    path: PathBuf,
    session: Shared<Session>,
    pub device: Device,
    pub token_inputs: TokenInputs,
    pub has_pixels: bool,
    output: String,
    half: bool,
    dim: usize,
    /// `[3, height, width]` of the pixels.
    image: [usize; 3],
}

/// What the graph wants beside the ids, an entry a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenInputs {
    has_mask: bool,
    has_types: bool,
}

impl TokenInputs {
    /// By name, with the one value that every token has: all tokens are real, for pages have one prompt, and questions come
    /// alone.
    pub fn constants(self) -> impl Iterator<Item = (&'static str, i64)> {
        let mask = self.has_mask.then_some((ATTENTION_MASK, 1));
        mask.into_iter().chain(self.has_types.then_some((TOKEN_TYPE_IDS, 0)))
    }
}

/// What one run is given, `batch` items of equal length.
pub(super) struct GraphInputs<'a> {
    pub batch: usize,
    /// `[batch, tokens]`.
    pub ids: &'a [i64],
    /// `[batch, 3, height, width]`; left out of graphs that take no pixels.
    pub pixels: &'a [f32],
}

/// What a run gave: `[batch, tokens, dim]` in the graph's own precision.
pub(in crate::embed) struct GraphOutput {
    value: DynValue,
    /// `[batch, tokens]`.
    shape: [usize; 2],
}

impl Graph {
    /// # Errors
    /// Configuration, if the graph wants other inputs, or has no output of float vectors of `dim` dimensions.
    pub fn open(path: &Path, output: &OutputRef, page: &PageSpec, dim: usize, options: &EmbedOptions) -> Result<Self> {
        let threads = Threads { cpu: options.threads, beside_device: options.threads };
        let (session, device) = session::open(session::Source::File(path), threads, options.device)?;
        let has = |name: &str| session.inputs().iter().any(|input| input.name() == name);
        let token_inputs = TokenInputs { has_mask: has(ATTENTION_MASK), has_types: has(TOKEN_TYPE_IDS) };
        let has_pixels = has(PIXEL_VALUES);
        let image = [3, page.height, page.width];
        let pixels = [None, Some(3), Some(page.height as i64), Some(page.width as i64)];
        let ids = |name| Expected { name, dtype: TensorElementType::Int64, shape: &[None, None] };
        let mut inputs = vec![ids(INPUT_IDS)];
        inputs.extend(token_inputs.constants().map(|(name, _)| ids(name)));
        inputs.extend(has_pixels.then_some(Expected {
            name: PIXEL_VALUES,
            dtype: TensorElementType::Float32,
            shape: &pixels,
        }));
        session::check(path, &session, &inputs, &[])?;
        let (output, half) = find_output(path, session.outputs(), output, dim)?;
        let path = path.to_path_buf();
        let session = Shared::new(session);
        Ok(Self { path, session, device, token_inputs, has_pixels, output, half, dim, image })
    }

    /// Refuses a graph that does not look at pages.
    pub fn must_take_pixels(&self) -> Result<()> {
        if self.has_pixels {
            return Ok(());
        }
        Err(Error::configuration(format!(
            "graph {} has no input '{PIXEL_VALUES}', so it cannot embed pages: name the graph with the vision tower as \
             page.graph of the manifest",
            self.path.display()
        )))
    }

    /// # Errors
    /// Transient, if ONNX Runtime fails (memory, mostly).
    pub fn run(&self, given: &GraphInputs<'_>) -> Result<GraphOutput> {
        let failed = |error| self.failed(error);
        let shape = [given.batch, given.ids.len() / given.batch.max(1)];
        let constants: Vec<(&str, Vec<i64>)> =
            self.token_inputs.constants().map(|(name, value)| (name, vec![value; given.ids.len()])).collect();
        let ids = TensorRef::from_array_view((shape, given.ids)).map_err(failed)?;
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = vec![(INPUT_IDS, ids.into())];
        for (name, values) in &constants {
            let values = TensorRef::from_array_view((shape, values.as_slice())).map_err(failed)?;
            inputs.push((name, values.into()));
        }
        if self.has_pixels {
            let [channels, height, width] = self.image;
            let shape = [given.batch, channels, height, width];
            inputs.push((PIXEL_VALUES, TensorRef::from_array_view((shape, given.pixels)).map_err(failed)?.into()));
        }
        let mut session = self.session.take();
        let mut outputs = session.run(inputs).map_err(failed)?;
        let value = outputs.remove(&self.output).ok_or_else(|| {
            Error::configuration(format!("graph {} gave no output '{}'", self.path.display(), self.output))
        })?;
        Ok(GraphOutput { value, shape })
    }

    /// One vector a token, `[batch, tokens, dim]`. Leaves the session to others.
    ///
    /// # Errors
    /// Configuration, if the output has another size; permanent, if it holds what is no number.
    pub fn vectors(&self, output: &GraphOutput) -> Result<Vec<f32>> {
        let failed = |error| self.failed(error);
        let (found, values) = if self.half {
            let (found, values) = output.value.try_extract_tensor::<f16>().map_err(failed)?;
            (found, values.to_f32_vec())
        } else {
            let (found, values) = output.value.try_extract_tensor::<f32>().map_err(failed)?;
            (found, values.to_vec())
        };
        let expected = [output.shape[0] as i64, output.shape[1] as i64, self.dim as i64];
        if **found != expected {
            return Err(Error::configuration(format!(
                "output '{}' of graph {} has shape {:?}, expected {expected:?}: a vector for every token",
                self.output,
                self.path.display(),
                &**found
            )));
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(Error::permanent(format!(
                "graph {} gave values that are no numbers: its precision does not suffice for this input",
                self.path.display()
            )));
        }
        Ok(values)
    }

    fn failed(&self, error: ort::Error) -> Error {
        Error::transient(format!("graph {} failed", self.path.display())).with_source(error)
    }
}

/// Name of the output, and whether it is of half precision.
fn find_output(path: &Path, outputs: &[Outlet], wanted: &OutputRef, dim: usize) -> Result<(String, bool)> {
    let found = match wanted {
        OutputRef::Index(index) => outputs.get(*index),
        OutputRef::Name(name) => outputs.iter().find(|output| output.name() == name),
    };
    let Some(found) = found else {
        let names: Vec<&str> = outputs.iter().map(Outlet::name).collect();
        let wanted = match wanted {
            OutputRef::Index(index) => index.to_string(),
            OutputRef::Name(name) => format!("'{name}'"),
        };
        return Err(Error::configuration(format!(
            "graph {} has no output {wanted}: its outputs are {}",
            path.display(),
            names.join(", ")
        )));
    };
    let half = match found.dtype().tensor_type() {
        Some(TensorElementType::Float16) => true,
        Some(TensorElementType::Float32) => false,
        _ => {
            return Err(Error::configuration(format!(
                "output '{}' of graph {} is {}, expected float32 or float16 of shape [?, ?, {dim}]",
                found.name(),
                path.display(),
                found.dtype()
            )));
        }
    };
    let shape = found.dtype().tensor_shape();
    // -1: the graph leaves the dimension open.
    if shape.is_some_and(|shape| shape.len() != 3 || (shape[2] >= 0 && shape[2] != dim as i64)) {
        return Err(Error::configuration(format!(
            "output '{}' of graph {} is {}, expected shape [?, ?, {dim}]: one vector of {dim} dimensions a token",
            found.name(),
            path.display(),
            found.dtype()
        )));
    }
    Ok((found.name().to_owned(), half))
}
