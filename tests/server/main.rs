//! The service over HTTP: real requests to a real server over a real store; the page model is a double.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../doors/house.rs"]
mod house;

mod access;
mod answers;
mod limits;
mod routes;
mod shapes;
mod uploads;

use serde_json::Value;

use house::House;

/// A question that every document of the tests has words of.
pub const QUESTION: &str = "What is the torque of the rotor bolts?";

/// The one document of a tenant.
pub async fn document_of(house: &House, tenant: &str) -> Value {
    let listed = house.get(tenant, "/v1/documents").await;
    assert_eq!(listed.status, 200, "{}", listed.body);
    listed.body["documents"][0].clone()
}

pub async fn id_of(house: &House, tenant: &str) -> String {
    document_of(house, tenant).await["document_id"].as_str().unwrap().to_owned()
}
