//! Disks that are full, as the operating system says it.

use std::{path::Path, process::Command};

use hobnail_tests::broker;

use crate::{consumer::Consumer, folder};

/// Messages of 1,000 octets.
fn publish(broker: &hobnail_mock_broker::MockBroker, numbers: std::ops::Range<u32>) {
    for n in numbers {
        broker.publish("/topic/calls", &[], format!("{n:01000}").as_bytes());
    }
}

#[test]
fn a_file_that_may_not_grow_is_told_and_memory_and_policy_go_on() {
    let (broker, (_folder, spool)) = (broker(), folder());
    // Without the trap, the signal would end the process: not the library's affair.
    let limited = "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\"";
    let wrapper = ["sh", "-c", limited];
    let mut consumer = Consumer::start_under(&wrapper, &broker, "spill", &spool.path);
    publish(&broker, 0..12_000);
    let failure = consumer.ask_until("failure", |answer| !answer.is_empty());
    assert!(failure.contains("too large"), "{failure}");
    // The newest are dropped, and the rest comes in order once the disk answers:
    // it never does for what must be written, but what is there can be read.
    consumer.ask_until("dropped", |answer| answer.parse::<u32>().unwrap() > 100);
    consumer.ask_until("received", |answer| answer == "12000");
    assert_eq!(consumer.ask("take 16"), "15");
}

#[test]
fn a_full_file_system_is_told_and_what_spills_goes_on_when_there_is_room_again() {
    let (broker, (folder, spool)) = (broker(), folder());
    if !may_mount(folder.path()) {
        eprintln!("not tested: no file system may be mounted here");
        return;
    }
    let mount = format!(
        "mount -t tmpfs -o size=8m tmpfs '{0}' && \
         head -c 5m /dev/zero > '{0}/spool.ballast' && exec \"$0\" \"$@\"",
        folder.path().display()
    );
    let wrapper = ["unshare", "-rm", "sh", "-c", &mount];
    let mut consumer = Consumer::start_under(&wrapper, &broker, "spill", &spool.path);
    publish(&broker, 0..3000);
    let failure = consumer.ask_until("failure", |answer| !answer.is_empty());
    assert!(failure.contains("No space left"), "{failure}");
    consumer.ask_until("received", |answer| answer == "3000");
    let dropped: u32 = consumer.ask("dropped").parse().unwrap();
    assert!(dropped > 0);
    assert_eq!(consumer.ask("unload"), "done");
    // What waited in memory is written now, and the order is kept.
    let kept = 3000 - dropped;
    let last: u32 = consumer.ask(&format!("take {kept}")).parse().unwrap();
    assert!(last >= kept - 1, "{last}");
    publish(&broker, 3000..3100);
    assert_eq!(consumer.ask("take 100"), "3099");
    assert_eq!(consumer.ask("dropped").parse::<u32>().unwrap(), dropped);
}

fn may_mount(folder: &Path) -> bool {
    let tried = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(folder)
        .output();
    tried.is_ok_and(|output| output.status.success())
}
