//! Two codecs that share no code read what the other writes.

use crate::{
    roundtrip::{parts, pieces, sizes},
    support::*,
};
use hobnail::frame::Version;
use hobnail_mock_broker::wire;
use proptest::prelude::*;

fn theirs(version: Version) -> wire::Version {
    match version {
        V1_0 => wire::Version::V1_0,
        V1_1 => wire::Version::V1_1,
        V1_2 => wire::Version::V1_2,
    }
}

fn their_view(frame: &wire::Frame) -> Seen {
    Seen {
        command: frame.command.clone(),
        headers: frame.headers.clone(),
        body: frame.body.clone(),
    }
}

proptest! {
    #[test]
    fn what_we_write_the_broker_reads(parts in parts(), sizes in sizes()) {
        let octets = parts.encode();
        let mut decoder = wire::Decoder::new(theirs(parts.version));
        let mut frames = Vec::new();
        for piece in pieces(&octets, &sizes) {
            frames.extend(decoder.push(piece).unwrap());
        }
        let frames: Vec<Seen> = frames.iter().map(their_view).collect();
        prop_assert_eq!(frames, vec![parts.seen()]);
    }

    #[test]
    fn what_the_broker_writes_we_read(parts in parts(), sizes in sizes()) {
        let version = parts.version;
        let seen = parts.seen();
        let frame = wire::Frame {
            command: seen.command.clone(),
            headers: seen.headers.clone(),
            body: seen.body.clone(),
        };
        let octets = wire::encode(&frame, theirs(version));
        let frames = decode(version, pieces(&octets, &sizes)).unwrap();
        prop_assert_eq!(frames, vec![seen]);
    }
}
