//! What goes wrong: some of it by chance at any frame, the rest as the weather
//! comes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use hobnail_mock_broker::{
    MockBroker, OnExpiry, Rule, Scenario, act, on,
    script::{Direction, FrameTrigger, Garbage, Kind, Order},
};

use super::{books::ACKED, draw::Draw};

/// How long a token lives; drawn for each round.
pub(crate) struct Climate {
    pub(crate) token_life: Duration,
    pub(crate) on_expiry: OnExpiry,
    pub(crate) single_session: bool,
}

impl Climate {
    pub(crate) fn draw(draw: &mut Draw) -> Self {
        Self {
            token_life: draw.ms(2_500, 8_000),
            on_expiry: match draw.below(4) {
                0 => OnExpiry::ErrorClose,
                1 => OnExpiry::Nothing,
                _ => OnExpiry::Suspend,
            },
            single_session: draw.once_in(2),
        }
    }
}

/// The broker's part of a round.
pub(crate) fn scenario(seed: u64, climate: &Climate, draw: &mut Draw) -> Scenario {
    let mut s = Scenario::builder()
        .seed(seed)
        .heart_beat(500, 500)
        .auth_bearer(climate.token_life)
        .on_expiry(climate.on_expiry)
        .suspend_grace(Duration::from_millis(100))
        .single_session(climate.single_session)
        .receipt_id_header(true)
        .max_deliveries(1_000_000)
        .bounds(|b| {
            b.transcript = 2_000_000;
            b.transcript_octets = 1 << 30;
        });
    for (trigger, p, action) in [
        (on::sending("RECEIPT"), 0.01, act::drop_it()),
        (on::sending("RECEIPT"), 0.05, act::delay(span(1, 300))),
        (on::sending("RECEIPT"), 0.01, act::hold("receipts")),
        (on::sending("CONNECTED"), 0.05, act::delay(span(1, 1_500))),
        (on::sending("MESSAGE"), 0.01, act::dup(2)),
        // Only what is acknowledged on its own: the broker keeps it.
        (individual(ACKED[0]), 0.005, act::drop_it()),
        (individual(ACKED[2]), 0.005, act::drop_it()),
        (on::recv("ACK"), 0.01, act::drop_it()),
        (on::recv("CONNECT"), 0.03, act::drop_it()),
    ] {
        if draw.once_in(2) {
            s = s.rule(Rule::on(trigger).p(p).then(action));
        }
    }
    for (trigger, p, error) in [
        (on::recv("CONNECT"), 0.05, act::error(409)),
        (on::recv("CONNECT"), 0.03, act::error(401)),
        (on::recv("SUBSCRIBE"), 0.01, act::plain_error("not now")),
        (on::recv("SEND"), 0.000_5, act::plain_error("not this")),
        (on::recv("SEND"), 0.001, act::error(401)),
        (on::recv("SEND"), 0.001, act::error(401).keep_open()),
    ] {
        if draw.once_in(3) {
            s = s.rule(Rule::on(trigger).p(p).then(error));
        }
    }
    if draw.once_in(2) {
        s = s
            .rule(Rule::on(on::upgrade()).p(0.05).then(act::http(503, "no")))
            .rule(Rule::on(on::upgrade()).p(0.02).then(act::hang()));
    }
    for (name, _) in SIGNALS {
        // One connection is hit, another is not.
        s = s.rule(signal(name, draw).p(0.6));
    }
    s.rule(
        Rule::on(on::signal("calm"))
            .then(act::plain())
            .then(act::beats_start())
            .then(act::release("receipts", Order::AsHeld)),
    )
    .build()
}

fn individual(destination: &str) -> FrameTrigger {
    on::sending("MESSAGE").matching("destination", destination)
}

fn span(from: u64, to: u64) -> std::ops::RangeInclusive<Duration> {
    Duration::from_millis(from)..=Duration::from_millis(to)
}

/// Signals, and how often each is given beside the others.
const SIGNALS: [(&str, u64); 21] = [
    ("split-1", 2),
    ("split-7", 2),
    ("fragment", 2),
    ("join", 2),
    ("binary", 2),
    ("plain", 4),
    ("fin", 4),
    ("fin-within", 4),
    ("reset", 4),
    ("close", 4),
    ("half-open", 2),
    ("deaf", 2),
    ("mute", 2),
    ("stall-read", 2),
    ("stall-write", 2),
    ("garbage", 2),
    ("portal", 1),
    ("beats-stop", 1),
    ("beats-start", 2),
    ("error", 2),
    ("release", 6),
];

fn signal(name: &str, draw: &mut Draw) -> Rule {
    let short = span(100, 2_500);
    let rule = Rule::on(on::signal(name));
    match name {
        "split-1" => rule.then(act::split_every(1)),
        "split-7" => rule.then(act::split_every(7)),
        "fragment" => rule.then(act::frag_every(1 + draw.below(40) as usize).ping_between()),
        "join" => rule.then(act::join(3, Duration::from_millis(20))),
        "binary" => rule.then(act::message_type(Kind::Binary)),
        "fin" => rule.then(act::fin()),
        "fin-within" => rule.then(act::fin_after(1 + draw.below(120) as usize)),
        "reset" => rule.then(act::rst()),
        "close" => {
            let codes = [1000, 1001, 1008, 1011, 1012, 1013];
            let code = codes[draw.below(codes.len() as u64) as usize];
            rule.then(act::close(code, "weather"))
        }
        "half-open" => rule.then(act::blackhole(Direction::Both)),
        "deaf" => rule.then(act::blackhole_for(Direction::In, short)),
        "mute" => rule.then(act::blackhole_for(Direction::Out, short)),
        "stall-read" => rule.then(act::stall_read(short)),
        "stall-write" => rule.then(act::stall_write(short)),
        "garbage" => rule.then(act::garbage(Garbage::Random(200))),
        "portal" => rule.then(act::garbage(Garbage::HttpInStream)),
        "beats-stop" => rule.then(act::beats_stop()),
        "beats-start" => rule.then(act::beats_start()),
        "release" => rule.then(act::release("receipts", Order::Reverse)),
        "error" => rule.then(act::plain_error("out of order")),
        _ => rule.then(act::plain()),
    }
}

/// Lets it happen until it is to stop. `intrude` makes a second client with the
/// name of one that is there.
pub(crate) fn blow(
    broker: &MockBroker,
    identities: &[&'static str],
    climate: &Climate,
    stop: &AtomicBool,
    mut draw: Draw,
    mut intrude: impl FnMut(&'static str),
) {
    let weights: u64 = SIGNALS.iter().map(|(_, weight)| weight).sum();
    while !stop.load(Ordering::Relaxed) {
        let pause = if draw.once_in(4) {
            draw.ms(1, 40)
        } else {
            draw.ms(100, 1_200)
        };
        sleep(pause, stop);
        let identity = identities[draw.below(identities.len() as u64) as usize];
        match draw.below(14) {
            0 | 1 => broker.expire_token(identity),
            2 => broker.restart(),
            3 => broker.refuse(draw.ms(50, 1_000)),
            4 if climate.single_session => intrude(identity),
            _ => {
                let mut at = draw.below(weights);
                for (name, weight) in SIGNALS {
                    if at < weight {
                        broker.signal(name);
                        break;
                    }
                    at -= weight;
                }
            }
        }
    }
}

fn sleep(span: Duration, stop: &AtomicBool) {
    let until = Instant::now() + span;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10).min(span));
    }
}
