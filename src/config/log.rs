//! `log`: what goes to standard error.

use schemars::JsonSchema;
use serde::Deserialize;

use super::report::{Mistakes, hint};
use super::tree::Node;

/// What goes to standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Levels, alone or for a target: `warn`, `info,quire=debug`.
    pub filter: String,
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    Text,
    Json,
}

/// What goes to standard error.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Log")]
pub(super) struct LogWire {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `warn,quire=debug`.
    #[schemars(length(min = 1))]
    filter: String,
    format: LogFormat,
}

impl Default for LogWire {
    fn default() -> Self {
        Self { filter: "warn,qdrant_edge=error".into(), format: LogFormat::Auto }
    }
}

impl LogWire {
    /// What the schema can't say: a word alone must be a level, and so must what stands behind `target=`.
    pub(super) fn check(&self, root: &Node, mistakes: &mut Mistakes) {
        const PATH: &str = "log.filter";
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        for directive in self.filter.split(',').map(str::trim) {
            let level = directive.rsplit_once('=').map_or(directive, |(_, level)| level);
            if !LEVELS.contains(&level.to_lowercase().as_str()) {
                mistakes.add(
                    root.locate(PATH),
                    PATH,
                    format!(
                        "found '{level}' as a level, one of {} is expected, alone or behind a target as in quire=debug{}",
                        LEVELS.join(", "),
                        hint(level, LEVELS)
                    ),
                );
            }
        }
    }

    pub(super) fn into_log(self) -> Log {
        Log { filter: self.filter, format: self.format }
    }
}
