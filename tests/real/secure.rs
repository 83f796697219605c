//! TLS with a certificate of a private authority.

use hobnail::{Error, LinkError, config::TlsOptions};

use crate::broker::{Source, client_of, shared};

#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    let secure = client_of(shared().secure_url()).tls_root(shared().authority());
    let mut client = secure.connect().unwrap();
    let queue = "/queue/secure";
    let _subscription = client.subscription(queue).subscribe().unwrap();
    let body = "secret\n".repeat(50_000);
    client.send(queue).body(&body).receipt().publish().unwrap();
    assert!(client.text() == body, "another body came back");
    client.close().unwrap();
}

#[test]
fn a_private_authority_is_refused_when_it_is_not_named() {
    let refused = client_of(shared().secure_url()).connect();
    let Err(Error::Link(error)) = refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(*error, LinkError::Tls { .. }), "{error:?}");
    assert!(!error.is_retryable());
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let refused = client_of(shared().secure_url())
        .tls(TlsOptions {
            roots: vec![shared().authority()],
            server_name: Some("elsewhere.example".into()),
            ..TlsOptions::default()
        })
        .connect();
    let Err(Error::Link(error)) = refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(*error, LinkError::Tls { .. }), "{error:?}");
}
