//! A client in somebody else's event loop: datagrams are published and messages
//! printed by one thread, which waits for both with `epoll` (on other systems
//! `kqueue`), knowing the client by its descriptor and its deadline.
//!
//! ```sh
//! cargo run --example gateway -- ws://127.0.0.1:15674/ws 127.0.0.1:5514
//! ```
//!
//! Without arguments it shows itself with a broker and three datagrams of its own.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "an event loop has a clock")]

use std::{
    error::Error,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket as Sender},
    ops::ControlFlow,
    time::Instant,
};

use hobnail::{Client, Message};
use hobnail_mock_broker::{MockBroker, Scenario};
use mio::{Events, Interest, Poll, Token, net::UdpSocket, unix::SourceFd};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CLIENT: Token = Token(0);
const DATAGRAMS: Token = Token(1);
const TOPIC: &str = "/topic/datagrams";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, address] = &args[..] else {
        return demonstrate();
    };
    let socket = UdpSocket::bind(address.parse()?)?;
    relay(Client::builder(url).connect()?, socket, |message| {
        println!("{}", message.text().unwrap_or("(binary)"));
        ControlFlow::Continue(())
    })
}

fn demonstrate() -> Result<()> {
    let broker = MockBroker::start(Scenario::default())?;
    let client = Client::builder(broker.url()).proxy(None).connect()?;
    let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let (sender, there) = (Sender::bind("127.0.0.1:0")?, socket.local_addr()?);
    for text in ["one", "two", "three"] {
        sender.send_to(text.as_bytes(), there)?;
    }
    let mut seen = Vec::new();
    relay(client, socket, |message| {
        seen.push(message.text().unwrap_or_default().to_owned());
        match seen.len() {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    })?;
    println!("{seen:?} went through {}", broker.url());
    Ok(())
}

/// The loop: no other thread, and no wake-up without a reason.
fn relay(
    mut client: Client,
    mut socket: UdpSocket,
    mut show: impl FnMut(&Message) -> ControlFlow<()>,
) -> Result<()> {
    let _all = client.subscription(TOPIC).subscribe()?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(8);
    let registry = poll.registry();
    // It stays the same for the client's life, whatever becomes of its connections.
    let descriptor = client.as_raw_fd();
    registry.register(&mut SourceFd(&descriptor), CLIENT, Interest::READABLE)?;
    registry.register(&mut socket, DATAGRAMS, Interest::READABLE)?;
    loop {
        publish(&mut client, &socket)?;
        // Turns it, and takes all that is there, before it is waited for.
        while let Some(message) = client.try_recv()? {
            if show(&message).is_break() {
                return Ok(client.close()?);
            }
        }
        let left = client
            .next_deadline()
            .map(|at| at.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, left) {
            Err(e) if e.kind() != ErrorKind::Interrupted => return Err(e.into()),
            Ok(()) | Err(_) => {}
        }
    }
}

/// All datagrams that are there.
fn publish(client: &mut Client, socket: &UdpSocket) -> Result<()> {
    let mut datagram = [0; 65_535];
    loop {
        match socket.recv(&mut datagram) {
            Ok(octets) => client.send(TOPIC).body(&datagram[..octets]).publish()?,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_go_out_as_messages_and_come_back() {
        demonstrate().expect("all three came back");
    }
}
