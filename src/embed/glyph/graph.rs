//! What the two graphs of this family have in common.

use ort::value::TensorElementType;

use super::manifest::{Dtype, Port};
use crate::embed::session::Expected;
use crate::error::Error;

/// What the graph must say of an input or output that the manifest names.
pub(super) fn expected<'a>(port: &'a Port, shape: &'a [Option<i64>]) -> Expected<'a> {
    let dtype = match port.dtype {
        Dtype::Uint8 => TensorElementType::Uint8,
        Dtype::Int64 => TensorElementType::Int64,
        Dtype::Float32 => TensorElementType::Float32,
    };
    Expected { name: &port.name, dtype, shape }
}

/// A failure of ONNX Runtime on valid input: memory, mostly.
pub(super) fn failed(which: &'static str) -> impl Fn(ort::Error) -> Error {
    move |error| Error::transient(format!("the {which} model failed")).with_source(error)
}
