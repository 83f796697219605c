//! Frames that are written, dropped, kept back, changed and damaged.

use super::*;

pub(super) const SHOWN: &[Shown] = &[
    (
        &[
            "do: send",
            "send: command",
            "send: headers",
            "send: body",
            "send: body_b64",
        ],
        a_frame_of_the_script_goes_out,
    ),
    (
        &[
            "do: error",
            "error: code",
            "error: message",
            "error: headers",
            "error: body",
            "error: close",
        ],
        an_error_says_and_ends_what_it_should,
    ),
    (
        &["do: pass", "do: drop"],
        pass_says_where_and_drop_that_it_does_not,
    ),
    (&["do: delay"], a_delay_holds_up_one_frame_only),
    (&["do: dup"], a_frame_comes_twice),
    (
        &[
            "do: hold",
            "do: release",
            "do: order",
            "release order: reverse",
            "release order: shuffle",
        ],
        frames_are_held_and_let_go_in_an_order,
    ),
    (&["do: set", "do: unset"], headers_are_set_and_taken_away),
    (
        &[
            "do: corrupt",
            "corrupt: at",
            "corrupt: xor",
            "corrupt: strip",
            "corrupt: insert",
            "corrupt: truncate",
            "corrupt strip: nul",
            "corrupt insert: at",
            "corrupt insert: hex",
        ],
        octets_are_damaged,
    ),
    (
        &["do: pad", "pad: headers", "pad: body"],
        a_frame_is_made_large,
    ),
];

#[test]
fn a_frame_of_the_script_goes_out() {
    let mut world = session(
        r#"{"on":{"recv":"SEND"},"do":[
            {"send":{"command":"MESSAGE","headers":{"a":"b:c","n":7},"body":"hi"}},
            {"send":{"command":"WHAT","body_b64":"AAH/"}}]}"#,
    );
    world.say(1, "SEND\ndestination:/topic/a\n\n");
    let sent = messages(&world, 1);
    assert_eq!(
        String::from_utf8_lossy(&sent[1].0),
        "MESSAGE\na:b\\cc\nn:7\ncontent-length:2\n\nhi\0"
    );
    assert_eq!(sent[2].0, b"WHAT\ncontent-length:3\n\n\0\x01\xff\0");
    assert!(!sent[1].1 && sent[2].1, "what is no text goes as binary");
}

#[test]
fn an_error_says_and_ends_what_it_should() {
    let mut world = session(
        r#"{"on":{"recv":"SEND"},"do":[{"error":{"code":418,"message":"no tea","headers":{"pot":"small"},
              "body":"short and stout","close":false}}]},
           {"on":{"recv":"BEGIN"},"do":[{"error":{"code":403}}]}"#,
    );
    world.say(1, "SEND\ndestination:/topic/a\nreceipt:r\n\n");
    let (_, error) = world.frames(1).remove(1);
    assert_eq!(error.command, "ERROR");
    assert_eq!(error.header("code"), Some("418"));
    assert!(
        error
            .header("message")
            .is_some_and(|m| m.contains("no tea")),
        "{error}"
    );
    assert_eq!(error.header("pot"), Some("small"));
    assert_eq!(error.header("receipt-id"), Some("r"), "it names its cause");
    assert_eq!(error.text(), Some("short and stout"));
    let closes = |o: &Output| {
        matches!(
            o,
            Output::Close {
                conn: 1,
                code: 1008,
                ..
            }
        )
    };
    assert!(when(&world, closes).is_empty(), "`close` is false");
    world.say(1, "BEGIN\ntransaction:t\n\n");
    assert_eq!(code(&world, 1).as_deref(), Some("403"));
    assert_eq!(when(&world, closes).len(), 1);
}

#[test]
fn pass_says_where_and_drop_that_it_does_not() {
    let mut world = session(&format!(
        r#"{{"on":{{"recv":"SEND"}},"do":[{},"pass",{}]}}, {{"on":{{"recv":"BEGIN"}},"do":["drop"]}}"#,
        says("before"),
        says("behind"),
    ));
    world.say(1, "SEND\ndestination:/topic/a\nreceipt:r\n\n");
    let order: Vec<String> = world.frames(1)[1..]
        .iter()
        .map(|(_, f)| f.header("says").unwrap_or(&f.command).to_owned())
        .collect();
    assert_eq!(order, ["before", "RECEIPT", "behind"]);
    world.say(1, "BEGIN\ntransaction:t\nreceipt:s\n\n");
    world.say(1, "COMMIT\ntransaction:t\n\n");
    assert_eq!(world.commands(1).last().map(String::as_str), Some("ERROR"));
    assert_eq!(
        world.frames(1).len(),
        5,
        "no RECEIPT, and no such transaction"
    );
}

#[test]
fn a_delay_holds_up_one_frame_only() {
    let mut world = session(r#"{"on":{"send":"RECEIPT","nth":1},"do":[{"delay":"2s"},"pass"]}"#);
    for receipt in ["slow", "quick"] {
        world.say(
            1,
            &format!("SEND\ndestination:/topic/a\nreceipt:{receipt}\n\n"),
        );
    }
    world.pass(10 * SECOND);
    let receipts: Vec<_> = world.frames(1)[1..]
        .iter()
        .map(|(at, f)| (*at, f.header("receipt-id").unwrap_or_default().to_owned()))
        .collect();
    let expected = [(Duration::ZERO, "quick"), (2 * SECOND, "slow")];
    assert_eq!(receipts, expected.map(|(at, id)| (at, id.to_owned())));
}

#[test]
fn a_frame_comes_twice() {
    let mut world = reader(
        r#"{"on":{"send":"MESSAGE"},"do":[{"dup":3}]}, {"on":{"recv":"SEND"},"do":[{"dup":2}]}"#,
    );
    world.say(1, "SEND\ndestination:/topic/a\n\nx");
    assert_eq!(
        texts(&world, 1),
        ["x"; 6],
        "heard twice, sent three times each"
    );
}

#[test]
fn frames_are_held_and_let_go_in_an_order() {
    let run = |seed: u64, order: &str| {
        let json = format!(
            r#"{{"seed":{seed},"broker":{{"heart-beat":"0,0"}},"rules":[
                {{"on":{{"send":"MESSAGE"}},"do":[{{"hold":"h"}}]}},
                {{"on":{{"recv":"BEGIN"}},"do":[{{"release":"h"{order}}}]}}]}}"#
        );
        let mut world = world(&json);
        world.connect(1, "");
        subscribe(&mut world, 1);
        for body in ["a", "b", "c", "d", "e", "f"] {
            publish(&mut world, "/topic/a", body);
        }
        assert_eq!(texts(&world, 1), [""; 0], "all of them are held");
        world.say(1, "BEGIN\ntransaction:t\n\n");
        texts(&world, 1).concat()
    };
    assert_eq!(run(0, ""), "abcdef");
    assert_eq!(run(0, r#","order":[2,0,1]"#), "cabdef");
    assert_eq!(run(0, r#","order":"reverse""#), "fedcba");
    let shuffled: Vec<String> = (0..5)
        .map(|seed| run(seed, r#","order":"shuffle""#))
        .collect();
    let mut sorted: Vec<char> = shuffled[0].chars().collect();
    sorted.sort_unstable();
    assert_eq!(sorted.into_iter().collect::<String>(), "abcdef");
    assert!(shuffled.iter().any(|s| *s != shuffled[0]), "{shuffled:?}");
    assert_eq!(run(3, r#","order":"shuffle""#), shuffled[3]);
}

#[test]
fn headers_are_set_and_taken_away() {
    let mut world = reader(
        r#"{"on":{"send":"MESSAGE"},"do":[{"set":{"n":"changed","new":"x"}},{"unset":["content-length","subscription"]}]}"#,
    );
    publish(&mut world, "/topic/a", "x");
    let (_, message) = world.frames(1).remove(1);
    assert_eq!(message.header("n"), Some("changed"));
    assert_eq!(message.header("new"), Some("x"));
    assert_eq!(message.header("content-length"), None);
    assert_eq!(message.header("subscription"), None);
}

#[test]
fn octets_are_damaged() {
    for (how, damaged) in [
        (r#"{"at":2,"xor":"20"}"#, &b"MEsSAGE\n\nx\0"[..]),
        (r#"{"at":-2,"xor":"0101"}"#, b"MESSAGE\n\ny\x01"),
        (r#"{"strip":"nul"}"#, b"MESSAGE\n\nx"),
        (
            r#"{"insert":{"at":1,"hex":"00 ff"}}"#,
            b"M\0\xffESSAGE\n\nx\0",
        ),
        (r#"{"insert":{"at":-1,"hex":"0a"}}"#, b"MESSAGE\n\nx\n\0"),
        (r#"{"truncate":3}"#, b"MES"),
        (r#"{"truncate":-3}"#, b"MESSAGE\n"),
    ] {
        // Of the frame there is left what the table shows whole.
        let bare = r#"["n","content-length","subscription","message-id","destination"]"#;
        let mut world = reader(&format!(
            r#"{{"on":{{"send":"MESSAGE"}},"do":[{{"unset":{bare}}},{{"corrupt":{how}}}]}}"#
        ));
        publish(&mut world, "/topic/a", "x");
        assert_eq!(messages(&world, 1)[1].0, damaged, "{how}");
    }
}

#[test]
fn a_frame_is_made_large() {
    let mut world = reader(
        r#"{"on":{"send":"MESSAGE","nth":1},"do":[{"pad":{"headers":40}}]},
           {"on":{"send":"MESSAGE","nth":2},"do":[{"pad":{"body":"1MiB"}}]}"#,
    );
    for _ in 0..2 {
        publish(&mut world, "/topic/a", "x");
    }
    let frames = world.frames(1);
    let (many, large) = (&frames[1].1, &frames[2].1);
    assert!(many.headers.len() > 40, "{}", many.headers.len());
    assert_eq!(many.body.len(), 1);
    assert_eq!(large.body.len(), (1 << 20) + 1);
    assert_eq!(large.header("content-length"), Some("1048577"));
}
