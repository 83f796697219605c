//! Subscriptions, acknowledgements, transactions, receipts, heart-beats.

use super::Case;
use super::Step::{
    Again, Alive, Beats, Connect, Error, Has, Lacks, Lose, Message, NoBeats, On, Pass, Quiet,
    Receipt, Say,
};

const V: &str = "1.2";
const AUTO: &[u8] = b"SUBSCRIBE\nid:0\ndestination:/queue/q\n\n\0";
const CLIENT: &[u8] = b"SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client\n\n\0";
const EACH: &[u8] = b"SUBSCRIBE\nid:0\ndestination:/queue/q\nack:client-individual\n\n\0";
const THREE: &[u8] = b"SEND\ndestination:/queue/q\n\n1\0SEND\ndestination:/queue/q\n\n2\0SEND\ndestination:/queue/q\n\n3\0";
const ONE: &[u8] = b"SEND\ndestination:/queue/q\n\n1\0";
const IN_TX: &[u8] = b"BEGIN\ntransaction:t1\n\n\0SEND\ndestination:/queue/q\ntransaction:t1\n\na\0SEND\ndestination:/queue/q\ntransaction:t1\n\nb\0";

macro_rules! case {
    ($id:literal, $($step:expr),+ $(,)?) => {
        Case { id: $id, steps: &[Connect(V), $($step),+] }
    };
}
macro_rules! bare {
    ($id:literal, $($step:expr),+ $(,)?) => {
        Case { id: $id, steps: &[$($step),+] }
    };
}

pub(super) const CASES: &[Case] = &[
    case!("S12-SND-001", Say(b"SEND\n\nx\0"), Error),
    case!("S12-SND-002", Say("SUBSCRIBE\nid:0\ndestination:/topic/a b%\\cé\n\n\0SEND\ndestination:/topic/a b%\\cé\n\nx\0".as_bytes()), Message(b"x"), Has("destination", "/topic/a b%:é")),
    case!("S12-SND-005", Say(b"SUBSCRIBE\nid:0\ndestination:/topic/t\n\n\0SEND\ndestination:/topic/t\nconf-a:1\nconf-b:\nconf-c:x\\cy\n\nx\0"), Message(b"x"), Has("conf-a", "1"), Has("conf-b", ""), Has("conf-c", "x:y")),
    case!("S12-SND-007", Say(AUTO), Say(b"SEND\ndestination:/queue/q\n\n\0"), Message(b"")),
    case!("S12-SUB-001", Say(b"SUBSCRIBE\nid:0\n\n\0"), Error),
    case!("S12-SUB-002", Say(b"SUBSCRIBE\ndestination:/queue/q\n\n\0"), Error),
    case!("S12-SUB-003", Say(AUTO), Say(AUTO), Error),
    case!("S12-SUB-004", Say(b"SUBSCRIBE\nid:0\ndestination:/topic/t\n\n\0"), On(2), Connect(V), Say(b"SUBSCRIBE\nid:0\ndestination:/topic/t\n\n\0SEND\ndestination:/topic/t\n\nx\0"), Message(b"x"), On(1), Message(b"x")),
    case!("S12-SUB-005", Say(b"SUBSCRIBE\nid:0\ndestination:/queue/q\nreceipt:s\n\n\0"), Receipt("s"), Say(THREE), Message(b"1"), Message(b"2"), Message(b"3")),
    case!("S12-SUB-007", Say(AUTO), Say(ONE), Message(b"1"), Lacks("ack"), Lose, On(2), Connect(V), Say(AUTO), Quiet),
    case!("S12-SUB-007/bogus", Say(b"SUBSCRIBE\nid:0\ndestination:/queue/q\nack:bogus\n\n\0"), Error),
    case!("S12-SUB-008", Say(AUTO), Say(b"UNSUBSCRIBE\nid:0\nreceipt:u\n\n\0"), Receipt("u"), Say(AUTO), Say(ONE), Message(b"1")),
    case!("S12-SUB-009", Say(b"SUBSCRIBE\nid:0\ndestination:/topic/t\n\n\0SUBSCRIBE\nid:1\ndestination:/topic/t\n\n\0SEND\ndestination:/topic/t\n\nx\0"), Message(b"x"), Message(b"x"), Quiet),
    case!("S12-SUB-009/queue", Say(AUTO), Say(b"SUBSCRIBE\nid:1\ndestination:/queue/q\n\n\0"), Say(ONE), Message(b"1"), Quiet),
    case!("S12-SUB-010", Say(b"SUBSCRIBE\nid:0\ndestination:/queue/q\nx-conf:1\nreceipt:s\n\n\0"), Receipt("s")),
    case!("S12-ACM-001", Say(AUTO), Say(ONE), Message(b"1"), Say(b"DISCONNECT\n\n\0"), On(2), Connect(V), Say(AUTO), Pass(2000), Quiet),
    case!("S12-ACM-003", Say(CLIENT), Say(ONE), Message(b"1"), Lose, On(2), Connect(V), Say(CLIENT), Again(b"1")),
    case!("S12-ACM-004", Say(CLIENT), Say(THREE), Message(b"1"), Message(b"2"), Message(b"3"), Say(b"ACK\nid:{ack}\nreceipt:a\n\n\0"), Receipt("a"), Lose, On(2), Connect(V), Say(AUTO), Quiet),
    case!("S12-ACM-005", Say(CLIENT), Say(b"SUBSCRIBE\nid:b\ndestination:/queue/b\nack:client\n\n\0SEND\ndestination:/queue/b\n\nB\0"), Message(b"B"), Say(ONE), Message(b"1"), Say(b"ACK\nid:{ack}\nreceipt:a\n\n\0"), Receipt("a"), Lose, On(2), Connect(V), Say(AUTO), Quiet, Say(b"SUBSCRIBE\nid:b\ndestination:/queue/b\n\n\0"), Again(b"B")),
    case!("S12-ACM-006", Say(EACH), Say(THREE), Message(b"1"), Message(b"2"), Message(b"3"), Say(b"ACK\nid:{ack}\nreceipt:a\n\n\0"), Receipt("a"), Lose, On(2), Connect(V), Say(AUTO), Again(b"1"), Again(b"2"), Quiet),
    case!("S12-UNS-001", Say(AUTO), Say(b"UNSUBSCRIBE\ndestination:/queue/q\n\n\0"), Error),
    case!("S12-UNS-002", Say(b"UNSUBSCRIBE\nid:nosuch\nreceipt:r1\n\n\0"), Error, Has("receipt-id", "r1")),
    case!("S12-UNS-003", Say(AUTO), Say(b"UNSUBSCRIBE\nid:0\nreceipt:r1\n\n\0"), Receipt("r1"), Say(THREE), Pass(2000), Quiet),
    case!("S12-UNS-005", Say(b"SUBSCRIBE\nid:0\ndestination:/topic/t\n\n\0SUBSCRIBE\nid:1\ndestination:/topic/t\n\n\0UNSUBSCRIBE\nid:0\n\n\0SEND\ndestination:/topic/t\n\nx\0"), Message(b"x"), Has("subscription", "1"), Quiet),
    case!("S12-ACK-001", Say(CLIENT), Say(ONE), Message(b"1"), Say(b"ACK\nid:m-3\n\n\0"), Error),
    case!("S12-ACK-002", Say(CLIENT), Say(ONE), Message(b"1"), Say(b"ACK\nsubscription:0\nmessage-id:m-3\n\n\0"), Error),
    case!("S12-ACK-003", Say(b"ACK\nid:nosuch\n\n\0"), Error),
    case!("S12-ACK-003/twice", Say(CLIENT), Say(ONE), Message(b"1"), Say(b"ACK\nid:{ack}\nreceipt:a\n\n\0"), Receipt("a"), Say(b"ACK\nid:{ack}\nreceipt:b\n\n\0"), Error),
    case!("S12-ACK-006", Say(CLIENT), Say(ONE), Message(b"1"), Pass(3000), Lose, On(2), Connect(V), Say(AUTO), Again(b"1")),
    case!("S12-NAK-001", Say(b"NACK\n\n\0"), Error),
    case!("S12-NAK-002", Say(EACH), Say(ONE), Message(b"1"), Say(b"NACK\nid:{ack}\n\n\0"), Again(b"1")),
    case!("S12-NAK-003", Say(CLIENT), Say(THREE), Message(b"1"), Message(b"2"), Message(b"3"), Say(b"NACK\nid:{ack}\n\n\0"), Again(b"1"), Again(b"2"), Again(b"3"), Say(b"ACK\nid:{ack0}\n\n\0"), Error),
    case!("S12-NAK-003/each", Say(EACH), Say(THREE), Message(b"1"), Message(b"2"), Message(b"3"), Say(b"NACK\nid:{ack1}\n\n\0"), Again(b"2"), Lose, On(2), Connect(V), Say(AUTO), Again(b"1"), Again(b"2"), Again(b"3")),
    case!("S12-TXN-001", Say(b"BEGIN\n\n\0"), Error),
    case!("S12-TXN-001/commit", Say(b"COMMIT\n\n\0"), Error),
    case!("S12-TXN-001/abort", Say(b"ABORT\n\n\0"), Error),
    case!("S12-TXN-002", Say(b"BEGIN\ntransaction:t1\n\n\0BEGIN\ntransaction:t1\n\n\0"), Error),
    case!("S12-TXN-003", Say(AUTO), Say(IN_TX), Pass(1000), Quiet, Say(b"COMMIT\ntransaction:t1\n\n\0"), Message(b"a"), Message(b"b")),
    case!("S12-TXN-004", Say(AUTO), Say(IN_TX), Say(b"ABORT\ntransaction:t1\nreceipt:r\n\n\0"), Receipt("r"), Pass(2000), Quiet),
    case!("S12-TXN-005", Say(b"COMMIT\ntransaction:nosuch\n\n\0"), Error),
    case!("S12-TXN-006", Say(IN_TX), Say(b"DISCONNECT\nreceipt:r1\n\n\0"), Receipt("r1"), On(2), Connect(V), Say(AUTO), Pass(2000), Quiet),
    case!("S12-TXN-007", Say(IN_TX), Lose, On(2), Connect(V), Say(AUTO), Pass(2000), Quiet),
    case!("S12-TXN-008", Say(CLIENT), Say(ONE), Message(b"1"), Say(b"BEGIN\ntransaction:t1\n\n\0ACK\nid:{ack}\ntransaction:t1\n\n\0ABORT\ntransaction:t1\n\n\0"), Lose, On(2), Connect(V), Say(AUTO), Again(b"1")),
    case!("S12-TXN-008/commit", Say(CLIENT), Say(ONE), Message(b"1"), Say(b"BEGIN\ntransaction:t1\n\n\0ACK\nid:{ack}\ntransaction:t1\n\n\0COMMIT\ntransaction:t1\n\n\0"), Lose, On(2), Connect(V), Say(AUTO), Quiet),
    case!("S12-TXN-009", Say(b"BEGIN\ntransaction:t1\n\n\0"), On(2), Connect(V), Say(b"BEGIN\ntransaction:t1\n\n\0COMMIT\ntransaction:t1\n\n\0BEGIN\ntransaction:t1\nreceipt:again\n\n\0"), Receipt("again")),
    case!("S12-DIS-002", Say(b"DISCONNECT\nreceipt:r1\n\n\0SEND\ndestination:/queue/q\n\nlate\0"), Receipt("r1"), On(2), Connect(V), Say(AUTO), Quiet),
    case!("S12-DIS-003", Say(THREE), Say(b"DISCONNECT\nreceipt:r1\n\n\0"), Receipt("r1"), On(2), Connect(V), Say(AUTO), Message(b"1"), Message(b"2"), Message(b"3")),
    case!("S12-DIS-004", Say(b"DISCONNECT\n\n\0"), super::Step::Closed, Quiet),
    case!("S12-MSG-001", Say(AUTO), Say(ONE), Message(b"1"), Has("destination", "/queue/q")),
    case!("S12-MSG-004", Say("SUBSCRIBE\nid:a\\cb\\\\é\ndestination:/queue/q\n\n\0".as_bytes()), Say(ONE), Message(b"1"), Has("subscription", "a:b\\é")),
    case!("S12-MSG-005", Say(EACH), Say(ONE), Message(b"1"), Say(b"ACK\nid:{ack}\nreceipt:a\n\n\0"), Receipt("a")),
    case!("S12-RCT-101", Say(b"SEND\ndestination:/queue/q\nreceipt:r1\n\nx\0"), Receipt("r1")),
    case!("S12-RCT-102", Say(b"SUBSCRIBE\nid:0\ndestination:/queue/q\nreceipt:r1\n\n\0"), Receipt("r1")),
    case!("S12-RCT-103", Say(AUTO), Say(b"UNSUBSCRIBE\nid:0\nreceipt:r1\n\n\0"), Receipt("r1")),
    case!("S12-RCT-104", Say(CLIENT), Say(ONE), Message(b"1"), Say(b"ACK\nid:{ack}\nreceipt:r1\n\n\0"), Receipt("r1")),
    case!("S12-RCT-105", Say(CLIENT), Say(ONE), Message(b"1"), Say(b"NACK\nid:{ack}\nreceipt:r1\n\n\0"), Receipt("r1"), Again(b"1")),
    case!("S12-RCT-106", Say(b"BEGIN\ntransaction:t1\nreceipt:r1\n\n\0"), Receipt("r1")),
    case!("S12-RCT-107", Say(b"BEGIN\ntransaction:t1\n\n\0COMMIT\ntransaction:t1\nreceipt:r1\n\n\0"), Receipt("r1")),
    case!("S12-RCT-108", Say(b"BEGIN\ntransaction:t1\n\n\0ABORT\ntransaction:t1\nreceipt:r1\n\n\0"), Receipt("r1")),
    case!("S12-RCT-109", Say(b"DISCONNECT\nreceipt:r1\n\n\0"), Receipt("r1")),
    case!("S12-RCT-001", Say("SEND\ndestination:/queue/q\nreceipt:a\\cb\\\\c d,é\n\nx\0".as_bytes()), Receipt("a:b\\c d,é")),
    case!("S12-RCT-002", Say(THREE), Say(b"SEND\ndestination:/queue/q\nreceipt:r\n\n4\0"), Receipt("r"), Lose, On(2), Connect(V), Say(AUTO), Message(b"1"), Message(b"2"), Message(b"3"), Message(b"4")),
    case!("S12-RCT-004", Say(b"SEND\ndestination:/queue/q\nreceipt:1\n\nx\0SEND\ndestination:/queue/q\n\nx\0BEGIN\ntransaction:t\nreceipt:2\n\n\0"), Receipt("1"), Receipt("2"), Quiet),
    case!("S12-RCT-005", Say(b"SEND\nreceipt:r1\n\nx\0"), Error, Quiet),
    case!("S12-ERR-002", Say(b"SEND\n\nx\0"), Error),
    case!("S12-ERR-005", Say(b"SEND\nreceipt:r1\n\nx\0"), Error, Has("receipt-id", "r1")),
    case!("S12-ERR-007", Say(AUTO), Say(b"SEND\n\nx\0"), Error, On(2), Connect(V), Say(ONE), On(1), Quiet),
    bare!("S12-HBT-002", Connect(V), Pass(30_000), NoBeats, Alive),
    bare!("S12-HBT-003", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\nheart-beat:0,0\n\n\0"), Pass(10_000), NoBeats, Alive),
    bare!("S12-HBT-007", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\nheart-beat:0,2000\n\n\0"), Pass(10_000), Beats(2000), Alive),
    bare!("S12-HBT-010", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\nheart-beat:1000,0\n\n\0"), super::Step::Connected("1.2"), Pass(1000), Alive, Pass(4000), Error),
    bare!("S12-HBT-011", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\nheart-beat:1000,0\n\n\0"), Pass(1200), Say(b"\n"), Pass(1200), Say(b"\n"), Pass(1200), Say(b"\r\n"), Pass(1200), Alive),
    bare!("S12-HBT-013", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\nheart-beat:0,1000\n\n\0"), Pass(10_000), Beats(1000), Alive),
    bare!("S12-HBT-015", Pass(5000), NoBeats),
    bare!("S12-HBT-016", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\nheart-beat:1000, 1000\n\n\0"), Error),
    bare!("S12-HBT-017", Say(b"CONNECT\naccept-version:1.2\nhost:h\nlogin:v\npasscode:p\nheart-beat:2147483648,9999999999\n\n\0"), super::Step::Connected("1.2"), Pass(10_000), Alive),
    bare!("S11-ACK-001", Connect("1.1"), Say(CLIENT), Say(ONE), Say(b"ACK\nmessage-id:m-3\nreceipt:r\n\n\0"), Message(b"1"), Error),
    bare!("S10-SUB-001", Say(b"CONNECT\nlogin:v\npasscode:p\n\n\0"), super::Step::Connected("1.0"), Say(b"SUBSCRIBE\ndestination:/queue/q\n\n\0"), Say(ONE), Message(b"1"), Say(b"UNSUBSCRIBE\ndestination:/queue/q\nreceipt:u\n\n\0"), Receipt("u"), Say(ONE), Quiet),
    bare!("S10-RCT-001", Say(b"CONNECT\nlogin:v\npasscode:p\n\n\0"), super::Step::Connected("1.0"), Say(b"SEND\ndestination:/queue/q\nreceipt:r1\n\nx\0"), Receipt("r1")),
];
