//! One graph in ONNX Runtime, with its inputs and outputs checked against what the manifest says before anything runs.

use std::path::Path;

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Outlet, TensorElementType};

use super::runtime;
use crate::error::{Error, Result};

/// What an input or output of a graph must be.
pub(super) struct Expected<'a> {
    pub name: &'a str,
    pub dtype: TensorElementType,
    /// One entry a dimension; None where it may vary.
    pub shape: &'a [Option<i64>],
}

/// Opens the graph at `path`. Blocking, up to seconds for large graphs.
///
/// # Errors
/// Configuration, where ONNX Runtime refuses the file.
pub(super) fn open(path: &Path, threads: usize) -> Result<Session> {
    let environment = runtime::environment()?;
    let build = || -> ort::Result<Session> {
        let mut builder = Session::builder(&environment)?
            .with_intra_threads(threads.max(1))?
            // Idle threads sleep instead of spinning: the renderer and the store need the cores between two batches.
            .with_intra_op_spinning(false)?
            .with_optimization_level(GraphOptimizationLevel::Level3)?;
        builder.commit_from_file(path)
    };
    build().map_err(|error| {
        Error::configuration(format!("ONNX Runtime cannot open the graph {}", path.display())).with_source(error)
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
