//! Quire: visual document retrieval for Qdrant.
//!
//! A tour, in the order in which it is best read:
//!
//! 1. [`types`]: the vocabulary. Documents, pages, multivectors, points, plans; pure data.
//! 2. [`ingest`]: the first of the two flows, wired in one place: `source -> render -> embed -> derive -> store`, one
//!    document page by page, acknowledged at the end.
//! 3. [`app`]: the front door, and the second flow: `question -> embed -> retrieve -> answer`.
//! 4. The rooms that the flows pass through: [`source`], [`render`] (worker processes), [`embed`] (models on threads
//!    of their own), [`mod@derive`] (pure functions), [`store`] and [`ledger`] (who sees what, and what is owed), [`blobs`].
//! 5. [`retrieve`] and [`answer`]: plans, hits, evidence, citations.
//! 6. [`server`] and [`service`]: HTTP, and the daemon around it all.
//! 7. [`config`], [`telemetry`], [`cli`]: the edges.
//!
//! Dependencies point down only; `tests/architecture.rs` enforces it.

// Tests find the native libraries and their own settings in the environment.
#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod answer;
pub mod app;
pub mod blobs;
pub mod buckets;
pub mod cli;
pub mod config;
pub mod derive;
pub mod durable;
pub mod embed;
pub mod error;
#[doc(hidden)]
pub mod faults;
pub mod ingest;
pub mod ledger;
pub mod render;
pub mod retrieve;
pub mod server;
pub mod service;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod types;
