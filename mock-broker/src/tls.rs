//! A private certificate authority and server identities, good and broken,
//! made afresh.

use crate::script::TlsFault;
use native_tls::{Identity, Protocol, TlsAcceptor};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;

const DAY: Duration = Duration::from_secs(24 * 3600);
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const WRONG_NAME: [&str; 1] = ["elsewhere.example"];

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

/// What the listener needs for TLS: one acceptor for each certificate it may
/// have to show.
pub(crate) struct ServerTls {
    good: TlsAcceptor,
    expired: TlsAcceptor,
    wrong_host: TlsAcceptor,
    self_signed: TlsAcceptor,
    pub(crate) ca_pem: String,
}

impl ServerTls {
    /// A CA and a certificate for localhost, 127.0.0.1 and ::1, valid from
    /// yesterday for 30 days, and its broken brothers; TLS 1.2 is the floor.
    pub(crate) fn generate() -> Result<Self, TlsError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let valid = now - DAY..now + 30 * DAY;

        let mut ca = CertificateParams::default();
        ca.distinguished_name
            .push(DnType::CommonName, "hobnail mock broker CA");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Older than what has expired: only one thing is wrong at a time.
        limit(&mut ca, &(now - 60 * DAY..valid.end));
        let ca_key = KeyPair::generate()?;
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate()?;
        let signed = |names: &[&str], span: &Range<Duration>| -> Result<_, TlsError> {
            let mut server = leaf(names, span)?;
            server.use_authority_key_identifier_extension = true;
            acceptor(&server.signed_by(&key, &issuer)?.pem(), &key)
        };
        Ok(Self {
            good: signed(&OWN_NAMES, &valid)?,
            expired: signed(&OWN_NAMES, &(now - 30 * DAY..now - DAY))?,
            wrong_host: signed(&WRONG_NAME, &valid)?,
            self_signed: acceptor(&leaf(&OWN_NAMES, &valid)?.self_signed(&key)?.pem(), &key)?,
            ca_pem,
        })
    }

    /// The acceptor with the certificate that a connection is to see.
    pub(crate) fn acceptor(&self, fault: Option<TlsFault>) -> &TlsAcceptor {
        match fault {
            Some(TlsFault::Expired) => &self.expired,
            Some(TlsFault::WrongHost) => &self.wrong_host,
            Some(TlsFault::SelfSigned) => &self.self_signed,
            // These two never come to a certificate.
            Some(TlsFault::Stall | TlsFault::Alert) | None => &self.good,
        }
    }
}

fn limit(params: &mut CertificateParams, span: &Range<Duration>) {
    let at = |age: Duration| date_time_ymd(1970, 1, 1) + age;
    (params.not_before, params.not_after) = (at(span.start), at(span.end));
}

/// A server's certificate for these names, without a signature yet.
fn leaf(names: &[&str], span: &Range<Duration>) -> Result<CertificateParams, rcgen::Error> {
    let all: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
    let mut params = CertificateParams::new(all)?;
    params.distinguished_name.push(DnType::CommonName, names[0]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    limit(&mut params, span);
    Ok(params)
}

fn acceptor(certificate: &str, key: &KeyPair) -> Result<TlsAcceptor, TlsError> {
    let identity = Identity::from_pkcs8(certificate.as_bytes(), key.serialize_pem().as_bytes())?;
    let acceptor = TlsAcceptor::builder(identity)
        .min_protocol_version(Some(Protocol::Tlsv12))
        .build()?;
    Ok(acceptor)
}
