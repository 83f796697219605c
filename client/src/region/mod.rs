//! Where the platform is active now, for when no endpoint answers.

#[cfg(feature = "oauth2")]
mod health;

use std::{fmt, sync::Arc};

#[cfg(feature = "oauth2")]
pub use health::{HealthEndpoint, HealthEndpointBuilder};

use crate::error::RegionError;

/// Names the active region's endpoint.
///
/// It is called on a helper thread and may block, but not for longer than
/// `Timeouts::token`: a later answer is dropped.
pub trait RegionSource: Send + Sync {
    /// The `ws://` or `wss://` URL of the endpoint that is active.
    ///
    /// # Errors
    /// A [`RegionError`]; the client goes on with the endpoints it knows.
    fn active(&self) -> Result<String, RegionError>;
}

impl<F> RegionSource for F
where
    F: Fn() -> Result<String, RegionError> + Send + Sync,
{
    fn active(&self) -> Result<String, RegionError> {
        self()
    }
}

/// A region source that many may hold.
#[derive(Clone)]
pub struct Regions(pub(crate) Arc<dyn RegionSource>);

impl Regions {
    /// Wraps a source.
    pub fn new(source: impl RegionSource + 'static) -> Self {
        Self(Arc::new(source))
    }
}

impl fmt::Debug for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Regions")
    }
}
