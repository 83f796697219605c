//! Peers that are no broker.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use socket2::SockRef;

/// Something that listens on the loopback interface, and does with each
/// connection what it was told. It lives as long as the process.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
}

impl Peer {
    /// Starts one.
    ///
    /// # Panics
    /// If there is no port.
    pub fn start(work: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let work = std::sync::Arc::new(work);
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let work = std::sync::Arc::clone(&work);
                thread::spawn(move || work(tcp));
            }
        });
        Self { address }
    }

    /// One that accepts and never says a word.
    #[must_use]
    pub fn silent() -> Self {
        Self::start(|mut tcp| {
            let _ = io::copy(&mut tcp, &mut io::sink());
        })
    }

    /// A way to a port of this machine that takes what comes in steps, and rests
    /// after each.
    #[must_use]
    pub fn slow_reader(port: u16) -> Self {
        Self::start(move |tcp| {
            if let Err(e) = step_by_step(&tcp, port) {
                log::debug!("the way ended: {e}");
            }
        })
    }

    /// A port on which nobody listens.
    ///
    /// # Panics
    /// If there is no port.
    #[must_use]
    pub fn nobody() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        Self { address }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

/// An HTTP proxy that opens every tunnel that is asked for, and a channel on
/// which it tells the head of each request.
#[must_use]
pub fn proxy() -> (Peer, mpsc::Receiver<String>) {
    let (told, requests) = mpsc::channel();
    let peer = Peer::start(move |tcp| {
        if let Err(e) = tunnel(tcp, &told) {
            log::debug!("the tunnel ended: {e}");
        }
    });
    (peer, requests)
}

fn tunnel(client: TcpStream, told: &mpsc::Sender<String>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let _ = told.send(head);
    let server = TcpStream::connect(target)?;
    (&client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let upstream = server.try_clone()?;
    thread::spawn(move || pour(reader, &upstream));
    pour(server, &client);
    Ok(())
}

fn step_by_step(mut client: &TcpStream, port: u16) -> io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    // What does not fit waits on the client's side: the system makes no more room.
    SockRef::from(client).set_recv_buffer_size(STEP)?;
    let (back, to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || pour(back, &to));
    let mut step = vec![0; STEP];
    loop {
        match client.read(&mut step)? {
            0 => return server.shutdown(Shutdown::Both),
            octets => server.write_all(&step[..octets])?,
        }
        thread::sleep(REST);
    }
}

/// What a slow reader takes at once.
const STEP: usize = 128 << 10;
/// Long enough for whoever writes to fill the room.
const REST: Duration = Duration::from_millis(2);

fn pour(mut from: impl Read, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}
