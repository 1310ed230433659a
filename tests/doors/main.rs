//! The doors for the clients that people use: OpenAI's API, Dify's, the Model Context Protocol. Requests go over HTTP to a real
//! server over a real store; the page model is a double, the answer model one that cites what it never saw.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

#[path = "../common/mod.rs"]
mod common;

mod canaries;
mod chat;
mod dify;
mod house;
mod mcp;
mod stores;
mod talker;

/// A question that every document of the tests has words of.
pub const QUESTION: &str = "What is the torque of the rotor bolts?";
