//! Quire: visual document retrieval for Qdrant.
pub mod blobs;
pub mod config;
pub mod derive;
pub mod embed;
pub mod error;
pub mod ledger;
pub mod render;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod types;
