//! Every action as a scenario file has it, and in Rust.

use super::SECOND;
use hobnail_mock_broker::http::Response;
use hobnail_mock_broker::script::{
    Between, Corrupt, Direction, EventKind, Garbage, HeadFault, Kind, Order, RawAs, Size, TlsFault,
};
use hobnail_mock_broker::{Action, Frame, Trigger, act, on};

/// Actions that any frame about to leave may have, and the words for them.
pub(super) fn of_frames() -> Vec<(&'static str, Action)> {
    let xor = Corrupt::Xor {
        at: 1,
        with: vec![0x20],
    };
    let insert = Corrupt::Insert {
        at: -1,
        octets: vec![0],
    };
    vec![
        (r#""pass""#, act::pass()),
        (r#""drop""#, act::drop_it()),
        (
            r#"{"send":{"command":"A","headers":{"b":"c"},"body":"d"}}"#,
            act::send(Frame::new("A").with("b", "c").body("d")),
        ),
        (
            r#"{"send":{"command":"A","body_b64":"AA=="}}"#,
            act::send(Frame::new("A").body([0])),
        ),
        (
            r#"{"error":{"code":401,"message":"m","headers":{"a":"b"},"body":"c","close":false}}"#,
            act::error(401)
                .message("m")
                .header("a", "b")
                .body("c")
                .keep_open()
                .into(),
        ),
        (r#"{"error":{"message":"m"}}"#, act::plain_error("m").into()),
        (r#"{"delay":"1s"}"#, act::delay(SECOND)),
        (r#"{"dup":2}"#, act::dup(2)),
        (r#"{"set":{"a":"b"}}"#, act::set("a", "b")),
        (r#"{"unset":["a"]}"#, act::unset("a")),
        (r#"{"hold":"h"}"#, act::hold("h")),
        (r#"{"release":"h"}"#, act::release("h", Order::AsHeld)),
        (
            r#"{"release":"h","order":[1,0]}"#,
            act::release("h", Order::Positions(vec![1, 0])),
        ),
        (
            r#"{"release":"h","order":"reverse"}"#,
            act::release("h", Order::Reverse),
        ),
        (
            r#"{"release":"h","order":"shuffle"}"#,
            act::release("h", Order::Shuffle),
        ),
        (r#"{"corrupt":{"at":1,"xor":"20"}}"#, act::corrupt(xor)),
        (
            r#"{"corrupt":{"strip":"nul"}}"#,
            act::corrupt(Corrupt::StripNul),
        ),
        (
            r#"{"corrupt":{"insert":{"at":-1,"hex":"00"}}}"#,
            act::corrupt(insert),
        ),
        (
            r#"{"corrupt":{"truncate":-3}}"#,
            act::corrupt(Corrupt::Truncate(-3)),
        ),
        (r#"{"pad":{"headers":3,"body":"1KiB"}}"#, act::pad(3, 1024)),
        (r#"{"raw":{"hex":"00"}}"#, act::raw([0], RawAs::Text)),
        (
            r#"{"raw":{"text":"a","ws":"text"}}"#,
            act::raw("a", RawAs::Text),
        ),
        (
            r#"{"raw":{"text":"a","ws":"binary"}}"#,
            act::raw("a", RawAs::Binary),
        ),
        (
            r#"{"raw":{"text":"a","ws":"stream"}}"#,
            act::raw("a", RawAs::Stream),
        ),
    ]
}

/// What befalls octets and connections.
pub(super) fn of_connections() -> Vec<(&'static str, Action)> {
    let head = HeadFault {
        rsv: Some(1),
        opcode: Some(3),
        mask: true,
    };
    vec![
        (r#"{"split":[1,-1]}"#, act::split_at(&[1, -1]).into()),
        (r#"{"split":{"every":2}}"#, act::split_every(2).into()),
        (r#"{"frag":[1,-1]}"#, act::frag_at(&[1, -1]).into()),
        (
            r#"{"frag":{"every":2},"ping":"between"}"#,
            act::frag_every(2).ping_between().into(),
        ),
        (
            r#"{"frag":{"every":2},"pong":"between"}"#,
            act::frag_every(2).between(Between::Pong).into(),
        ),
        (
            r#"{"frag":{"every":2},"empty":true,"next":3}"#,
            act::frag_every(2).between(Between::Empty).next(3).into(),
        ),
        (r#"{"join":3,"within":"1s"}"#, act::join(3, SECOND).into()),
        (r#"{"type":"text"}"#, act::message_type(Kind::Text).into()),
        (
            r#"{"type":"binary"}"#,
            act::message_type(Kind::Binary).into(),
        ),
        (r#"{"type":"mixed"}"#, act::message_type(Kind::Mixed).into()),
        (
            r#"{"drip":{"bytes":2,"gap":"1s"}}"#,
            act::drip(2, SECOND).into(),
        ),
        (r#"{"rate":"2KiB/s"}"#, act::rate(2048).into()),
        (
            r#"{"ws":{"rsv":1,"opcode":3,"mask":true}}"#,
            act::ws(head).into(),
        ),
        (r#"{"ws":{"rsv":2}}"#, act::ws_rsv(2).into()),
        (r#"{"ws":{"opcode":3}}"#, act::ws_opcode(3).into()),
        (r#"{"ws":{"mask":true}}"#, act::ws_mask().into()),
        (r#""plain""#, act::plain()),
        (
            r#"{"close":{"code":1001,"reason":"r"}}"#,
            act::close(1001, "r"),
        ),
        (r#""fin""#, act::fin()),
        (r#"{"fin":{"after-bytes":5}}"#, act::fin_after(5)),
        (r#""rst""#, act::rst()),
        (r#"{"blackhole":"both"}"#, act::blackhole(Direction::Both)),
        (
            r#"{"blackhole":"in","for":"1s"}"#,
            act::blackhole_for(Direction::In, SECOND),
        ),
        (
            r#"{"blackhole":"out","for":"1s"}"#,
            act::blackhole_for(Direction::Out, SECOND),
        ),
        (r#"{"stall-read":"1s"}"#, act::stall_read(SECOND)),
        (r#"{"stall-write":"1s"}"#, act::stall_write(SECOND)),
        (r#"{"ping":"p"}"#, act::ping("p")),
        (r#""mute-pong""#, act::mute_pong()),
        (r#"{"garbage":"html-502"}"#, act::garbage(Garbage::Html502)),
        (
            r#"{"garbage":"random:9"}"#,
            act::garbage(Garbage::Random(9)),
        ),
        (
            r#"{"garbage":"http-in-stream"}"#,
            act::garbage(Garbage::HttpInStream),
        ),
        (r#"{"refuse":"1s"}"#, act::refuse(SECOND)),
        (r#"{"hb":"stop"}"#, act::beats_stop()),
        (r#"{"hb":"start"}"#, act::beats_start()),
        (r#"{"hb":{"late":1.5}}"#, act::beats_late(1.5)),
        (r#"{"hb":{"jitter":"1s"}}"#, act::beats_jitter(SECOND)),
        (r#"{"hb":{"as":"lf"}}"#, act::beats_as(b"\n")),
        (r#"{"hb":{"as":"crlf"}}"#, act::beats_as(b"\r\n")),
        (r#"{"hb":{"as":"nul"}}"#, act::beats_as(b"\0")),
        (r#"{"hb":{"as":"burst:5"}}"#, act::beats_burst(5)),
        (r#""kick""#, act::kick()),
        (r#"{"expire":"t"}"#, act::expire("t")),
        (r#"{"expire":"all"}"#, act::expire_all()),
        (
            r#"{"storm":{"dest":"/t","rate":10,"for":"1s","size":"1..9","burst":2,"kind":"queue"}}"#,
            act::storm("/t", 10.0, SECOND, 1..=9)
                .burst(2)
                .kind(EventKind::Queue)
                .into(),
        ),
        (
            r#"{"storm":{"dest":"/t","rate":10,"for":"1s","kind":"user"}}"#,
            act::storm("/t", 10.0, SECOND, Size { min: 100, max: 100 })
                .kind(EventKind::User)
                .into(),
        ),
        (
            r#"{"storm":{"dest":"/t","rate":10,"for":"1s","kind":"conversation"}}"#,
            act::storm("/t", 10.0, SECOND, 100usize)
                .kind(EventKind::Conversation)
                .into(),
        ),
        (r#"{"silence":"/t"}"#, act::silence("/t")),
        (
            r#"{"silence":"/t","for":"1s"}"#,
            act::silence_for("/t", SECOND),
        ),
        (r#"{"goto":"s"}"#, act::goto("s")),
        (r#"{"mark":"m"}"#, act::mark("m")),
        (r#"{"log":"l"}"#, act::log("l")),
        (r#"{"fail":"f"}"#, act::fail("f")),
        (
            r#"{"seq":[["fin"],[]]}"#,
            act::seq(vec![vec![act::fin()], vec![]]),
        ),
        (
            r#"{"pick":[["fin"],[]]}"#,
            act::pick(vec![vec![act::fin()], vec![]]),
        ),
    ]
}

/// What only a handshake or a CONNECT may have.
pub(super) fn of_handshakes() -> Vec<(&'static str, Trigger, Action)> {
    let answer = Response {
        status: 503,
        headers: vec![("a".to_owned(), "b".to_owned())],
        body: b"c".to_vec(),
    };
    let json = Response {
        status: 200,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: b"[]".to_vec(),
    };
    let at = |json, action| (json, on::upgrade(), action);
    let tls = |json, fault| (json, on::tcp(), act::tls(fault));
    vec![
        at(
            r#"{"http":{"status":503,"headers":{"a":"b"},"body":"c"}}"#,
            act::respond(answer),
        ),
        at(r#"{"http":{"status":200,"json":[]}}"#, act::respond(json)),
        at(r#"{"redirect":"ws://x"}"#, act::redirect("ws://x")),
        at(r#""hang""#, act::hang()),
        at(r#"{"subprotocol":"mqtt"}"#, act::subprotocol(Some("mqtt"))),
        at(r#"{"subprotocol":null}"#, act::subprotocol(None)),
        at(r#""bad-accept""#, act::bad_accept()),
        tls(r#"{"tls":"stall"}"#, TlsFault::Stall),
        tls(r#"{"tls":"alert"}"#, TlsFault::Alert),
        tls(r#"{"tls":"expired"}"#, TlsFault::Expired),
        tls(r#"{"tls":"wrong-host"}"#, TlsFault::WrongHost),
        tls(r#"{"tls":"self-signed"}"#, TlsFault::SelfSigned),
        (r#""rebind""#, on::overlap(), act::rebind()),
    ]
}
