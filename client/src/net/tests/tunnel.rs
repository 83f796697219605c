//! The way through an HTTP proxy.

use std::io::Write;

use super::support::{Driver, accepting, config, header, read_head, read_to_end, serve};
use crate::{
    config::Proxy,
    error::{LinkError, Stage},
};

fn through(proxy: &str) -> Driver {
    let mut config = config("ws://broker.example:61613/stomp");
    config.proxy = Some(Proxy::parse(proxy).unwrap());
    Driver::new(config)
}

/// A proxy that gives one answer and then waits for the client to go.
fn refused_by(answer: &'static str) -> LinkError {
    let (address, server) = serve(move |mut s| {
        read_head(&mut s);
        s.write_all(answer.as_bytes()).unwrap();
        read_to_end(&mut s);
    });
    let mut driver = through(&format!("http://joe:hush@{address}"));
    let e = driver.expect_down();
    drop(driver);
    server.join().unwrap();
    assert!(!format!("{e} {e:?}").contains("hush"));
    e
}

#[test]
fn a_tunnel_is_asked_for_with_credentials() {
    let (address, server) = serve(|mut s| {
        let request = read_head(&mut s);
        assert!(
            request.starts_with("CONNECT broker.example:61613 HTTP/1.1\r\n"),
            "{request}"
        );
        assert_eq!(header(&request, "host"), Some("broker.example:61613"));
        // joe:p@ss
        assert_eq!(
            header(&request, "proxy-authorization"),
            Some("Basic am9lOnBAc3M=")
        );
        s.write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")
            .unwrap();
        let request = read_head(&mut s);
        assert!(request.starts_with("GET /stomp HTTP/1.1\r\n"), "{request}");
        assert_eq!(header(&request, "host"), Some("broker.example:61613"));
        assert_eq!(header(&request, "proxy-authorization"), None);
        s.write_all(accepting(&request, "").as_bytes()).unwrap();
        s.write_all(b"\x81\x02ok").unwrap();
        read_to_end(&mut s);
    });
    let mut driver = through(&format!("http://joe:p%40ss@{address}"));
    assert_eq!(driver.expect_up().peer, address);
    assert_eq!(driver.expect_message(), b"ok");
    drop(driver);
    server.join().unwrap();
}

#[test]
fn a_proxy_that_refuses_is_told_apart_from_the_broker() {
    let e = refused_by(
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno",
    );
    assert!(!e.is_retryable());
    assert_eq!(
        e.to_string(),
        "the proxy answered HTTP 407: the proxy wants credentials"
    );
    let LinkError::Refused(refusal) = e else {
        panic!("{e}");
    };
    assert_eq!(
        (refusal.stage, refusal.body.as_slice()),
        (Stage::Tunnel, &b"no"[..])
    );
    let e = refused_by("HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n");
    assert!(
        e.is_retryable() && e.to_string().contains("cannot reach the broker"),
        "{e}"
    );
}

#[test]
fn what_no_proxy_would_say_is_an_error() {
    let e = refused_by("HTTP/1.1 200 OK\r\n\r\nhello");
    assert!(
        matches!(&e, LinkError::Handshake(text) if text.contains("CONNECT")),
        "{e}"
    );
    let e = refused_by("SSH-2.0-x\r\n");
    assert!(
        matches!(&e, LinkError::Handshake(text) if text.contains("SSH-2.0")),
        "{e}"
    );
}
