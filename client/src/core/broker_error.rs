//! The numeric code of an ERROR, wherever a broker may have put it.

use crate::frame::Frame;

/// Headers `code`, `status`, `error-code`; then three leading digits of
/// `message`; then a JSON body's `code`, `status` or `error.code`.
pub(super) fn code(frame: &Frame) -> Option<u16> {
    ["code", "status", "error-code"]
        .iter()
        .find_map(|name| three_digits(&frame.header(name)?))
        .or_else(|| three_digits(&frame.header("message")?))
        .or_else(|| from_json(frame.body()))
}

fn three_digits(text: &str) -> Option<u16> {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    (end == 3).then(|| text[..3].parse().ok()).flatten()
}

fn from_json(body: &[u8]) -> Option<u16> {
    if body.first() != Some(&b'{') {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    [
        value.get("code"),
        value.get("status"),
        value.pointer("/error/code"),
    ]
    .into_iter()
    .flatten()
    .find_map(|v| match v {
        serde_json::Value::Number(n) => u16::try_from(n.as_u64()?).ok(),
        serde_json::Value::String(s) => three_digits(s),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{DecodeLimits, Decoder};

    #[test]
    fn a_code_is_found_in_every_known_place() {
        for (octets, expected) in [
            ("ERROR\ncode:401\n\n\0", Some(401)),
            ("ERROR\nstatus:409\nmessage:500 x\n\n\0", Some(409)),
            ("ERROR\nerror-code:403\n\n\0", Some(403)),
            ("ERROR\nmessage:401 token expired\n\n\0", Some(401)),
            ("ERROR\nmessage:Bad CONNECT\n\n{\"code\":401}\0", Some(401)),
            ("ERROR\n\n{\"status\":\"409 Conflict\"}\0", Some(409)),
            ("ERROR\n\n{\"error\":{\"code\":401}}\0", Some(401)),
            ("ERROR\nmessage:4012 things\n\n\0", None),
            ("ERROR\nmessage:Bad CONNECT\n\nAccess refused\0", None),
            ("ERROR\n\n\0", None),
        ] {
            let mut decoder = Decoder::new(DecodeLimits::default());
            decoder.push(bytes::Bytes::from_static(octets.as_bytes()));
            let frame = decoder.next_frame().unwrap().unwrap();
            assert_eq!(code(&frame), expected, "{octets:?}");
        }
    }
}
