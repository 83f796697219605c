//! A health endpoint that names the active region.

use std::{fmt, time::Duration};

use serde_json::Value;

use super::RegionSource;
use crate::{
    clock::FOREVER,
    error::{Misuse, RegionError},
    http::{Http, Settings, Via},
};

/// Asks an HTTP health endpoint, whose JSON answer names the active region's
/// WebSocket URL.
///
/// ```
/// # fn main() -> Result<(), hobnail::Error> {
/// use hobnail::{Client, region::HealthEndpoint};
///
/// let health = HealthEndpoint::new("https://status.example/health")
///     .pointer("/active/stomp")
///     .build()?;
/// let client = Client::builder("wss://eu.example/stomp")
///     .fallback("wss://us.example/stomp")
///     .regions(health);
/// # drop(client);
/// # Ok(())
/// # }
/// ```
pub struct HealthEndpoint {
    http: Http,
    pointer: String,
}

/// Collects what a [`HealthEndpoint`] needs to know.
#[must_use]
pub struct HealthEndpointBuilder {
    url: String,
    pointer: String,
    plain: bool,
    settings: Settings,
}

impl HealthEndpoint {
    /// For the `https` URL of a health endpoint. No secret belongs into it.
    #[expect(clippy::new_ret_no_self, reason = "it begins, and build makes it")]
    pub fn new(url: impl Into<String>) -> HealthEndpointBuilder {
        HealthEndpointBuilder {
            url: url.into(),
            pointer: "/url".into(),
            plain: false,
            settings: Settings::default(),
        }
    }
}

impl HealthEndpointBuilder {
    /// Where in the answer the URL stands (RFC 6901). Default: `/url`.
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = pointer.into();
        self
    }

    /// How long one question may take as a whole. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout.min(FOREVER);
        self
    }

    /// Root certificates to trust, as PEM, *instead* of the system's.
    pub fn ca(mut self, pem: impl Into<String>) -> Self {
        self.settings.roots.push(pem.into());
        self
    }

    /// The HTTP proxy to go through; `None` for a direct connection.
    /// Default: what the environment says.
    pub fn proxy(mut self, url: Option<&str>) -> Self {
        self.settings.via = url.map_or(Via::Direct, |url| Via::Proxy(url.to_owned()));
        self
    }

    /// Allows plain HTTP to another host: whoever is between may then send
    /// the client, and its credentials, elsewhere. Never in production.
    pub fn danger_allow_plain_http(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Misuse::Url`], [`Misuse::Certificate`] or [`Misuse::Config`], saying
    /// what is unusable and why.
    pub fn build(self) -> Result<HealthEndpoint, Misuse> {
        if !self.pointer.is_empty() && !self.pointer.starts_with('/') {
            let text = "a JSON pointer begins with a slash (RFC 6901)";
            return Err(Misuse::Config(text.to_owned()));
        }
        if self.settings.timeout.is_zero() {
            let text = "a health endpoint without time can never answer";
            return Err(Misuse::Config(text.to_owned()));
        }
        Ok(HealthEndpoint {
            http: Http::new(&self.url, self.plain, &self.settings)?,
            pointer: self.pointer,
        })
    }
}

impl RegionSource for HealthEndpoint {
    fn active(&self) -> Result<String, RegionError> {
        let fail = |text: String| RegionError {
            text: format!("{}: {text}", self.http),
        };
        let answer = self.http.get().map_err(|text| RegionError { text })?;
        if let Some(complaint) = answer.complaint() {
            return Err(fail(complaint));
        }
        let object = Value::Object(answer.object().map_err(fail)?);
        match object.pointer(&self.pointer) {
            Some(Value::String(url)) => Ok(url.clone()),
            Some(_) => Err(fail(format!("{:?} is not a string", self.pointer))),
            None => Err(fail(format!("there is nothing at {:?}", self.pointer))),
        }
    }
}

impl fmt::Debug for HealthEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HealthEndpoint({}, {:?})", self.http, self.pointer)
    }
}

impl fmt::Debug for HealthEndpointBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthEndpointBuilder")
            .field("pointer", &self.pointer)
            .finish_non_exhaustive()
    }
}
