//! The judge judged: each planted bug fails the cases that name it, and no other.

use super::{REFERENCE, observed, report, wrong};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What every wrong client is asked, besides the cases that name its bug.
const ASKED: &[&str] = &[
    "S12-FRM-002",
    "S12-FRM-003",
    "S12-FRM-018",
    "S12-ENC-001",
    "S12-ENC-008",
    "S12-ENC-010",
    "S12-ENC-011",
    "S12-ENC-014",
    "S12-ENC-017",
    "S12-HDR-002",
    "S12-HDR-003",
    "S12-HDR-006/send",
    "S12-SND-001",
    "S12-SUB-005",
    "S12-SUB-009",
    "S12-ACK-001",
    "S12-TXN-001",
    "S12-RCT-001",
    "S12-RCT-006",
    "S12-CON-007",
    "WS-CTL-001/before-connected",
    "WS-FRM-004",
    "WS-HSK-002/wrong-accept",
    "WS-CTL-003/1000",
    "SWS-TYP-002",
];

/// A bug, what is asked because of it, and all that it fails.
type Planted = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const BUGS: &[Planted] = &[
    (
        "acks-by-message-id",
        &["S12-NAK-001"],
        &["S12-ACK-001", "S12-ACK-001/each-its-own", "S12-NAK-001"],
    ),
    (
        "acks-old-connections",
        &["S12-ERR-009/stale-ack"],
        &["S12-ERR-009/stale-ack"],
    ),
    (
        "answers-no-close",
        &["WS-CLS-003/no-code"],
        &["WS-CLS-003/no-code", "WS-CTL-003/1000"],
    ),
    (
        "answers-no-ping",
        &["WS-FRM-009", "WS-HSK-009"],
        &["WS-CTL-001/before-connected", "WS-FRM-009", "WS-HSK-009"],
    ),
    ("any-receipt", &[], &["S12-RCT-006"]),
    (
        "any-version",
        &["S12-CON-011", "S12-CON-017"],
        &["S12-CON-011", "S12-CON-017/1.1", "S12-CON-017/9.9"],
    ),
    (
        "beats-before-connected",
        &["S12-HBT-015"],
        &["S12-HBT-015", "S12-HBT-015/passive"],
    ),
    ("beats-late", &["S12-HBT-013"], &["S12-HBT-013"]),
    ("beats-never", &["S12-HBT-008"], &["S12-HBT-008"]),
    (
        "cr-in-values",
        &["S12-FRM-005"],
        &["S12-FRM-003", "S12-FRM-005"],
    ),
    ("content-length-in-characters", &[], &["S12-HDR-006/send"]),
    (
        "content-length-ignored",
        &["S12-BDY-003"],
        &["S12-BDY-003", "S12-HDR-002", "S12-HDR-003"],
    ),
    (
        "double-unescape",
        &["S12-ENC-003", "S12-ENC-016"],
        &["S12-ENC-003", "S12-ENC-016", "S12-RCT-001"],
    ),
    ("drops-octets-after-101", &["WS-HSK-009"], &["WS-HSK-009"]),
    (
        "drops-second-frame",
        &["S12-FRM-021", "SWS-MAP-002"],
        &[
            "S12-FRM-021",
            "S12-FRM-021/with-connected",
            "S12-HDR-002",
            "SWS-MAP-002",
        ],
    ),
    ("error-is-ignored", &["S12-SND-006"], &["S12-SND-006"]),
    ("escapes-connect", &[], &["S12-ENC-010"]),
    (
        "escapes-nothing",
        &[],
        &["S12-ENC-008", "S12-ENC-008/in-a-name", "S12-RCT-001"],
    ),
    ("fin-is-1000", &["WS-CLS-003/fin"], &["WS-CLS-003/fin"]),
    ("fragments-are-messages", &["WS-TXT-002"], &["WS-TXT-002"]),
    (
        "frames-after-disconnect",
        &["S12-DIS-002"],
        &["S12-DIS-002", "S12-DIS-002/passive"],
    ),
    ("hangs-on-close", &["S12-DIS-007"], &["S12-DIS-007"]),
    ("host-missing", &[], &["S12-CON-007"]),
    (
        "last-header-wins",
        &["S12-HDR-020", "S12-HDR-021"],
        &["S12-HDR-020", "S12-HDR-021"],
    ),
    (
        "lenient-escapes",
        &["S12-ENC-006", "S12-ENC-007"],
        &[
            "S12-ENC-006/capital-n",
            "S12-ENC-006/in-a-name",
            "S12-ENC-006/t",
            "S12-ENC-007",
            "S12-ENC-007/cut",
        ],
    ),
    ("lenient-length", &[], &["S12-HDR-003"]),
    ("masks-constantly", &["WS-FRM-001"], &["WS-FRM-001"]),
    (
        "masks-never",
        &["WS-FRM-001"],
        &["WS-FRM-001", "WS-FRM-001/passive"],
    ),
    ("min-heart-beat", &["S12-HBT-006/max"], &["S12-HBT-006/max"]),
    (
        "one-frame-per-message",
        &["S12-FRM-007", "SWS-MAP-001"],
        &["S12-FRM-007", "SWS-MAP-001"],
    ),
    (
        "receipt-id-on-send",
        &["S12-HDR-018/send"],
        &["S12-HDR-018/send", "S12-RCT-001", "S12-RCT-006"],
    ),
    ("reconnects-at-once", &["WS-RCN-002"], &["WS-RCN-002"]),
    (
        "resends-connect",
        &["S12-CON-016"],
        &["S12-CON-016", "S12-CON-016/passive"],
    ),
    (
        "routes-to-anyone",
        &["S12-MSG-004"],
        &["S12-MSG-004", "S12-SUB-009"],
    ),
    (
        "rsv-is-ignored",
        &["WS-FRM-005"],
        &["WS-FRM-005/rsv1", "WS-FRM-005/rsv2", "WS-FRM-005/rsv3"],
    ),
    (
        "same-subscription-ids",
        &["S12-SUB-003"],
        &["S12-SUB-003", "S12-SUB-003/passive", "S12-SUB-009"],
    ),
    (
        "same-transaction-ids",
        &["S12-TXN-002"],
        &["S12-TXN-002", "S12-TXN-002/passive"],
    ),
    ("splits-at-every-colon", &["S12-FRM-016"], &["S12-FRM-016"]),
    (
        "subprotocol-unregistered",
        &["SWS-SUB-001"],
        &["SWS-SUB-001", "SWS-SUB-001/passive"],
    ),
    (
        "subscribes-early",
        &["S12-ERR-009/reconnect"],
        &["S12-ERR-009/reconnect"],
    ),
    (
        "swaps-heart-beats",
        &["S12-HBT-005/server-slower"],
        &["S12-HBT-005/server-slower"],
    ),
    (
        "takes-any-accept",
        &["WS-HSK-002"],
        &[
            "WS-HSK-002/no-accept",
            "WS-HSK-002/no-connection",
            "WS-HSK-002/no-upgrade",
            "WS-HSK-002/wrong-accept",
        ],
    ),
    ("takes-any-subprotocol", &["WS-HSK-003"], &["WS-HSK-003"]),
    ("takes-masked-frames", &[], &["WS-FRM-004"]),
    (
        "text-always",
        &["WS-TXT-001/passive"],
        &["SWS-TYP-002", "WS-TXT-001/passive"],
    ),
    ("trims-headers", &[], &["S12-ENC-014", "S12-ENC-014/name"]),
    ("unescapes-connected", &[], &["S12-ENC-011"]),
    (
        "unescapes-never",
        &["S12-ENC-002"],
        &["S12-ENC-001", "S12-ENC-002", "S12-RCT-001"],
    ),
    ("utf-8-unchecked", &["WS-TXT-001"], &["WS-TXT-001"]),
];

#[test]
fn each_bug_fails_what_names_it_and_nothing_else() {
    let next = AtomicUsize::new(0);
    // What hangs takes longest: it begins.
    let mut bugs: Vec<&Planted> = BUGS.iter().collect();
    bugs.sort_by_key(|(bug, ..)| *bug != "hangs-on-close");
    // They wait far more than they compute.
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while let Some((bug, named, fails)) = bugs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let args = [&["--time-scale=3", "--jobs=8"], ASKED, named].concat();
                    let ask = || report(&args, &[REFERENCE, "--bug", bug]).1;
                    let mut report = ask();
                    if wrong(&report) != *fails {
                        // Many clients at once on few processors: one is late at times.
                        println!("asked again, {bug}:\n{}", observed(&report));
                        report = ask();
                    }
                    assert_eq!(wrong(&report), *fails, "{bug}:\n{}", observed(&report));
                }
            });
        }
    });
}

#[test]
fn every_bug_is_judged() {
    let list = Command::new(REFERENCE).arg("--list").output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let judged: Vec<&str> = BUGS.iter().map(|(bug, ..)| *bug).collect();
    assert_eq!(list.lines().collect::<Vec<_>>(), judged);
    assert!(BUGS.len() >= 30 && BUGS.iter().all(|(_, _, fails)| !fails.is_empty()));
}
