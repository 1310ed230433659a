//! What the user decides: the service configuration (`quire.yaml`, variables, flags) and pipelines. A *wire form* says
//! what may be written and is where the JSON Schemas come from; the *validated form* is what the rest of Quire sees.
//! Whoever makes mistakes hears of all of them at once, each with its line.
//!
//! Read `service.rs` and `pipeline/mod.rs` first. `tree.rs`, `check.rs` and `report.rs` serve both.

mod check;
pub mod env;
pub mod native;
mod pipeline;
mod render;
mod report;
mod service;
mod tree;
mod values;
mod vlm;

pub use env::Environment;
pub use native::{Library, Places};
pub use pipeline::{Pipeline, Source, json_schema};
pub use service::{Answer, Config, Embed, Flag, Flags, Ingest, Log, LogFormat, Store};
pub use vlm::{ApiKey, ImageBudget, TokensField, Vlm, VlmTimeouts};
