//! A private certificate authority and a server identity, made afresh.

use native_tls::{Identity, Protocol, TlsAcceptor};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Why no TLS identity could be made.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused the identity.
    #[error("the TLS library refused the identity: {0}")]
    Library(#[from] native_tls::Error),
}

/// What the listener needs for TLS.
pub(crate) struct ServerTls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_pem: String,
}

impl ServerTls {
    /// A CA and a certificate for localhost, 127.0.0.1 and ::1, valid from
    /// yesterday for 30 days; TLS 1.2 is the floor.
    pub(crate) fn generate() -> Result<Self, TlsError> {
        let today = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let at = |age: Duration| date_time_ymd(1970, 1, 1) + age;

        let mut ca = CertificateParams::default();
        ca.distinguished_name
            .push(DnType::CommonName, "hobnail mock broker CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (ca.not_before, ca.not_after) = (at(today - DAY), at(today + 30 * DAY));
        let ca_key = KeyPair::generate()?;
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);

        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut server = CertificateParams::new(names)?;
        server
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        (server.not_before, server.not_after) = (at(today - DAY), at(today + 30 * DAY));
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &issuer)?.pem();

        let identity =
            Identity::from_pkcs8(certificate.as_bytes(), key.serialize_pem().as_bytes())?;
        let acceptor = TlsAcceptor::builder(identity)
            .min_protocol_version(Some(Protocol::Tlsv12))
            .build()?;
        Ok(Self { acceptor, ca_pem })
    }
}
