//! The service as its user runs it: real processes, a data folder of its own, port 0.

#![allow(clippy::disallowed_methods, reason = "how many kills is asked of the environment")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/postgres.rs"]
mod postgres;
#[path = "../../src/buckets/testing.rs"]
mod s3;
#[path = "../../src/source/web/testing.rs"]
#[allow(dead_code, reason = "the tests of fetching script more")]
mod web;

mod away;
mod buckets;
mod commands;
mod daemon;
mod kills;
mod ledger;
mod signals;
mod urls;
mod watching;
