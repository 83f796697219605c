//! The HTTP exchange and its check, without any socket.

use std::time::{Duration, Instant};

use crate::{
    config::{Builder, Secret},
    error::{LinkError, Stage},
    net::{
        check_headers,
        http1::{Answer, Exchange, Fault, Goal},
        refusal,
        upgrade::Upgrade,
    },
};

fn whole(goal: Goal, octets: &[u8]) -> Result<Option<Answer>, Fault> {
    Exchange::new(goal, Vec::new()).receive(Instant::now(), octets)
}

#[test]
fn an_answer_may_be_cut_anywhere() {
    let now = Instant::now();
    for (goal, octets) in [
        (
            Goal::Upgrade,
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nA:b\r\n\r\n",
        ),
        (Goal::Upgrade, "\r\nHTTP/1.1 101 x\nUpgrade: websocket\n\n"),
        (
            Goal::Upgrade,
            "HTTP/1.1 100 x\r\n\r\nHTTP/1.1 103 y\r\nL: m\r\n\r\nHTTP/1.1 101\r\n\r\n",
        ),
        (Goal::Tunnel, "HTTP/1.0 200 Connection established\r\n\r\n"),
        (
            Goal::Upgrade,
            "HTTP/1.1 401 x\r\nContent-Length: 5\r\n\r\nhello",
        ),
        (Goal::Upgrade, "HTTP/1.1 204 x\r\n\r\n"),
        (
            Goal::Upgrade,
            "HTTP/1.1 400 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n",
        ),
    ] {
        let expected = whole(goal, octets.as_bytes()).unwrap().unwrap();
        for cut in 0..octets.len() {
            let mut exchange = Exchange::new(goal, Vec::new());
            let (a, b) = octets.as_bytes().split_at(cut);
            assert_eq!(exchange.receive(now, a), Ok(None), "{octets:?} at {cut}");
            assert_eq!(
                exchange.receive(now, b),
                Ok(Some(expected.clone())),
                "{octets:?} at {cut}"
            );
        }
        let mut exchange = Exchange::new(goal, Vec::new());
        let mut answers = octets.bytes().map(|o| exchange.receive(now, &[o]).unwrap());
        assert_eq!(answers.by_ref().take(octets.len() - 1).flatten().count(), 0);
        assert_eq!(answers.next(), Some(Some(expected)));
    }
}

#[test]
fn what_follows_a_101_is_kept() {
    let answer = whole(Goal::Upgrade, b"HTTP/1.1 101 x\r\n\r\n\x81\x01a")
        .unwrap()
        .unwrap();
    assert_eq!(
        (answer.status, answer.leftover.as_slice()),
        (101, &b"\x81\x01a"[..])
    );
}

#[test]
fn a_refusals_body_is_limited_by_length_size_and_time() {
    let now = Instant::now();
    let head = "HTTP/1.1 403 x\r\n";
    let body = |more: &str| {
        let text = format!("{head}{more}");
        whole(Goal::Upgrade, text.as_bytes())
            .unwrap()
            .map(|a| a.body.len())
    };
    assert_eq!(body("Content-Length: 3\r\n\r\nabcdef"), Some(3));
    assert_eq!(body("Content-Length: 0\r\n\r\n"), Some(0));
    assert_eq!(body("Content-Length: 3\r\n\r\nab"), None);
    assert_eq!(body(&format!("\r\n{}", "x".repeat(511))), None);
    assert_eq!(body(&format!("\r\n{}", "x".repeat(600))), Some(512));
    let chunk = format!(
        "Transfer-Encoding: chunked\r\n\r\n400\r\n{}",
        "x".repeat(600)
    );
    assert_eq!(body(&chunk), Some(512));
    assert_eq!(
        body("Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
        Some(0)
    );
    assert_eq!(
        body("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx"),
        None
    );

    let mut exchange = Exchange::new(Goal::Upgrade, Vec::new());
    assert_eq!(
        exchange.receive(now, format!("{head}\r\nlate").as_bytes()),
        Ok(None)
    );
    assert_eq!(exchange.next_deadline(), Some(now + Duration::from_secs(1)));
    assert_eq!(exchange.expire(now), None);
    let answer = exchange.expire(now + Duration::from_secs(1)).unwrap();
    assert_eq!(answer.body, b"late");
}

#[test]
fn a_header_block_is_limited() {
    let endless = format!("HTTP/1.1 200 x\r\nA: {}", "x".repeat(70_000));
    let many = format!("HTTP/1.1 200 x\r\n{}\r\n", "A: b\r\n".repeat(101));
    let enough = format!("HTTP/1.1 200 x\r\n{}\r\n", "A: b\r\n".repeat(100));
    let fault = |octets: &str| match whole(Goal::Upgrade, octets.as_bytes()) {
        Err(Fault::Unreadable(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(fault(&endless).contains("65536"));
    assert!(fault(&format!("{endless}\r\n\r\n")).contains("65536"));
    assert!(fault(&many).contains("100 headers"));
    assert_eq!(whole(Goal::Upgrade, enough.as_bytes()), Ok(None));
    fault("HTTP/1.1 abc\r\n\r\n");
    fault("HTTP/1.7 200 x\r\n\r\n");
}

#[test]
fn what_is_not_http_is_named() {
    for (octets, told) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "SSH-2.0-OpenSSH_9.2"),
        (b"ERROR\nmessage:x\n\n\0", "ERROR"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "use wss"),
        (b"\x16\x03\x01", "use wss"),
        (b"\x00\x01", "\\x00\\x01"),
    ] {
        let fault = whole(Goal::Upgrade, octets).unwrap_err();
        let LinkError::Handshake(text) = refusal::not_http(Stage::Upgrade, &fault) else {
            panic!("not a handshake error");
        };
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn a_refusal_is_told_in_words() {
    let html = "Content-Type: text/html\r\n";
    for (status, headers, body, hint) in [
        (
            200,
            html,
            "<html><form>Please sign in</form>",
            "a login page",
        ),
        (200, html, "<input type=\"PASSWORD\">", "a login page"),
        (200, html, "<html>It works!", "web page"),
        (200, "", "Welcome to SockJS!\n", "SockJS"),
        (404, "", "Welcome to SockJS!\n", "/websocket"),
        (
            200,
            "",
            "{\"entropy\":1,\"origins\":[\"*:*\"],\"cookie_needed\":true,\"websocket\":true}",
            "SockJS",
        ),
        (200, "", "{}", "not a WebSocket endpoint"),
        (301, "Location: /x\r\n", "", "redirected (not followed)"),
        (302, "", "", "redirected"),
        (307, "", "", "redirected"),
        (308, "", "", "redirected"),
        (400, "", "Can \"Upgrade\" only to \"WebSocket\".", "strip"),
        (401, "", "", "credentials"),
        (403, "", "", "forbidden"),
        (403, html, "<html>Blocked", "firewall"),
        (404, "", "", "no such path"),
        (405, "", "", "not a WebSocket endpoint"),
        (407, "", "", "the proxy wants credentials"),
        (426, "", "", "Upgrade header"),
        (429, "Retry-After: 3\r\n", "", "slow down"),
        (502, html, "<html>", "bad gateway"),
        (502, "Via: 1.1 x\r\n", "", "bad gateway"),
        (502, "Server: nginx/1.2\r\n", "", "bad gateway"),
        (503, "Server: HAProxy\r\n", "", "service unavailable"),
        (503, "", "", "overloaded"),
        (504, html, "", "gateway timeout"),
    ] {
        let text = format!("HTTP/1.1 {status} x\r\n{headers}\r\n{body}");
        let mut exchange = Exchange::new(Goal::Upgrade, Vec::new());
        let now = Instant::now();
        let answer = exchange.receive(now, text.as_bytes()).unwrap();
        let answer = answer.or_else(|| exchange.end()).unwrap();
        let LinkError::Refused(refusal) = refusal::refused(Stage::Upgrade, answer) else {
            panic!("not a refusal");
        };
        assert_eq!(refusal.status, status);
        assert!(
            refusal.hint.unwrap_or_default().contains(hint),
            "{text}: {:?}",
            refusal.hint
        );
    }
    for (status, hint) in [
        (407, "credentials"),
        (403, "forbids"),
        (405, "CONNECT"),
        (502, "cannot reach"),
    ] {
        let text = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
        let answer = whole(Goal::Tunnel, text.as_bytes()).unwrap().unwrap();
        let text = refusal::refused(Stage::Tunnel, answer).to_string();
        assert!(
            text.contains("the proxy answered") && text.contains(hint),
            "{text}"
        );
    }
}

#[test]
fn headers_that_would_break_the_request_are_refused() {
    for (name, value) in [
        ("", "x"),
        ("A b", "x"),
        ("A:", "x"),
        ("A\r\nB", "x"),
        ("Ä", "x"),
        ("Host", "x"),
        ("upgrade", "x"),
        ("CONNECTION", "x"),
        ("Content-Length", "3"),
        ("Sec-WebSocket-Key", "x"),
        ("sec-websocket-protocol", "x"),
        ("Authorization", "hush\r\nX: y"),
        ("Authorization", "hush\n"),
        ("Authorization", "hush\0"),
    ] {
        let headers = [(name.to_owned(), Secret::new(value))];
        let text = check_headers(&headers).unwrap_err().to_string();
        assert!(!text.contains("hush"), "{text}");
    }
    check_headers(&[("Authorization".to_owned(), Secret::new("Bearer x"))]).unwrap();
    check_headers(&[("Origin".to_owned(), Secret::new("https://ü.example"))]).unwrap();
}

#[test]
fn a_request_holds_what_rfc_6455_asks_for_and_a_fresh_key() {
    let request = |config: &crate::config::Config| {
        let upgrade = Upgrade::new(&["v12.stomp", "v11.stomp"]);
        String::from_utf8(
            upgrade
                .request(&config.endpoint, &config.upgrade_headers)
                .unwrap(),
        )
        .unwrap()
    };
    let config = Builder::new("wss://Gw.example:8443/stomp?x=1")
        .proxy(None)
        .upgrade_header("Authorization", "Bearer t")
        .build()
        .unwrap();
    let text = request(&config);
    assert!(
        text.starts_with("GET /stomp?x=1 HTTP/1.1\r\nHost: Gw.example:8443\r\n"),
        "{text}"
    );
    for line in [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: v12.stomp, v11.stomp",
        "Authorization: Bearer t",
        "User-Agent: hobnail/",
    ] {
        assert!(text.contains(&format!("\r\n{line}")), "{text}");
    }
    assert!(text.ends_with("\r\n\r\n"));
    let key = |text: &str| {
        super::support::header(text, "sec-websocket-key")
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        data_encoding::BASE64
            .decode(key(&text).as_bytes())
            .unwrap()
            .len(),
        16
    );
    assert_ne!(key(&text), key(&request(&config)));
}
