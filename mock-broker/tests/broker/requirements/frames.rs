//! Frames, escapes, bodies, headers, versions.

use super::Case;
use super::Step::{
    Alive, Connect, Connected, Drip, Error, Has, Message, Quiet, Receipt, Say, Wire,
};

const SUB: &[u8] = b"SUBSCRIBE\nid:c\ndestination:/topic/t\n\n\0";
const V: &str = "1.2";

/// A session that is subscribed to what it sends.
macro_rules! echo {
    ($id:literal, $($step:expr),+ $(,)?) => {
        Case { id: $id, steps: &[Connect(V), Say(SUB), $($step),+] }
    };
}
macro_rules! raw {
    ($id:literal, $($step:expr),+ $(,)?) => {
        Case { id: $id, steps: &[$($step),+] }
    };
}

pub(super) const CASES: &[Case] = &[
    raw!("S12-FRM-001", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\n\n\0"), Connected("1.2"), Quiet),
    echo!("S12-FRM-002", Say(b"SEND\ndestination:/topic/x\nreceipt:r1\n\nx\0"), Receipt("r1")),
    echo!("S12-FRM-003", Say(b"SEND\r\ndestination:/topic/t\r\nreceipt:r1\r\n\r\nhi\0\r\n"), Message(b"hi"), Receipt("r1")),
    echo!("S12-FRM-004", Say(b"SEND\ndestination:/topic/x\r\nreceipt:r1\n\r\nhi\0"), Receipt("r1")),
    echo!("S12-FRM-005", Say(b"SEND\r\ndestination:/topic/t\r\nk:v\r\n\r\nx\0"), Message(b"x"), Has("k", "v"), Wire(b"\nk:v\n")),
    raw!("S12-FRM-006", Connect(V), Say(b"DISCONNECT\n\n\0"), super::Step::Closed, Quiet),
    echo!("S12-FRM-007", Say(b"SUBSCRIBE\nid:1\ndestination:/topic/u\nreceipt:r1\n\n"), Quiet, Say(b"\0"), Receipt("r1")),
    echo!("S12-FRM-008", Say(b"SEND\ndestination:/topic/x\nreceipt:r1\n\nx\0\n\n\r\n\nSEND\ndestination:/topic/x\nreceipt:r2\n\ny\0"), Receipt("r1"), Receipt("r2")),
    echo!("S12-FRM-010", Say(b"send\ndestination:/topic/t\nreceipt:r1\n\nx\0"), Error),
    echo!("S12-FRM-011", Say(b"SEND\nDestination:/topic/t\n\nx\0"), Error),
    echo!("S12-FRM-012", Say(b"SEND\ndestination:/topic/t\n:v\nreceipt:r1\n\nx\0"), Error),
    echo!("S12-FRM-013", Say(b"SEND\ndestination:/topic/t\nk:\n\nx\0"), Message(b"x"), Has("k", "")),
    echo!("S12-FRM-014", Say(b"SEND\ndestination:/topic/t\nnocolon\nreceipt:r1\n\nx\0"), Error, Has("receipt-id", "r1")),
    echo!("S12-FRM-015", Say(b"SEND\ndestination:/topic/t\nk:\xE2\x82\xAC\n\nx\0"), Message(b"x"), Has("k", "\u{20ac}")),
    raw!("S12-FRM-016", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:u\npasscode:p:a\\cb\n\n\0"), Connected("1.2")),
    echo!("S12-FRM-017", Say(b"SEND\ndestination:/topic/t\nk:a:b\n\nx\0"), Message(b"x"), Has("k", "a:b")),
    echo!("S12-FRM-018", Say(b"SEND\ndestination:/topic/t\n\n\n  x\0"), Message(b"\n  x")),
    echo!("S12-FRM-019", Say(b"SEND\ndestination:/topic/t\nk:a\rb\n\nx\0"), Error),
    echo!("S12-FRM-020", Drip(b"SEND\ndestination:/topic/t\nreceipt:r1\n\nx\0"), Message(b"x"), Receipt("r1")),
    echo!("S12-FRM-021", Say(b"SEND\ndestination:/topic/x\nreceipt:r1\n\nx\0SEND\ndestination:/topic/x\nreceipt:r2\n\nx\0SEND\ndestination:/topic/x\nreceipt:r3\n\nx\0"), Receipt("r1"), Receipt("r2"), Receipt("r3")),
    echo!("S12-FRM-022", Say(b"SEND\ndestination:/topic/t\nk:a\0b\n\nx\0"), Error),
    echo!("S12-ENC-001", Say(b"SEND\ndestination:/topic/t\nk:a\\nb\n\nx\0"), Message(b"x"), Has("k", "a\nb"), Wire(b"\nk:a\\nb\n")),
    echo!("S12-ENC-002", Say(b"SEND\ndestination:/topic/t\nk:a\\cb\n\nx\0"), Message(b"x"), Has("k", "a:b"), Wire(b"\nk:a\\cb\n")),
    echo!("S12-ENC-003", Say(b"SEND\ndestination:/topic/t\nk:a\\\\b\n\nx\0"), Message(b"x"), Has("k", "a\\b"), Wire(b"\nk:a\\\\b\n")),
    echo!("S12-ENC-004", Say(b"SEND\ndestination:/topic/t\nk:a\\rb\n\nx\0"), Message(b"x"), Has("k", "a\rb"), Wire(b"\nk:a\\rb\n")),
    echo!("S12-ENC-005", Say(b"SEND\ndestination:/topic/t\na\\cb:v\n\nx\0"), Message(b"x"), Has("a:b", "v"), Wire(b"\na\\cb:v\n")),
    echo!("S12-ENC-006", Say(b"SEND\ndestination:/topic/t\nk:a\\tb\nreceipt:r1\n\nx\0"), Error),
    echo!("S12-ENC-007", Say(b"SEND\ndestination:/topic/t\nk:abc\\\n\nx\0"), Error),
    echo!("S12-ENC-008", Say(b"SEND\ndestination:/topic/t\nk:a\\cb\\r\\n\\\\\n\nx\0"), Message(b"x"), Has("k", "a:b\r\n\\"), Wire(b"\nk:a\\cb\\r\\n\\\\\n")),
    raw!("S12-ENC-009", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:u\npasscode:p:a\\cb\nk:x\\ty\n\n\0"), Connected("1.2")),
    raw!("S12-ENC-012", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\n\n\0"), Connected("1.2"), Wire(b"\nheart-beat:1000,1000\n")),
    raw!("S12-ENC-013", Say(b"STOMP\naccept-version:1.2\nhost:h\nlogin:u\npasscode:p:a\\cb\n\n\0"), Connected("1.2")),
    echo!("S12-ENC-014", Say(b"SEND\ndestination:/topic/t\nk:  v  \n\nx\0"), Message(b"x"), Has("k", "  v  ")),
    echo!("S12-ENC-015", Say(b"SEND\ndestination:/topic/x\nreceipt:r1\n\nx\0"), Receipt("r1"), Wire(b"\nreceipt-id:r1\n")),
    echo!("S12-ENC-016", Say(b"SEND\ndestination:/topic/t\nk:a\\\\nb\n\nx\0"), Message(b"x"), Has("k", "a\\nb"), Wire(b"\nk:a\\\\nb\n")),
    echo!("S12-ENC-017", Say(b"SEND\ndestination:/topic/t\n\na\\tb:c\\n\0"), Message(b"a\\tb:c\\n")),
    echo!("S12-ENC-018", Say("SEND\ndestination:/topic/t\ncontent-type:text/plain\n\naé€😀\0".as_bytes()), Message("aé€😀".as_bytes()), Has("content-type", "text/plain")),
    echo!("S12-BDY-001", Say(b"SUBSCRIBE\nid:0\ndestination:/topic/t\nreceipt:r1\n\nBODY\0"), Error),
    echo!("S12-BDY-003", Say(b"SEND\ndestination:/topic/t\ncontent-length:4\n\n\x00\xFF\x80\n\0"), Message(b"\x00\xFF\x80\n")),
    raw!("S12-HDR-001", Connect(V), Say(b"DISCONNECT\ncontent-length:0\nreceipt:r1\n\n\0"), Receipt("r1")),
    echo!("S12-HDR-002", Say(b"SEND\ndestination:/topic/t\ncontent-length:5\n\na\0b\0c\0"), Message(b"a\0b\0c")),
    echo!("S12-HDR-003", Say(b"SEND\ndestination:/topic/t\ncontent-length:3\n\nabcdef\0"), Error),
    echo!("S12-HDR-006", Say("SEND\ndestination:/topic/t\ncontent-length:9\n\né€😀\0".as_bytes()), Message("é€😀".as_bytes()), Has("content-length", "9")),
    echo!("S12-HDR-007", Say(b"SEND\ndestination:/topic/t\n\nab\0"), Message(b"ab")),
    echo!("S12-HDR-008", Say(b"SEND\ndestination:/topic/t\ncontent-length:0\nreceipt:r1\n\n\0"), Message(b""), Receipt("r1")),
    echo!("S12-HDR-009", Say(b"SEND\ndestination:/topic/t\ncontent-length:10\nreceipt:r1\n\nabcde"), Quiet, Say(b"fghij\0"), Message(b"abcdefghij"), Receipt("r1")),
    echo!("S12-HDR-010", Say(b"SEND\ndestination:/topic/t\ncontent-length:+3\n\nabc\0"), Error),
    echo!("S12-HDR-010/huge", Say(b"SEND\ndestination:/topic/t\ncontent-length:99999999999999999999\n\nabc\0"), Error),
    echo!("S12-HDR-013", Say(b"SEND\ndestination:/topic/t\n\n\xFF\xFE\0"), Message(b"\xFF\xFE")),
    echo!("S12-HDR-017", Say(b"SEND\ndestination:/topic/t\ncontent-type:application/x-conf\n\nx\0"), Message(b"x"), Has("content-type", "application/x-conf")),
    echo!("S12-HDR-020", Say(b"SEND\ndestination:/topic/t\ndestination:/topic/z\nk:1\nk:2\n\nx\0"), Message(b"x"), Has("k", "1"), Has("destination", "/topic/t"), Quiet),
    echo!("S12-HDR-021", Say(b"SEND\ndestination:/topic/t\ncontent-length:3\ncontent-length:1\nreceipt:a\nreceipt:b\n\nabc\0"), Message(b"abc"), Receipt("a"), Quiet),
    raw!("S12-VER-002", Say(b"CONNECT\nlogin:v\npasscode:p\n\n\0"), Connected("1.0")),
    raw!("S12-VER-003", Say(b"CONNECT\naccept-version:1.0,1.1,2.0\nhost:h\nlogin:v\npasscode:p\n\n\0"), Connected("1.1")),
    raw!("S12-VER-004", Say(b"CONNECT\naccept-version:9.9\nhost:h\nlogin:v\npasscode:p\n\n\0"), Error),
    raw!("S12-VER-005", Say(b"CONNECT\naccept-version:9.9\nhost:h\nlogin:v\npasscode:p\n\n\0"), Error, Has("version", "1.0,1.1,1.2")),
    raw!("S12-VER-006", Say(b"CONNECT\naccept-version:1.1,1.1,1.2,9.9\nhost:h\nlogin:v\npasscode:p\n\n\0"), Connected("1.2")),
    raw!("S12-VER-008", Connect("1.1"), Say(b"SEND\ndestination:/topic/t\nk:a\\rb\n\nx\0"), Error),
    raw!("S11-ENC-001", Connect("1.1"), Say(b"SEND\ndestination:/topic/t\nk:a\\rb\n\nx\0"), Error),
    raw!("S11-CON-001", Say(b"STOMP\naccept-version:1.1\nhost:h\nlogin:v\npasscode:p\n\n\0"), Connected("1.1")),
    raw!("S10-ENC-001", Say(b"CONNECT\nlogin:v\npasscode:p\n\n\0"), Connected("1.0"), Say(SUB), Say(b"SEND\ndestination:/topic/t\nk:a\\tb\n\nx\0"), Wire(b"\nk:a\\tb\n")),
    raw!("S12-CON-002", Connect(V), Quiet, Alive),
    raw!("S12-CON-003", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:u\npasscode:wrong\n\n\0"), Error),
    raw!("S12-CON-004", Say(b"STOMP\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\n\n\0"), Connected("1.2")),
    raw!("S12-CON-007", Say(b"CONNECT\naccept-version:1.2\nlogin:v\npasscode:p\n\n\0"), Error),
    raw!("S12-CON-015", Say(b"SEND\ndestination:/topic/t\nreceipt:r1\n\nx\0"), Error),
    raw!("S12-CON-016", Connect(V), Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\n\n\0"), Error),
    raw!("S12-CON-018", Quiet, Connect(V), Quiet),
    raw!("S12-SRV-001", Connect(V), Say(b"FOO\nreceipt:r1\n\n\0"), Error),
    raw!("S12-SRV-002", Connect(V), Say(b"MESSAGE\n\nx\0"), Error),
];
