pub mod resize;
pub mod runtime;
mod session;
mod worker;
