//! What a case works with: whatever makes the client do things, and the
//! connections that it makes.

use super::conn::{Conn, written};
use super::driver::Driver;
use super::serve;
use super::shim::Hello;
use super::world::{Answer, Event, World};
use crate::grade::{Outcome, violated};
use crate::wire::stomp::Frame;
use serde_json::{Value, json};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) world: Arc<World>,
    pub(crate) driver: Driver,
    pub(crate) scale: f64,
    url: String,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

/// A session with a subscription.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) conn: Conn,
    /// The subscription's id as it stands on the wire.
    pub(crate) sub: String,
    pub(crate) subscribe: Frame,
}

impl Seat {
    /// Puts the subscription's id into `{sub}`.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{sub}", &self.sub)
    }

    /// The octets of a MESSAGE with these header lines besides.
    pub(crate) fn message(&self, lines: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
        let head = format!(
            "MESSAGE\nsubscription:{}\nmessage-id:1\ndestination:/a\n{lines}\n",
            self.sub
        );
        [head.as_bytes(), body.as_ref(), b"\0"].concat()
    }
}

impl Lab {
    /// Serves a case at a port of its own.
    pub(crate) fn new(
        case: &str,
        world: &Arc<World>,
        driver: Driver,
        scale: f64,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((driver.ip(), 0))?;
        let mut address = listener.local_addr()?;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let accepts = {
            let (stop, world) = (Arc::clone(&stop), Arc::clone(world));
            move || serve::accept(&listener, &world, &|| stop.load(Ordering::SeqCst))
        };
        std::thread::spawn(accepts);
        Ok(Self {
            world: Arc::clone(world),
            driver,
            scale,
            url: format!("ws://127.0.0.1:{}/c/{case}", address.port()),
            address,
            stop,
        })
    }

    /// Hangs up, and gives the driver back.
    pub(crate) fn close(self) -> Driver {
        self.stop.store(true, Ordering::SeqCst);
        // Whoever accepts sees the stop at the next connection.
        let _ = TcpStream::connect(self.address);
        let pipes: Vec<_> = {
            let state = self.world.lock();
            state.wires.iter().map(|w| Arc::clone(&w.pipe)).collect()
        };
        for pipe in pipes {
            pipe.hang_up();
        }
        self.world.change(|state| state.manners.reads = true);
        self.driver
    }

    pub(crate) fn span(&self, span: Duration) -> Duration {
        span.mul_f64(self.scale)
    }

    /// A reply is due within it.
    pub(crate) fn due(&self) -> Duration {
        self.span(SECOND * 5)
    }

    pub(crate) fn hello(&self) -> &Hello {
        self.driver.hello()
    }

    /// The case needs a capability.
    pub(crate) fn needs(&self, cap: &str) -> Result<(), Outcome> {
        if self.hello().has(cap) {
            return Ok(());
        }
        Err(Outcome::Unimplemented(format!("needs {cap}")))
    }

    /// The client has no shim: it tells only what it sends.
    pub(crate) fn is_echo(&self) -> bool {
        self.world.echo
    }

    // ---- what the client is told, and tells

    /// Gives a command and waits for its answer, whatever it is.
    pub(crate) fn tell(&mut self, verb: &str, fields: Value) -> Result<Answer, Outcome> {
        let waits = Duration::from_millis(fields["ms"].as_u64().unwrap_or(0));
        let within = self.due() + waits;
        let answer = self.driver.tell(&self.world, verb, &fields, within);
        answer.ok_or_else(|| Outcome::Inconclusive(format!("{verb} got no answer")))
    }

    /// Gives a command that must be taken.
    pub(crate) fn ask(&mut self, verb: &str, fields: Value) -> Result<Value, Outcome> {
        match self.tell(verb, fields)? {
            Answer::Ok(fields) => Ok(fields),
            Answer::Unsupported => Err(Outcome::Unimplemented(format!("no {verb}"))),
            Answer::Err { kind, text } => {
                violated(format!("the client refused to {verb}: {kind} ({text})"))
            }
        }
    }

    /// Tells the client to connect, with these fields besides.
    pub(crate) fn connect(&mut self, more: Value) -> Result<(), Outcome> {
        let fields = self.connect_fields(more);
        self.ask("connect", fields).map(drop)
    }

    /// The fields of `connect`, with these besides.
    pub(crate) fn connect_fields(&self, more: Value) -> Value {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let mut fields = json!({
            "url": self.url,
            "host": "conf",
            "heartbeat": [0, 0],
            "timeout_ms": ms(self.span(SECOND * 5)),
        });
        merge(&mut fields, more);
        fields
    }

    /// The first event of a name.
    pub(crate) fn event(&self, name: &str, within: Duration) -> Option<Event> {
        self.event_where(name, within, |_| true)
    }

    pub(crate) fn event_where(
        &self,
        name: &str,
        within: Duration,
        wanted: impl Fn(&Event) -> bool,
    ) -> Option<Event> {
        self.world.until(within, |state| {
            let at = state
                .events
                .iter()
                .position(|e| e.name == name && wanted(e))?;
            Some(state.events.remove(at))
        })
    }

    /// The first event of a name; that there is none breaks the rule.
    pub(crate) fn expect(&self, name: &str) -> Result<Event, Outcome> {
        let within = self.due();
        self.event(name, within).ok_or_else(|| {
            Outcome::Violated(format!(
                "expected the client to tell \"{name}\", it told {}",
                self.told()
            ))
        })
    }

    /// No such event for a while.
    pub(crate) fn never(&self, name: &str, within: Duration) -> Result<(), Outcome> {
        match self.event(name, within) {
            None => Ok(()),
            Some(event) => violated(format!("the client told \"{name}\": {}", event.fields)),
        }
    }

    /// What the shim told that nobody took, in words.
    pub(crate) fn told(&self) -> String {
        let state = self.world.lock();
        let words = state.events.iter().map(|event| {
            let why = [event.text("kind"), event.text("text")];
            let why: Vec<&str> = why.into_iter().flatten().collect();
            match why.is_empty() {
                true => event.name.clone(),
                false => format!("{} ({})", event.name, why.join(": ")),
            }
        });
        let words: Vec<String> = words.take(8).collect();
        if words.is_empty() {
            return "nothing".to_owned();
        }
        words.join(", ")
    }

    // ---- connections

    /// The client's next connection, with its request for the upgrade.
    pub(crate) fn accept(&self) -> Result<Conn, Outcome> {
        self.accept_within(self.due()).ok_or_else(|| {
            Outcome::Violated(format!(
                "expected a connection of the client, got none; it told {}",
                self.told()
            ))
        })
    }

    pub(crate) fn accept_within(&self, within: Duration) -> Option<Conn> {
        let at = self.world.until(within, |state| {
            let ready = state.wires.get(state.accepted)?.request.is_some();
            ready.then(|| {
                state.accepted += 1;
                state.accepted - 1
            })
        })?;
        Some(Conn::new(&self.world, at, self.due()))
    }

    /// A connection that is upgraded.
    pub(crate) fn open(&self) -> Result<Conn, Outcome> {
        let conn = self.accept()?;
        conn.upgrade();
        Ok(conn)
    }

    /// A connection that waits for its CONNECTED, and its CONNECT.
    pub(crate) fn greeted(&self) -> Result<(Conn, Frame), Outcome> {
        let conn = self.open()?;
        let frame = conn.until(self.due(), |wire| {
            let first = wire.frames.pop_front();
            first.or_else(|| wire.breach.take().map(|why| breach(&why)))
        });
        match frame {
            Some((_, frame)) if matches!(frame.command.as_str(), "CONNECT" | "STOMP") => {
                Ok((conn, frame))
            }
            Some((_, frame)) => violated(format!("expected CONNECT, got {frame}")),
            None => violated("expected CONNECT, got nothing"),
        }
    }

    /// A live session, with these fields of `connect` and these lines of
    /// CONNECTED.
    pub(crate) fn session_with(&mut self, more: Value, lines: &str) -> Result<Conn, Outcome> {
        self.connect(more)?;
        let (conn, _) = self.greeted()?;
        conn.connected(lines);
        self.expect("connected")?;
        Ok(conn)
    }

    /// A live session of 1.2.
    pub(crate) fn session(&mut self) -> Result<Conn, Outcome> {
        self.session_with(json!({}), "version:1.2\n")
            .map_err(Outcome::beforehand)
    }

    /// Subscribes, with these fields besides; the SUBSCRIBE.
    pub(crate) fn subscribe(&mut self, conn: &Conn, more: Value) -> Result<Frame, Outcome> {
        let mut fields = json!({"sub": "A", "dest": "/a"});
        merge(&mut fields, more);
        self.ask("subscribe", fields)?;
        conn.expect("SUBSCRIBE")
    }

    pub(crate) fn seat_at(&mut self, conn: Conn, more: Value) -> Result<Seat, Outcome> {
        let subscribe = self.subscribe(&conn, more)?;
        let sub = written(&subscribe, "id")?;
        Ok(Seat {
            conn,
            sub,
            subscribe,
        })
    }

    /// A session of 1.2 with a subscription to `/a` in mode auto.
    pub(crate) fn seat(&mut self) -> Result<Seat, Outcome> {
        self.seat_with(json!({}))
    }

    /// A session of 1.2 with a subscription of these fields.
    pub(crate) fn seat_with(&mut self, more: Value) -> Result<Seat, Outcome> {
        let conn = self.session()?;
        self.seat_at(conn, more).map_err(Outcome::beforehand)
    }

    /// Sends these octets and waits for the message that they hold.
    pub(crate) fn delivered(
        &self,
        conn: &Conn,
        octets: impl AsRef<[u8]>,
    ) -> Result<Event, Outcome> {
        conn.send(octets);
        self.expect("message")
    }
}

/// Octets that are no frame, as something that came instead of one.
fn breach(why: &str) -> (std::time::Instant, Frame) {
    let frame = Frame {
        command: format!("octets that are no frame: {why}"),
        headers: Vec::new(),
        body: Vec::new(),
        octets: Vec::new(),
    };
    (std::time::Instant::now(), frame)
}

/// Puts these fields over those; null takes one away.
pub(crate) fn merge(fields: &mut Value, more: Value) {
    let (Some(fields), Value::Object(more)) = (fields.as_object_mut(), more) else {
        return;
    };
    for (name, value) in more {
        if value.is_null() {
            fields.remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
}
