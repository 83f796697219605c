//! The listening port, which can refuse connections without being given up.

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};

const BACKLOG: i32 = 4096;

/// One address.
#[derive(Debug)]
struct Door {
    at: SocketAddr,
    token: Token,
    state: State,
}

#[derive(Debug)]
enum State {
    Open(TcpListener),
    /// Bound but not listening: connections are refused, and nobody else can
    /// take the port meanwhile.
    Shut(Option<Socket>),
}

/// The port on the loopback addresses.
#[derive(Debug)]
pub(super) struct Port(Vec<Door>);

impl Port {
    /// Listens on 127.0.0.1 and, with `both`, also on ::1 if that exists. Port
    /// 0 is any free one.
    pub(super) fn open(registry: &Registry, port: u16, both: bool) -> io::Result<Self> {
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut doors = vec![Door::open(registry, v4, Token(0))?];
        if both {
            let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, doors[0].at.port()));
            doors.extend(Door::open(registry, v6, Token(1)));
        }
        Ok(Self(doors))
    }

    /// Listens on 127.0.0.1 alone.
    pub(super) fn for_control(registry: &Registry, port: u16, token: Token) -> io::Result<Self> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self(vec![Door::open(registry, at, token)?]))
    }

    pub(super) fn number(&self) -> u16 {
        self.0[0].at.port()
    }

    /// The next connection that waits at a door; `WouldBlock` if none does.
    pub(super) fn accept(&self, token: Token) -> io::Result<TcpStream> {
        let listener = self.0.iter().find(|d| d.token == token).map(|d| &d.state);
        match listener {
            Some(State::Open(listener)) => listener.accept().map(|(stream, _)| stream),
            Some(State::Shut(_)) | None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(super) fn refuse(&mut self, registry: &Registry) {
        for door in &mut self.0 {
            if let State::Open(listener) = &mut door.state {
                if let Err(error) = registry.deregister(listener) {
                    log::debug!("deregister: {error}");
                }
                door.state = State::Shut(None);
                door.state = State::Shut(bound(door.at).ok());
            }
        }
    }

    pub(super) fn listen(&mut self, registry: &Registry) -> io::Result<()> {
        for door in &mut self.0 {
            if let State::Shut(held) = &mut door.state {
                let socket = held.take().map_or_else(|| bound(door.at), Ok)?;
                door.state = State::Open(listener(registry, socket, door.token)?);
            }
        }
        Ok(())
    }
}

impl Door {
    fn open(registry: &Registry, at: SocketAddr, token: Token) -> io::Result<Self> {
        let listener = listener(registry, bound(at)?, token)?;
        Ok(Self {
            at: listener.local_addr()?,
            token,
            state: State::Open(listener),
        })
    }
}

fn bound(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    // Windows means something else by this option.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    Ok(socket)
}

fn listener(registry: &Registry, socket: Socket, token: Token) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    let mut listener = TcpListener::from_std(StdListener::from(socket));
    registry.register(&mut listener, token, Interest::READABLE)?;
    Ok(listener)
}
