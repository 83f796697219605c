//! What befalls a connection as a whole.

use crate::script::units::Span;

/// What is wrong with a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// It is never answered.
    Stall,
    /// The hello is answered with the fatal alert `handshake_failure`.
    Alert,
    /// The certificate ended yesterday.
    Expired,
    /// The certificate is for another host.
    WrongHost,
    /// The certificate is signed by itself and not by the authority.
    SelfSigned,
}

/// What a black hole swallows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What the client sends.
    In,
    /// What the broker sends.
    Out,
    /// Both.
    Both,
}

/// What a broken proxy sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbage {
    /// The page of a "502 Bad Gateway": as the answer to the upgrade, or later
    /// as a text message.
    Html502,
    /// So many octets, chosen by the seed, in the TCP stream.
    Random(usize),
    /// A whole HTTP answer in the TCP stream.
    HttpInStream,
}

/// What becomes of the broker's heart-beats.
#[derive(Clone, Debug, PartialEq)]
pub enum BeatAction {
    /// None any more.
    Stop,
    /// As agreed again.
    Start,
    /// At so many times the agreed interval.
    Late(f64),
    /// Later by a random time up to this.
    Jitter(Span),
    /// With these octets in place of one LF.
    As(Vec<u8>),
    /// So many at a time, each in a message of its own.
    Burst(u32),
}
