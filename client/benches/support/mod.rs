//! The octets that are read, and a session that reads them.

#![allow(dead_code, reason = "each benchmark needs some of it")]

pub(crate) mod session;

/// Octets of body.
pub(crate) const SIZES: [usize; 4] = [40, 300, 4 << 10, 64 << 10];

/// Whether a head says how long the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Said,
    Unsaid,
}

/// A MESSAGE as brokers send it: six headers, and `content-length`.
pub(crate) fn message(nth: usize, size: usize, length: Length) -> Vec<u8> {
    let length = match length {
        Length::Said => format!("content-length:{size}\n"),
        Length::Unsaid => String::new(),
    };
    let unit = r#"{"topicName":"v2.routing.queues.5f3a2b1c","eventBody":{"metric":"oWaiting","value":17}},"#;
    let body: String = unit.chars().cycle().take(size).collect();
    format!(
        "MESSAGE\nsubscription:s-1\nmessage-id:m-{nth:09}\ndestination:/topic/v2.routing.queues\n\
         content-type:application/json\npriority:4\ntimestamp:1795456800000\n{length}\n{body}\0"
    )
    .into_bytes()
}

/// As many frames as are at least 256 KiB.
pub(crate) fn frames(size: usize, length: Length) -> Vec<Vec<u8>> {
    let count = (256 << 10) / (size + 200) + 1;
    (0..count).map(|nth| message(nth, size, length)).collect()
}
