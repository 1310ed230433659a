//! What the user decides: the service configuration (`quire.yaml`, variables, flags) and pipelines. A *wire form* says
//! what may be written and is where the JSON Schemas come from; the *validated form* is what the rest of Quire sees.
//! Whoever makes mistakes hears of all of them at once, each with its line.
//!
//! Read `service.rs` and `pipeline/mod.rs` first; a section of the service configuration has a file of its own. `tree.rs`,
//! `interpolate.rs`, `check.rs` and `report.rs` serve both; `files.rs`, `trust.rs` and `layers.rs` say which places count
//! for the service configuration, how far, and in which order.

mod answer;
mod blobs;
mod check;
mod embed;
pub mod env;
mod files;
mod flags;
mod ingest;
mod interpolate;
mod jwt;
mod layers;
mod ledger;
mod log;
mod native;
mod pipeline;
mod pipelines;
mod places;
mod render;
mod report;
mod server;
mod service;
mod settings;
mod store;
mod tree;
mod trust;
mod urls;
mod values;
mod vlm;

pub use answer::Answer;
pub use blobs::{Blobs, Bucket};
pub use embed::Embed;
pub use env::{Environment, NOTIFY_SOCKET};
pub use flags::{Flag, Flags};
pub use ingest::Ingest;
pub use jwt::{Jwt, JwtAlgorithm, JwtKey};
pub use ledger::{Ledger, LedgerUrl};
pub use log::{Log, LogFormat};
pub use native::Library;
pub use pipeline::{Pipeline, Source, default_spec, json_schema, plans_for};
pub use pipelines::Watch;
pub use places::Places;
pub use server::{Http, HttpLimits};
pub use service::Config;
pub use settings::{Settings, differing};
pub use store::{Server, Store};
pub use urls::{Host, Urls};
pub use values::is_name;
pub use vlm::{ApiKey, ImageBudget, ImageChoice, TokensField, Vlm, VlmTimeouts};
