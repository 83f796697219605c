//! What a drain left behind.

use std::fmt;

/// What was left when a drain came to its deadline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Undrained {
    /// Messages that nobody has taken, or taken and not done with, by the id of
    /// their subscription. A client driven by its caller has one inbox for all;
    /// its id is empty.
    pub messages: Vec<(String, usize)>,
    /// Subscriptions whose UNSUBSCRIBE was not confirmed.
    pub subscriptions: Vec<String>,
    /// Frames whose RECEIPT had not come.
    pub publishes: usize,
    /// Requests whose reply had not come.
    pub requests: usize,
    /// Frames without a receipt that had not left.
    pub frames: usize,
}

impl Undrained {
    /// Whether nothing was left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Undrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (id, messages) in &self.messages {
            parts.push(match id.as_str() {
                "" => format!("{messages} messages in the inbox"),
                id => format!("{messages} messages of subscription {id:?}"),
            });
        }
        for id in &self.subscriptions {
            parts.push(format!("the UNSUBSCRIBE of {id:?}"));
        }
        if self.publishes > 0 {
            parts.push(format!("{} RECEIPTs", self.publishes));
        }
        if self.requests > 0 {
            parts.push(format!("{} replies", self.requests));
        }
        if self.frames > 0 {
            parts.push(format!("{} frames that had not left", self.frames));
        }
        match parts.as_slice() {
            [] => f.write_str("nothing is left"),
            parts => write!(f, "left are {}", parts.join(", ")),
        }
    }
}
