//! Peers that mean no good: whatever they send or leave undone, it costs
//! bounded memory and time, ends in words, and the next client is served.

mod octets;
mod silence;

use crate::handshake::exchange;
use crate::support::{Client, LONG, start, tcp};
use crate::world::World;
use hobnail_mock_broker::engine::{Input, Output};
use hobnail_mock_broker::wire::Limits;
use hobnail_mock_broker::{Entry, MockBroker, Note, Rule, Scenario, act, on, recv};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// One WebSocket frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(o, k)| o ^ k));
    out
}

/// An open WebSocket without a client behind it.
fn socket(broker: &MockBroker) -> TcpStream {
    let mut tcp = tcp(broker);
    exchange(&mut tcp, &[]);
    tcp
}

/// A STOMP session without a client behind it.
fn session(broker: &MockBroker) -> TcpStream {
    let mut tcp = socket(broker);
    tcp.write_all(&frame(
        0x81,
        b"CONNECT\naccept-version:1.2\nhost:h\nheart-beat:0,0\n\n\0",
    ))
    .expect("written");
    let mut head = [0; 2];
    tcp.read_exact(&mut head).expect("CONNECTED");
    let mut rest = vec![0; usize::from(head[1])];
    tcp.read_exact(&mut rest).expect("CONNECTED");
    assert!(rest.starts_with(b"CONNECTED"), "{rest:?}");
    tcp
}

/// What comes until the end; a reset is an end too.
fn rest(mut tcp: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match tcp.read(&mut buffer) {
            Ok(0) => return answer,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return answer,
            Err(e) => panic!("no end came: {e}"),
        }
    }
}

/// Sends what may be more than the broker takes.
fn pour(tcp: &mut TcpStream, octets: &[u8]) {
    match tcp.write_all(octets) {
        Ok(()) => {}
        Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {}
        Err(e) => panic!("{e}"),
    }
}

/// The code of the Close among what came.
fn close_code(answer: &[u8]) -> u16 {
    let mut at = 0;
    while let Some(&[first, length]) = answer.get(at..at + 2) {
        let (head, length) = match length {
            126 => {
                let octets = [answer[at + 2], answer[at + 3]];
                (4, usize::from(u16::from_be_bytes(octets)))
            }
            n => (2, usize::from(n)),
        };
        if first == 0x88 {
            return u16::from_be_bytes([answer[at + 2], answer[at + 3]]);
        }
        at += head + length;
    }
    panic!("no Close in {answer:?}");
}

/// The broker lives: somebody else connects, sends and gets.
fn serves(broker: &MockBroker) {
    let mut client = Client::connect(broker);
    client.confirmed("SUBSCRIBE\nid:0\ndestination:/topic/still-alive\n\n");
    client.send("SEND\ndestination:/topic/still-alive\n\nyes");
    assert_eq!(client.expect("MESSAGE").text(), Some("yes"));
}

/// Resident memory of this process in octets.
fn memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}
