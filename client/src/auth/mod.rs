//! Where tokens come from.

#[cfg(feature = "oauth2")]
mod oauth2;

use std::{fmt, time::Duration};

#[cfg(feature = "oauth2")]
pub use oauth2::{OAuth2, OAuth2Builder};

use crate::{error::AuthError, secret::Secret};

/// Gives a token whenever one is needed.
///
/// It is called on a helper thread and may block, but not for longer than
/// `Timeouts::token`: a later answer is dropped.
pub trait TokenSource: Send + Sync {
    /// Fetches a token.
    ///
    /// # Errors
    /// An [`AuthError`]; unless it says that it is fatal, the client asks again
    /// after its back-off.
    fn token(&self, reason: TokenReason) -> Result<Token, AuthError>;
}

impl<F> TokenSource for F
where
    F: Fn(TokenReason) -> Result<Token, AuthError> + Send + Sync,
{
    fn token(&self, reason: TokenReason) -> Result<Token, AuthError> {
        self(reason)
    }
}

/// Why a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenReason {
    /// For a connection that is about to be made, and none is held.
    Connect,
    /// The one in use will end soon.
    Renew,
    /// The broker refused the one in use; the same token again would be pointless.
    Refused,
}

/// A token and how long it lives. `Debug` never shows the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    value: Secret,
    lifetime: Option<Duration>,
}

impl Token {
    /// A token that does not say when it ends.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: Secret::new(value),
            lifetime: None,
        }
    }

    /// The same token, living for so long from the moment it is handed over.
    #[must_use]
    pub fn expires_in(self, lifetime: Duration) -> Self {
        Self {
            lifetime: Some(lifetime),
            ..self
        }
    }

    /// How long it lives, if it says so.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// The token itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.value.reveal()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(***, lifetime {:?})", self.lifetime)
    }
}
