//! Hobnail.
pub mod auth;
pub mod config;
pub mod core;
pub mod dialect;
pub mod error;
pub mod event;
pub mod frame;
pub mod metrics;
#[doc(hidden)]
pub mod wheel;
