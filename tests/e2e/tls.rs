//! Certificates of clients, which native-tls can show but not ask for.

use std::io::{Read, Write};

use hobnail::{
    Client, Error, LinkError,
    config::{Secret, TlsOptions},
};
use hobnail_tests::Peer;
use openssl::{
    pkey::PKey,
    ssl::{SslAcceptor, SslMethod, SslVerifyMode, SslVersion},
    x509::X509,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A private certificate authority.
struct Authority {
    root: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params
            .distinguished_name
            .push(DnType::CommonName, "a private authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).expect("signed").pem();
        let issuer = Issuer::new(params, key);
        Self { root, issuer }
    }

    /// A certificate and its key, both as PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let cert = params.signed_by(&key, &self.issuer).expect("signed");
        (cert.pem(), key.serialize_pem())
    }
}

/// A server that lets in whom the authority vouches for, and tells them that it
/// is a teapot.
fn asking(authority: &Authority, newest: SslVersion) -> Peer {
    let (cert, key) = authority.issue("127.0.0.1");
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("OpenSSL");
    let cert = X509::from_pem(cert.as_bytes()).expect("a certificate");
    let key = PKey::private_key_from_pem(key.as_bytes()).expect("a key");
    builder.set_certificate(&cert).expect("it is one");
    builder.set_private_key(&key).expect("it fits");
    let root = X509::from_pem(authority.root.as_bytes()).expect("a certificate");
    builder
        .cert_store_mut()
        .add_cert(root)
        .expect("there is room");
    builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    builder.set_max_proto_version(Some(newest)).expect("known");
    let acceptor = builder.build();
    Peer::start(move |tcp| {
        let Ok(mut tls) = acceptor.accept(tcp) else {
            return;
        };
        let mut head = Vec::new();
        let mut octet = [0];
        while !head.ends_with(b"\r\n\r\n") && matches!(tls.read(&mut octet), Ok(1)) {
            head.push(octet[0]);
        }
        let answer = b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n";
        let _ = tls.write_all(answer);
        let _ = tls.shutdown();
    })
}

fn knock(peer: &Peer, tls: TlsOptions) -> LinkError {
    let url = format!("wss://127.0.0.1:{}/", peer.port());
    let knocked = Client::builder(url).proxy(None).tls(tls).connect();
    let told = knocked.expect_err("nobody speaks STOMP there");
    let Error::Link(e) = told else {
        panic!("{told:?}");
    };
    *e
}

#[test]
fn a_certificate_is_shown_to_a_server_that_asks_for_one() {
    let authority = Authority::new();
    for newest in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let peer = asking(&authority, newest);
        let with = |identity| {
            let mut tls = TlsOptions::default();
            tls.roots.push(authority.root.clone());
            tls.identity = identity;
            knock(&peer, tls)
        };
        let (cert, key) = authority.issue("client");
        let e = with(Some((cert, Secret::new(key))));
        assert!(
            matches!(&e, LinkError::Refused(r) if r.status == 418),
            "{e}"
        );
        for stranger in [None, Some(Authority::new().issue("client"))] {
            let e = with(stranger.map(|(cert, key)| (cert, Secret::new(key))));
            assert!(
                matches!(&e, LinkError::Tls { text, .. } if text.contains("alert")),
                "{newest:?} {e:?}"
            );
        }
    }
}
