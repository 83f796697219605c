//! The same seed gives the same transcript, octet for octet.

use crate::handshake::exchange;
use crate::support::{LONG, start, tcp};
use crate::world::World;
use hobnail_mock_broker::engine::Input;
use hobnail_mock_broker::http::Request;
use hobnail_mock_broker::{Entry, How, MockBroker, Scenario};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Everything that is random, at once.
fn scenario(seed: u64) -> Scenario {
    let json = r#"{"seed":SEED,
        "broker":{"heart-beat":"1000,0","auth":{"bearer":{"ttl":"1h"},"oauth":{"clients":[
            {"id":"desk","secret":"s","refresh":"rotate"}]}}},
        "http":[{"on":"GET /health","do":[{"pick":[[{"http":{"status":200}}],[{"http":{"status":503}}],[{"http":{"status":500}}]]}]}],
        "rules":[
          {"on":"connected","do":[{"hb":{"jitter":"400ms"}}]},
          {"on":{"recv":"SEND"},"p":0.5,"do":["pass",{"mark":"lucky"}]},
          {"on":{"recv":"BEGIN"},"do":[{"pick":[[{"log":"a"}],[{"log":"b"}],[{"log":"c"}]]}]},
          {"on":{"send":"RECEIPT"},"p":0.5,"do":[{"delay":"1..40ms"},"pass"]},
          {"on":{"send":"MESSAGE","match":{"held":"*"}},"do":[{"hold":"h"}]},
          {"on":{"recv":"COMMIT"},"do":[{"release":"h","order":"shuffle"}]},
          {"on":{"recv":"ABORT","match":{"storm":"1"}},"do":["pass",{"storm":{"dest":"/events/queue/*","rate":200,"for":"100ms","size":"300..600"}}]},
          {"on":{"recv":"ABORT","match":{"storm":"2"}},"do":["pass",{"storm":{"dest":"/topic/plain","rate":300,"for":"100ms","size":"10..90"}}]},
          {"on":{"recv":"NACK"},"do":["drop",{"ws":{"mask":true},"next":1},{"silence":"/none","for":"1..90s"},
            {"send":{"command":"MESSAGE","headers":{"bye":1,"token":"{token}"}}},{"garbage":"random:300"},"fin"]}]}"#;
    Scenario::from_json(&json.replace("SEED", &seed.to_string())).expect("a good scenario")
}

/// An entry without its time.
fn line(entry: &Entry) -> String {
    format!("{} {} {:?}", entry.seq, entry.conn, entry.what)
}

/// What a client says, and how many frames answer it; the last ends with FIN.
fn script(round: u32) -> Vec<(String, Answer)> {
    let mut script = vec![(
        "CONNECT\naccept-version:1.2\nhost:h\npasscode:t\n\n".to_owned(),
        Answer::Frames(1),
    )];
    for n in 0..20 {
        script.push((
            format!("SEND\ndestination:/topic/none\nreceipt:{round}-{n}\n\nx"),
            Answer::Frames(1),
        ));
        script.push((
            format!("BEGIN\ntransaction:{n}\nreceipt:b-{n}\n\n"),
            Answer::Frames(1),
        ));
    }
    let subscribe = |id: &str, to: &str| {
        let frame = format!("SUBSCRIBE\nid:{id}\ndestination:{to}\nreceipt:{id}\n\n");
        (frame, Answer::Frames(1))
    };
    script.push(subscribe("held", "/topic/held"));
    for n in 0..8 {
        script.push((
            format!("SEND\ndestination:/topic/held\nheld:{n}\nreceipt:h{n}\n\n{n}"),
            Answer::Frames(1),
        ));
    }
    // Its RECEIPT, and what was held.
    script.push((
        "COMMIT\ntransaction:0\nreceipt:c\n\n".to_owned(),
        Answer::Frames(9),
    ));
    script.push(subscribe("events", "/events/**"));
    script.push(subscribe("plain", "/topic/plain"));
    // One storm after the other: two at a time race.
    for (n, count) in [(1, 20), (2, 30)] {
        let frame = format!("ABORT\ntransaction:{n}\nstorm:{n}\n\n");
        script.push((frame, Answer::Frames(count)));
    }
    script.push(("NACK\nid:x\n\n".to_owned(), Answer::End));
    script
}

#[derive(Clone, Copy)]
enum Answer {
    Frames(usize),
    End,
}

mod virtual_time {
    use super::*;

    fn run(seed: u64) -> Vec<String> {
        let mut world = World::new(scenario(seed));
        for conn in [1, 2] {
            for path in ["/health", "/health", "/oauth/token"] {
                world.tell(Input::Tcp { conn });
                let mut request = Request::plain("GET", path);
                if path.starts_with("/oauth") {
                    request = Request::plain("POST", path)
                        .with("Content-Type", "application/x-www-form-urlencoded")
                        .body("grant_type=client_credentials&client_id=desk&client_secret=s");
                }
                world.tell(Input::Request {
                    conn,
                    request: &request,
                });
            }
            let token = world.engine.issue_token(world.now, "alice", 3600 * SECOND);
            world.open(conn);
            for (text, _) in script(0) {
                let text = text.replace(
                    "passcode:t\n",
                    &format!("passcode:{token}\nheart-beat:0,1000\n"),
                );
                world.say(conn, &text);
                world.pass(SECOND);
            }
            world.tell(Input::Closed {
                conn,
                how: &How::Fin,
            });
        }
        let mut lines: Vec<String> = world
            .engine
            .transcript()
            .iter()
            .map(|e| format!("{:?} {}", e.at, line(e)))
            .collect();
        lines.extend(world.outputs.iter().map(|(at, o)| format!("{at:?} {o:?}")));
        lines
    }

    #[test]
    fn a_seed_gives_one_transcript_times_and_all() {
        let first = run(7);
        assert!(first.len() > 300, "{}", first.len());
        assert_eq!(run(7), first);
        assert_ne!(run(8), first);
    }
}

mod sockets {
    use super::*;

    /// Frames come, each in a WebSocket message of its own.
    fn read(tcp: &mut TcpStream, answer: Answer) {
        let mut head = [0; 2];
        let mut seen = 0;
        loop {
            if matches!(answer, Answer::Frames(n) if seen >= n) {
                return;
            }
            if matches!(answer, Answer::End) {
                tcp.read_to_end(&mut Vec::new()).expect("the end");
                return;
            }
            tcp.read_exact(&mut head).expect("a head");
            let len = match head[1] {
                126 => {
                    let mut long = [0; 2];
                    tcp.read_exact(&mut long).expect("a length");
                    u16::from_be_bytes(long).into()
                }
                short => u64::from(short),
            };
            let mut payload = Vec::new();
            let mut part = Read::by_ref(tcp).take(len);
            part.read_to_end(&mut payload).expect("a payload");
            seen += 1;
        }
    }

    fn write(tcp: &mut TcpStream, text: &str) {
        let octets = format!("{text}\0");
        let len = u8::try_from(octets.len()).expect("short");
        assert!(len < 126);
        let mut wire = vec![0x81, 0x80 | len, 0, 0, 0, 0];
        wire.extend_from_slice(octets.as_bytes());
        tcp.write_all(&wire).expect("written");
    }

    /// A client in lock-step: it says nothing before the last was answered.
    fn ride(broker: &MockBroker, conn: u64) {
        let mut tcp = tcp(broker);
        exchange(&mut tcp, &[("Sec-WebSocket-Protocol", "v12.stomp")]);
        for (text, answer) in script(0) {
            write(&mut tcp, &text);
            read(&mut tcp, answer);
        }
        let ended =
            |e: &Entry| e.conn == conn && matches!(e.what, hobnail_mock_broker::What::Closed(_));
        broker.wait_for(LONG, ended).expect("an end");
    }

    fn run(seed: u64) -> Vec<String> {
        let broker = start(scenario(seed));
        for conn in [1, 2] {
            let mut plain = tcp(&broker);
            let request = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
            plain.write_all(request).expect("written");
            plain.read_to_end(&mut Vec::new()).expect("an answer");
            let over = |e: &Entry| matches!(&e.what, hobnail_mock_broker::What::Closed(How::Http));
            broker.wait_for_nth(conn, LONG, over).expect("an end");
            ride(&broker, conn as u64);
        }
        broker.stop().iter().map(line).collect()
    }

    #[test]
    fn a_seed_gives_one_transcript_to_a_client_in_lock_step() {
        let first = run(7);
        assert!(first.len() > 200, "{}", first.len());
        let again = run(7);
        for (a, b) in first.iter().zip(&again) {
            assert_eq!(a, b);
        }
        assert_eq!(first.len(), again.len());
        assert_ne!(run(8), first);
    }
}
