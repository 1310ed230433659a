//! One graph in ONNX Runtime on the device that was asked for, with its inputs and outputs checked against what the
//! manifest says before anything runs.

use std::path::Path;

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Outlet, TensorElementType};

use super::runtime;
use crate::error::{Error, Result};
use crate::types::Device;

/// What an input or output of a graph must be.
pub(super) struct Expected<'a> {
    pub name: &'a str,
    pub dtype: TensorElementType,
    /// One entry a dimension; None if it may vary.
    pub shape: &'a [Option<i64>],
}

/// Where a graph is: in a file, which may keep its weights in others beside it, or read from one already.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    File(&'a Path),
    Bytes(&'a Path, &'a [u8]),
}

/// Threads of a run.
#[derive(Clone, Copy)]
pub(super) struct Threads {
    /// If the CPU does all of it.
    pub cpu: usize,
    /// For what a device leaves to the CPU.
    pub beside_device: usize,
}

/// Opens a graph, and says on what it runs. Blocking, up to seconds for large graphs.
///
/// # Errors
/// Configuration, if ONNX Runtime refuses the file or can't use the device. [`Device::Auto`] then falls back to the
/// CPU.
pub(super) fn open(graph: Source<'_>, threads: Threads, device: Device) -> Result<(Session, Device)> {
    let Threads { cpu, beside_device } = threads;
    match device {
        Device::Auto => {}
        Device::Cpu => return Ok((open_with(graph, cpu, None)?, device)),
        _ => return Ok((open_with(graph, beside_device, provider(device)?)?, device)),
    }
    if offers::<ep::CUDA>() {
        let first = Device::Cuda(0);
        match open_with(graph, beside_device, provider(first)?) {
            Ok(session) => return Ok((session, first)),
            Err(error) => tracing::warn!("{error}; the CPU is used instead (embed.device: cpu says so at once)"),
        }
    }
    Ok((open_with(graph, cpu, None)?, Device::Cpu))
}

/// The execution provider of a device; None for the CPU, which needs none.
fn provider(device: Device) -> Result<Option<ExecutionProviderDispatch>> {
    let (name, offered, provider) = match device {
        Device::Auto | Device::Cpu => return Ok(None),
        Device::Cuda(number) => {
            ("CUDA", offers::<ep::CUDA>(), ep::CUDA::default().with_device_id(number.into()).build())
        }
        Device::CoreMl => ("Core ML", offers::<ep::CoreML>(), ep::CoreML::default().build()),
    };
    if offered {
        return Ok(Some(provider.error_on_failure()));
    }
    let library = runtime::loaded().map_or_else(String::new, |(path, _)| format!(" at {}", path.display()));
    Err(Error::configuration(format!(
        "embed.device is {device}, and the ONNX Runtime{library} offers no {name}: set embed.device to cpu or auto, or \
         native.onnxruntime to a build that offers it"
    )))
}

/// Whether the loaded ONNX Runtime was built with a provider.
fn offers<P: ExecutionProvider>() -> bool {
    P::is_available().unwrap_or(false)
}

fn open_with(graph: Source<'_>, threads: usize, provider: Option<ExecutionProviderDispatch>) -> Result<Session> {
    let (Source::File(path) | Source::Bytes(path, _)) = graph;
    let environment = runtime::environment()?;
    let device = provider.as_ref().map_or_else(String::new, |provider| format!(" with {}", provider.name()));
    let build = || -> ort::Result<Session> {
        let mut builder = Session::builder(&environment)?
            .with_intra_threads(threads.max(1))?
            // Idle threads sleep instead of spinning: the renderer and the store need the cores between two batches.
            .with_intra_op_spinning(false)?
            .with_optimization_level(GraphOptimizationLevel::Level3)?;
        if let Some(provider) = provider {
            builder = builder.with_execution_providers([provider])?;
        }
        match graph {
            Source::File(path) => builder.commit_from_file(path),
            Source::Bytes(_, bytes) => builder.commit_from_memory(bytes),
        }
    };
    build().map_err(|error| {
        Error::configuration(format!("ONNX Runtime cannot open the graph {}{device}", path.display()))
            .with_source(error)
    })
}

/// Compares the graph's own description with what is expected of it; extra outputs are allowed.
///
/// # Errors
/// Configuration, naming graph, input or output, what was found and what was expected.
pub(super) fn check(path: &Path, session: &Session, inputs: &[Expected<'_>], outputs: &[Expected<'_>]) -> Result<()> {
    for (side, expected, found) in [("input", inputs, session.inputs()), ("output", outputs, session.outputs())] {
        for expected in expected {
            check_one(path, side, expected, found)?;
        }
    }
    let unknown = session.inputs().iter().find(|found| inputs.iter().all(|expected| expected.name != found.name()));
    match unknown {
        Some(found) => Err(Error::configuration(format!(
            "graph {} wants an input '{}' that its manifest does not know: take model and manifest from one place",
            path.display(),
            found.name()
        ))),
        None => Ok(()),
    }
}

fn check_one(path: &Path, side: &str, expected: &Expected<'_>, found: &[Outlet]) -> Result<()> {
    let Some(outlet) = found.iter().find(|outlet| outlet.name() == expected.name) else {
        let names: Vec<&str> = found.iter().map(Outlet::name).collect();
        return Err(Error::configuration(format!(
            "graph {} has no {side} '{}': its {side}s are {}",
            path.display(),
            expected.name,
            names.join(", ")
        )));
    };
    let shape = outlet.dtype().tensor_shape();
    let fits = outlet.dtype().tensor_type() == Some(expected.dtype)
        && shape.is_some_and(|shape| {
            shape.len() == expected.shape.len()
                && shape.iter().zip(expected.shape).all(|(&found, expected)| {
                    // -1: the graph leaves the dimension open.
                    found < 0 || expected.is_none_or(|expected| expected == found)
                })
        });
    if fits {
        return Ok(());
    }
    let wanted: Vec<String> =
        expected.shape.iter().map(|size| size.map_or_else(|| "?".into(), |size| size.to_string())).collect();
    Err(Error::configuration(format!(
        "{side} '{}' of graph {} is {}, expected {} of shape [{}]: take model and manifest from one place",
        expected.name,
        path.display(),
        outlet.dtype(),
        expected.dtype,
        wanted.join(", ")
    )))
}
