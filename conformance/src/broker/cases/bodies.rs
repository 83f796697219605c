//! S12-BDY: which frames have bodies, and what they hold.

use super::{Case, body_is, case, refuses};
use crate::grade::{Outcome, violated};

pub(super) const CASES: &[Case] = &[
    case("S12-BDY-001", |lab| {
        refuses(
            lab,
            "SUBSCRIBE\nid:0\ndestination:{dest}\nreceipt:r1\n\nBODY\0",
        )
    }),
    case("S12-BDY-002", |lab| {
        let (mut peer, connected) = lab.connect_as("1.2", "")?;
        if !connected.body.is_empty() {
            return violated(format!("CONNECTED has a body: {connected}"));
        }
        if lab.caps.receipts {
            peer.send(lab.fill("SEND\ndestination:{dest}\nreceipt:r1\n\nx\0"));
            let receipt = peer.receipt("r1")?;
            if !receipt.body.is_empty() {
                return violated(format!("RECEIPT has a body: {receipt}"));
            }
        }
        Ok(Outcome::Ok)
    }),
    case("S12-BDY-003", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        let body: Vec<u8> = (0..=255).collect();
        let mut frame = lab
            .fill("SEND\ndestination:{dest}\ncontent-length:256\n\n")
            .into_bytes();
        frame.extend_from_slice(&body);
        frame.push(0);
        peer.send_binary(frame);
        let got = consumer.message();
        body_is(&lab.blame(got, &mut peer)?, &body)
    }),
];
