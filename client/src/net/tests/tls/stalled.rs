//! A peer that does not read for a while.

use std::{
    io::Write,
    net::TcpStream,
    sync::mpsc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use native_tls::{Identity, TlsAcceptor, TlsStream};
use tungstenite::{WebSocket, protocol::Role};

use super::{
    super::support::{
        Driver, LIMIT, accepting, numbered, read_head, read_numbered, serve, trusting,
    },
    Authority,
};
use crate::{error::LinkError, net::LinkEvent};

/// An open link to a server that answers the upgrade and then does `then`.
fn up(
    then: impl FnOnce(WebSocket<TlsStream<TcpStream>>) + Send + 'static,
) -> (Driver, JoinHandle<()>) {
    let authority = Authority::new();
    let (cert, key) = authority.issue("127.0.0.1");
    let identity = Identity::from_pkcs8(cert.as_bytes(), key.as_bytes()).unwrap();
    let acceptor = TlsAcceptor::new(identity).unwrap();
    let (address, server) = serve(move |s| {
        let mut s = acceptor.accept(s).unwrap();
        let request = read_head(&mut s);
        s.write_all(accepting(&request, "").as_bytes()).unwrap();
        then(WebSocket::from_raw_socket(s, Role::Server, None));
    });
    let mut driver = Driver::new(trusting(&format!("wss://{address}/"), &authority.root));
    driver.expect_up();
    (driver, server)
}

#[test]
fn a_peer_that_does_not_read_stops_us_and_loses_nothing() {
    let (go, told) = mpsc::channel();
    let (mut driver, server) = up(move |mut ws| {
        read_numbered(&mut ws, told.recv_timeout(LIMIT).unwrap());
    });
    let sent = driver.send_numbered_until_stopped();
    driver.link.send(numbered(sent)).unwrap();
    go.send(sent + 1).unwrap();
    driver.drain();
    server.join().unwrap();
}

#[test]
fn our_close_leaves_although_the_peers_came_before_there_was_room() {
    let (closed, seen) = mpsc::channel();
    let (go, told) = mpsc::channel();
    let (mut driver, server) = up(move |mut ws| {
        ws.close(None).unwrap();
        closed.send(()).unwrap();
        read_numbered(&mut ws, told.recv_timeout(LIMIT).unwrap());
        assert!(ws.read().unwrap().is_close());
    });
    seen.recv_timeout(LIMIT).unwrap();
    let sent = driver.send_numbered_until_stopped();
    // Its time does not run out here.
    let now = Instant::now();
    driver.link.close(now, 1000, "");
    assert!(
        matches!(driver.look(now), LinkEvent::Idle),
        "it has not left"
    );
    go.send(sent).unwrap();
    let end = loop {
        driver.wait(Duration::from_millis(100));
        match driver.look(now) {
            LinkEvent::Idle => assert!(now.elapsed() < LIMIT, "nothing leaves"),
            LinkEvent::Down(end) => break end,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(end, LinkError::Closed { code: 1005, .. }), "{end}");
    server.join().unwrap();
}
