//! The words for [`Action`]s.

use super::action::{
    Action, BeatAction, Corrupt, Direction, ErrorAction, Garbage, HeadFault, Kind, Order, RawAs,
    Shape, ShapeAction, Storm, TlsFault,
};
use super::units::{Cut, Size, Span};
use crate::http::Response;
use crate::wire::Frame;
use std::time::Duration;

/// What triggered the rule takes place now.
pub fn pass() -> Action {
    Action::Pass
}

/// What triggered the rule does not take place.
pub fn drop_it() -> Action {
    Action::Drop
}

/// Sends a frame.
pub fn send(frame: Frame) -> Action {
    Action::Send(frame)
}

/// Sends an ERROR with a `code` header and closes.
pub fn error(code: u16) -> ErrorAction {
    ErrorAction {
        code: Some(code),
        ..ErrorAction::default()
    }
}

/// Sends an ERROR without a code and closes.
pub fn plain_error(message: &str) -> ErrorAction {
    ErrorAction::default().message(message)
}

/// Waits before the rest of the list; other frames overtake.
pub fn delay(span: impl Into<Span>) -> Action {
    Action::Delay(span.into())
}

/// The frame leaves (or is processed) `n` times altogether.
pub fn dup(n: u32) -> Action {
    Action::Dup(n)
}

/// Sets a header of the frame.
pub fn set(name: &str, value: &str) -> Action {
    Action::Set(vec![(name.to_owned(), value.to_owned())])
}

/// Removes a header of the frame.
pub fn unset(name: &str) -> Action {
    Action::Unset(vec![name.to_owned()])
}

/// Keeps the frame back under a name.
pub fn hold(name: &str) -> Action {
    Action::Hold(name.to_owned())
}

/// Lets the frames go that were kept back under a name.
pub fn release(name: &str, order: Order) -> Action {
    Action::Release {
        name: name.to_owned(),
        order,
    }
}

/// Damages the octets of the frame.
pub fn corrupt(how: Corrupt) -> Action {
    Action::Corrupt(how)
}

/// Makes the frame large.
pub fn pad(headers: usize, body: usize) -> Action {
    Action::Pad { headers, body }
}

/// Sends octets as they are.
pub fn raw(octets: impl Into<Vec<u8>>, ws: RawAs) -> Action {
    Action::Raw {
        octets: octets.into(),
        ws,
    }
}

fn shape(shape: Shape) -> ShapeAction {
    ShapeAction { shape, next: None }
}

/// One STOMP frame over WebSocket messages of `n` octets.
pub fn split_every(n: usize) -> ShapeAction {
    shape(Shape::Split(Cut::Every(n)))
}

/// One STOMP frame over WebSocket messages, cut at these offsets.
pub fn split_at(offsets: &[i64]) -> ShapeAction {
    shape(Shape::Split(Cut::At(offsets.to_vec())))
}

/// One WebSocket message as WebSocket frames of `n` octets.
pub fn frag_every(n: usize) -> ShapeAction {
    shape(Shape::Frag {
        cut: Cut::Every(n),
        between: None,
    })
}

/// One WebSocket message as WebSocket frames, cut at these offsets.
pub fn frag_at(offsets: &[i64]) -> ShapeAction {
    shape(Shape::Frag {
        cut: Cut::At(offsets.to_vec()),
        between: None,
    })
}

/// Several STOMP frames in one WebSocket message.
pub fn join(frames: usize, within: Duration) -> ShapeAction {
    shape(Shape::Join { frames, within })
}

/// Text or binary messages.
pub fn message_type(kind: Kind) -> ShapeAction {
    shape(Shape::Type(kind))
}

/// So many octets at a time, with a pause after each piece.
pub fn drip(bytes: usize, gap: Duration) -> ShapeAction {
    shape(Shape::Drip { bytes, gap })
}

/// So many octets per second.
pub fn rate(octets: u64) -> ShapeAction {
    shape(Shape::Rate(octets))
}

/// WebSocket frames with a reserved bit: 1, 2 or 3.
pub fn ws_rsv(bit: u8) -> ShapeAction {
    ws(HeadFault {
        rsv: Some(bit),
        ..HeadFault::default()
    })
}

/// WebSocket messages with this opcode.
pub fn ws_opcode(opcode: u8) -> ShapeAction {
    ws(HeadFault {
        opcode: Some(opcode),
        ..HeadFault::default()
    })
}

/// WebSocket frames that are masked.
pub fn ws_mask() -> ShapeAction {
    ws(HeadFault {
        mask: true,
        ..HeadFault::default()
    })
}

/// WebSocket frames with a damaged head.
pub fn ws(fault: HeadFault) -> ShapeAction {
    shape(Shape::Ws(fault))
}

/// Frames are laid on the wire plainly again.
pub fn plain() -> Action {
    Action::Plain
}

/// Sends Close.
pub fn close(code: u16, reason: &str) -> Action {
    Action::Close {
        code,
        reason: reason.to_owned(),
    }
}

/// Ends TCP with FIN and without Close.
pub fn fin() -> Action {
    Action::Fin { after: None }
}

/// Ends TCP with FIN after `n` octets of the next WebSocket frame (or,
/// when triggered by a frame that is about to leave, of that one).
pub fn fin_after(n: usize) -> Action {
    Action::Fin { after: Some(n) }
}

/// Resets TCP.
pub fn rst() -> Action {
    Action::Rst
}

/// Nothing is read or written any more, for ever.
pub fn blackhole(direction: Direction) -> Action {
    Action::Blackhole {
        direction,
        span: None,
    }
}

/// Nothing is read or written for a while.
pub fn blackhole_for(direction: Direction, span: impl Into<Span>) -> Action {
    Action::Blackhole {
        direction,
        span: Some(span.into()),
    }
}

/// Nothing is read for a while.
pub fn stall_read(span: impl Into<Span>) -> Action {
    blackhole_for(Direction::In, span)
}

/// Nothing is written for a while; it comes later.
pub fn stall_write(span: impl Into<Span>) -> Action {
    blackhole_for(Direction::Out, span)
}

/// Sends what a broken proxy sends.
pub fn garbage(what: Garbage) -> Action {
    Action::Garbage(what)
}

/// Sends a WebSocket ping.
pub fn ping(octets: impl Into<Vec<u8>>) -> Action {
    Action::Ping(octets.into())
}

/// Answers no ping from now on.
pub fn mute_pong() -> Action {
    Action::MutePong
}

/// The listener goes down for a while.
pub fn refuse(span: impl Into<Span>) -> Action {
    Action::Refuse(span.into())
}

/// Answers the upgrade with a status and a line of text.
pub fn http(status: u16, body: &str) -> Action {
    Action::Http(Response::text(status, body))
}

/// Answers the upgrade with this.
pub fn respond(response: Response) -> Action {
    Action::Http(response)
}

/// Answers the upgrade with 302.
pub fn redirect(to: &str) -> Action {
    Action::Redirect(to.to_owned())
}

/// Never answers.
pub fn hang() -> Action {
    Action::Hang
}

/// Never answers the TLS handshake.
pub fn tls_stall() -> Action {
    tls(TlsFault::Stall)
}

/// Spoils the TLS handshake of this connection.
pub fn tls(fault: TlsFault) -> Action {
    Action::Tls(fault)
}

/// Answers the upgrade with this subprotocol, offered or not.
pub fn subprotocol(name: Option<&str>) -> Action {
    Action::Subprotocol(name.map(str::to_owned))
}

/// Answers the upgrade with a wrong Sec-WebSocket-Accept.
pub fn bad_accept() -> Action {
    Action::BadAccept
}

/// The broker's heart-beats stop.
pub fn beats_stop() -> Action {
    Action::Beat(BeatAction::Stop)
}

/// The broker's heart-beats go on.
pub fn beats_start() -> Action {
    Action::Beat(BeatAction::Start)
}

/// The broker's heart-beats come at `factor` times the agreed interval.
pub fn beats_late(factor: f64) -> Action {
    Action::Beat(BeatAction::Late(factor))
}

/// The broker's heart-beats are these octets.
pub fn beats_as(octets: &[u8]) -> Action {
    Action::Beat(BeatAction::As(octets.to_vec()))
}

/// The broker's heart-beats come later by a random time up to this.
pub fn beats_jitter(span: impl Into<Span>) -> Action {
    Action::Beat(BeatAction::Jitter(span.into()))
}

/// The broker's heart-beats come so many at a time.
pub fn beats_burst(n: u32) -> Action {
    Action::Beat(BeatAction::Burst(n))
}

/// Takes the CONNECT on a live session as a renewal of its credentials.
pub fn rebind() -> Action {
    Action::Rebind
}

/// Ends the older session of the same identity.
pub fn kick() -> Action {
    Action::Kick
}

/// Ends the life of a token, or of all tokens of an identity.
pub fn expire(token_or_identity: &str) -> Action {
    Action::Expire(token_or_identity.to_owned())
}

/// Ends the life of all tokens.
pub fn expire_all() -> Action {
    Action::Expire("all".to_owned())
}

/// Publishes `rate` messages a second to `dest`.
pub fn storm(dest: &str, rate: f64, span: impl Into<Span>, size: impl Into<Size>) -> Storm {
    Storm {
        dest: dest.to_owned(),
        rate,
        span: span.into(),
        size: size.into(),
        burst: 1,
        kind: None,
    }
}

/// No MESSAGE of a destination reaches the connection any more.
pub fn silence(dest: &str) -> Action {
    Action::Silence {
        dest: dest.to_owned(),
        span: None,
    }
}

/// No MESSAGE of a destination reaches the connection for a while.
pub fn silence_for(dest: &str, span: impl Into<Span>) -> Action {
    Action::Silence {
        dest: dest.to_owned(),
        span: Some(span.into()),
    }
}

/// The connection goes into another state.
pub fn goto(state: &str) -> Action {
    Action::Goto(state.to_owned())
}

/// Says that the client has failed, and why.
pub fn fail(words: &str) -> Action {
    Action::Fail(words.to_owned())
}

/// Sets a mark.
pub fn mark(name: &str) -> Action {
    Action::Mark(name.to_owned())
}

/// Writes a line to the transcript.
pub fn log(words: &str) -> Action {
    Action::Log(words.to_owned())
}

/// The n-th firing does the n-th list.
pub fn seq(lists: Vec<Vec<Action>>) -> Action {
    Action::Seq(lists)
}

/// Does one list, picked by the seed.
pub fn pick(lists: Vec<Vec<Action>>) -> Action {
    Action::Pick(lists)
}
