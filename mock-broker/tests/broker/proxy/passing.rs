//! What passes, and how each side learns of the other's end.

use super::*;

#[test]
fn a_session_passes_as_if_there_were_no_proxy() {
    let Pair { broker, proxy } = pair(Scenario::default(), Scenario::default());
    session(&mut Client::connect(&broker));
    let mut client = Client::connect(&proxy);
    assert_eq!(proxy.sessions(), 1);
    session(&mut client);
    let frames = |b: &MockBroker, conn: u64| -> Vec<String> {
        let of = |e: &&Entry| e.conn == conn && (e.received().is_some() || e.sent().is_some());
        let entries = b.transcript();
        let mut frames: Vec<String> = entries
            .iter()
            .filter(of)
            .map(|e| e.what.to_string())
            .collect();
        // In and out are each in order; how they meet is the network's affair.
        frames.sort();
        frames
    };
    assert_eq!(frames(&broker, 2), frames(&proxy, 1));
    let how = How::Broker {
        code: 1000,
        answered: true,
    };
    assert_eq!(closed(&proxy), how);
    assert_eq!(proxy.sessions(), 0);
}

#[test]
fn tls_is_spoken_on_both_sides() {
    let broker = MockBroker::start_tls(Scenario::default()).expect("starts");
    let upstream = Upstream::new(&broker.url()).expect("a URL");
    let listen = Listen {
        tls: true,
        ..Listen::default()
    };
    let trusting = upstream.clone().ca_pem(broker.ca_pem().expect("TLS"));
    let large = "x".repeat(3 << 20);
    for upstream in [trusting, upstream.clone().insecure(true)] {
        let proxy = MockBroker::proxy_at(&upstream, Scenario::default(), listen).expect("starts");
        let ca = proxy.ca_pem().expect("TLS").as_bytes();
        let connector = native_tls::TlsConnector::builder()
            .add_root_certificate(native_tls::Certificate::from_pem(ca).expect("a certificate"))
            .build()
            .expect("a connector");
        let tls = connector.connect("localhost", tcp(&proxy)).expect("TLS");
        let (mut ws, _) = tungstenite::client(proxy.url(), tls).expect("upgrade");
        let mut say = |text: String| ws.send(Message::text(text)).expect("sent");
        say("CONNECT\naccept-version:1.2\nhost:h\n\n\0".to_owned());
        say("SUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0".to_owned());
        say(format!("SEND\ndestination:/topic/a\n\n{large}\0"));
        assert!(
            ws.read()
                .expect("CONNECTED")
                .to_text()
                .expect("text")
                .starts_with("CONNECTED\n")
        );
        assert!(
            ws.read()
                .expect("MESSAGE")
                .to_text()
                .expect("text")
                .contains(&large)
        );
    }
    let proxy = MockBroker::proxy_at(&upstream, Scenario::default(), Listen::default());
    let stranger = proxy.expect("starts");
    assert_eq!(refused(&stranger).0, 502, "an unknown authority");
    let told = |e: &Entry| matches!(e.note(), Some(Note::Upstream(w)) if w.contains("TLS"));
    stranger.wait_for(LONG, told).expect("a note");
}

#[test]
fn refusals_of_the_upstream_come_back_as_they_were() {
    let json = r#"{"rules":[{"on":"upgrade","do":[
        {"http":{"status":401,"headers":{"WWW-Authenticate":"Bearer"},"body":"no {entry}"}}]}]}"#;
    let pair = pair(
        Scenario::from_json(json).expect("a scenario"),
        Scenario::default(),
    );
    let (status, header, body) = refused(&pair.proxy);
    assert_eq!(
        (status, header.as_deref(), &*body),
        (401, Some("Bearer"), "no {entry}")
    );
}

#[test]
fn path_query_headers_and_subprotocol_pass() {
    let broker = start(Scenario::builder().subprotocols(&["v10.stomp.x"]).build());
    let proxy = MockBroker::proxy(&broker.url(), Scenario::default()).expect("starts");
    let offer = [
        ("Sec-WebSocket-Protocol", "v12.stomp, v10.stomp.x"),
        ("Authorization", "Bearer t"),
        ("X-Region", "eu"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ];
    upgrade_at(&proxy, &format!("{}?token=secret", proxy.url()), &offer).expect("upgrade");
    let asked = broker
        .wait_for(LONG, |e| matches!(e.what, What::Upgrade { .. }))
        .expect("a request");
    let What::Upgrade { path, headers } = asked.what else {
        unreachable!("it is what was asked for")
    };
    assert_eq!(path, "/stomp?token=secret");
    assert_eq!(headers.get("Authorization"), Some("Bearer t"));
    assert_eq!(headers.get("X-Region"), Some("eu"));
    assert_eq!(headers.get("Sec-WebSocket-Extensions"), None);
    let host = format!("127.0.0.1:{}", broker.port());
    assert_eq!(headers.get("Host"), Some(&*host));
    let open = |e: &Entry| matches!(&e.what, What::Open { subprotocol } if subprotocol.as_deref() == Some("v10.stomp.x"));
    proxy.wait_for(LONG, open).expect("the upstream's choice");
}

#[test]
fn an_upstream_that_is_down_is_502() {
    let broker = start(Scenario::default());
    let proxy = MockBroker::proxy(&broker.url(), Scenario::default()).expect("starts");
    broker.stop_listening();
    let (status, _, body) = refused(&proxy);
    assert_eq!(status, 502);
    assert!(body.contains("cannot connect"), "{body}");
    broker.resume_listening();
    session(&mut Client::connect(&proxy));
}

#[test]
fn an_upstream_that_is_no_http_is_502() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    let proxy = MockBroker::proxy(&url, Scenario::default()).expect("starts");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(b"SSH-2.0-x\r\n").expect("written");
        stream.read(&mut [0; 1024]).expect("a request")
    });
    assert_eq!(refused(&proxy).0, 502);
    server.join().expect("it served");
}

#[test]
fn the_end_of_the_upstream_is_mirrored() {
    for (action, end) in [
        (act::close(1012, "restart"), End::Close(Some(1012))),
        (act::fin(), End::Lost),
        (act::rst(), End::Lost),
    ] {
        let rule = Rule::on(recv("SEND")).then(act::pass()).then(action);
        let pair = pair(Scenario::builder().rule(rule).build(), Scenario::default());
        let mut client = Client::connect(&pair.proxy);
        client.send("SEND\ndestination:/topic/a\n\n");
        assert_eq!(client.ended(), end);
        assert_eq!(pair.proxy.sessions(), 0);
    }
}

#[test]
fn the_end_of_the_client_is_mirrored() {
    let Pair { broker, proxy } = pair(Scenario::default(), Scenario::default());
    drop(Client::connect(&proxy));
    assert_eq!(closed(&broker), How::PeerGone);
    let Pair { broker, proxy } = pair(Scenario::default(), Scenario::default());
    let mut client = Client::connect(&proxy);
    let reason = tungstenite::protocol::CloseFrame {
        code: 3001.into(),
        reason: "bye".into(),
    };
    client.ws.close(Some(reason)).expect("closes");
    assert_eq!(closed(&broker), How::Peer { code: Some(3001) });
    let close = |e: &Entry| matches!(&e.what, What::CloseIn { reason, .. } if reason == "bye");
    broker.wait_for(LONG, close).expect("with its reason");
}
