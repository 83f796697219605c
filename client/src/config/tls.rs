//! How TLS is done.

use std::fmt;

use super::Secret;

/// TLS settings. TLS 1.2 is the floor; the server name is sent and checked.
#[derive(Clone, Default)]
pub struct TlsOptions {
    /// More root certificates to trust, as PEM; each text may hold several.
    pub roots: Vec<String>,
    /// A client certificate chain and its PKCS #8 private key, both as PEM.
    pub identity: Option<(String, Secret)>,
    /// The name to send and to check instead of the URL's host.
    pub server_name: Option<String>,
    /// Accept any certificate. Never in production.
    pub danger_accept_invalid_certs: bool,
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("roots", &self.roots.len())
            .field("identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .field(
                "danger_accept_invalid_certs",
                &self.danger_accept_invalid_certs,
            )
            .finish()
    }
}
