//! What a page model runs on.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The processor that runs the graphs, as `embed.device` names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// The first CUDA device where the loaded ONNX Runtime can use one, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// The CUDA device of that number.
    Cuda(u16),
    /// Apple's Core ML.
    CoreMl,
}

impl FromStr for Device {
    type Err = Error;

    /// Reads `auto`, `cpu`, `cuda` (the first one), `cuda:N` and `coreml`.
    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| text.parse().ok().map(Self::Cuda);
        match text {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            "coreml" => Some(Self::CoreMl),
            other => other.strip_prefix("cuda:").and_then(number),
        }
        .ok_or_else(|| {
            Error::configuration(format!("found '{text}', one of auto, cpu, cuda, cuda:N, coreml is expected"))
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::CoreMl => f.write_str("coreml"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for device in [Device::Auto, Device::Cpu, Device::Cuda(3), Device::CoreMl] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for wrong in ["", "CPU", "gpu", "cuda:", "cuda:-1", "cuda:x"] {
            assert!(wrong.parse::<Device>().unwrap_err().message().contains("cuda:N"));
        }
    }
}
