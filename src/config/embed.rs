//! `embed`: how the page model runs.

use schemars::JsonSchema;
use serde::Deserialize;

use super::report::Mistakes;
use super::tree::Node;
use crate::types::Device;

/// How the page model runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Embed {
    /// Threads that the page model computes with on the CPU.
    pub threads: usize,
    /// Most pages of one model run; None: what suits the device.
    pub batch_pages: Option<usize>,
    /// What the model runs on.
    pub device: Device,
}

/// How the page model runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Embed")]
pub(super) struct EmbedWire {
    /// Threads that the page model computes with on the CPU (one a core).
    #[schemars(range(min = 1, max = 1024))]
    threads: Option<usize>,
    /// Most pages of one model run (one on the CPU, four on a device).
    #[schemars(range(min = 1, max = 256))]
    batch_pages: Option<usize>,
    /// What the model runs on: `cpu`, `cuda`, `cuda:N` (the N-th device), `coreml`, or `auto`: CUDA where the ONNX
    /// Runtime at hand can use it, else the CPU.
    device: String,
}

impl Default for EmbedWire {
    fn default() -> Self {
        Self { threads: None, batch_pages: None, device: Device::default().to_string() }
    }
}

impl EmbedWire {
    /// What the schema can't say: that the device is one.
    pub(super) fn check(&self, root: &Node, mistakes: &mut Mistakes) {
        if let Err(error) = self.device.parse::<Device>() {
            mistakes.add(root.locate("embed.device"), "embed.device", error.message());
        }
    }

    /// The validated form, on a machine of so many cores.
    pub(super) fn into_embed(self, cores: usize) -> Embed {
        Embed {
            threads: self.threads.unwrap_or(cores),
            batch_pages: self.batch_pages,
            // What can't be read has been reported.
            device: self.device.parse().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Environment, Flags};
    use super::*;
    use crate::error::Result;

    fn device(text: &str, environment: &Environment) -> Result<Device> {
        Config::from_text("etc/quire.yaml", text, &Flags::default(), environment).map(|config| config.embed.device)
    }

    #[test]
    fn the_device_is_checked_where_it_is_written() {
        let none = Environment::default();
        assert_eq!(device("workers: 1", &none).unwrap(), Device::Auto);
        assert_eq!(device("embed: {device: 'cuda:1'}", &none).unwrap(), Device::Cuda(1));
        let error = device("embed:\n  device: gpu\n", &none).unwrap_err().to_string();
        assert!(error.contains("etc/quire.yaml:2") && error.contains("'gpu'") && error.contains("cuda:N"), "{error}");
        let variable: Environment = [("QUIRE__EMBED__DEVICE", "cpu")].into_iter().collect();
        assert_eq!(device("embed: {device: 'cuda:1'}", &variable).unwrap(), Device::Cpu);
    }
}
