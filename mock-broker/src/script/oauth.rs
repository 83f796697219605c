//! The OAuth2 token endpoint: which clients there are, and what they get.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// The token endpoint (RFC 6749): the grants `client_credentials` and
/// `refresh_token`.
///
/// Its tokens are accepted by the broker for their life. The identity of a
/// session is the id of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// Where it is (default `/oauth/token`).
    pub path: String,
    /// Who may ask. With nobody named, everybody may: any id, any secret, any
    /// scope.
    pub clients: Vec<OAuthClient>,
}

impl Default for OAuth {
    fn default() -> Self {
        Self {
            path: "/oauth/token".to_owned(),
            clients: Vec::new(),
        }
    }
}

/// One client of the token endpoint. `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthClient {
    /// Its id, which is also the identity of its sessions.
    pub id: String,
    /// Its secret; `None` is a public client.
    pub secret: Option<String>,
    /// What it may ask for, and gets if it asks for nothing.
    pub scopes: BTreeSet<String>,
    /// The life of its access tokens (default 1 h).
    pub ttl: Duration,
    /// Whether it gets refresh tokens (default none).
    pub refresh: Refresh,
}

impl OAuthClient {
    /// A client without scopes and refresh tokens.
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: Some(secret.to_owned()),
            scopes: BTreeSet::new(),
            ttl: Duration::from_secs(3600),
            refresh: Refresh::None,
        }
    }

    /// The life of its access tokens.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// What it may ask for.
    #[must_use]
    pub fn scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = scopes.iter().map(|&s| s.to_owned()).collect();
        self
    }

    /// Whether it gets refresh tokens.
    #[must_use]
    pub fn refresh(mut self, refresh: Refresh) -> Self {
        self.refresh = refresh;
        self
    }
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("id", &self.id)
            .field("secret", &self.secret.as_ref().map(|_| "***"))
            .field("scopes", &self.scopes)
            .field("ttl", &self.ttl)
            .field("refresh", &self.refresh)
            .finish()
    }
}

/// What a client's refresh tokens are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refresh {
    /// It gets none.
    #[default]
    None,
    /// One that can be used again and again.
    Keep,
    /// Each can be used once, and the answer brings the next one.
    Rotate,
}
