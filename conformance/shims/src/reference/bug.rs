//! The one thing that this client may do wrong, named on the command line.

use std::sync::OnceLock;

static PLANTED: OnceLock<Option<String>> = OnceLock::new();

/// Every bug that can be planted; a test knows what each must fail.
pub(crate) const ALL: &[&str] = &[
    "acks-by-message-id",
    "acks-old-connections",
    "answers-no-close",
    "answers-no-ping",
    "any-receipt",
    "any-version",
    "beats-before-connected",
    "beats-late",
    "beats-never",
    "cr-in-values",
    "content-length-in-characters",
    "content-length-ignored",
    "double-unescape",
    "drops-octets-after-101",
    "drops-second-frame",
    "error-is-ignored",
    "escapes-connect",
    "escapes-nothing",
    "fin-is-1000",
    "fragments-are-messages",
    "frames-after-disconnect",
    "hangs-on-close",
    "host-missing",
    "last-header-wins",
    "lenient-escapes",
    "lenient-length",
    "masks-constantly",
    "masks-never",
    "min-heart-beat",
    "one-frame-per-message",
    "receipt-id-on-send",
    "reconnects-at-once",
    "resends-connect",
    "routes-to-anyone",
    "rsv-is-ignored",
    "same-subscription-ids",
    "same-transaction-ids",
    "splits-at-every-colon",
    "subprotocol-unregistered",
    "subscribes-early",
    "swaps-heart-beats",
    "takes-any-accept",
    "takes-any-subprotocol",
    "takes-masked-frames",
    "text-always",
    "trims-headers",
    "unescapes-connected",
    "unescapes-never",
    "utf-8-unchecked",
];

/// Plants a bug; whether there is one of that name.
pub(crate) fn plant(name: Option<String>) -> bool {
    let known = name.as_deref().is_none_or(|name| ALL.contains(&name));
    let _ = PLANTED.set(name);
    known
}

pub(crate) fn is(name: &str) -> bool {
    PLANTED.get().is_some_and(|p| p.as_deref() == Some(name))
}
