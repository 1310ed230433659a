//! Who comes through the door. No tool runs without one.

use crate::server::Caller;
use crate::server::cited::Addresses;

/// Who asks, and how the server was reached.
#[derive(Clone)]
pub struct Visitor {
    pub caller: Caller,
    pub addresses: Addresses,
}
