//! Thousands of random lives of a session, under the laws that hold in all of them.

use std::{sync::Arc, time::Duration};

use hobnail_mock_broker::{
    engine::Input as Broker,
    script::{OnExpiry, Rule, act, on},
};

use super::{
    app::Send,
    ms,
    pair::{Pair, no_source},
    secs,
    seeds::{self, Tally},
    source::Answer,
};
use crate::{
    config::{Endpoint, Rotate},
    core::{AckMode, Command as Verb, Dedupe, Input, Key, Phase, Replies, TransactionStep},
    dialect::Dialect,
    error::{LinkError, RegionError},
    event::Event,
    frame::Command,
    rng::Rng,
};

/// One life: settings, misfortunes and calls, all drawn from one seed.
struct Life {
    p: Pair,
    rng: Rng,
    keys: Vec<Key>,
    replies: Arc<Replies>,
    transactions: u64,
    bodies: u64,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut p = Pair::with(
            seed,
            |c| {
                let dialect = match rng.next() % 4 {
                    0 => Dialect::STOMP,
                    1 => Dialect::RABBITMQ,
                    _ => Dialect::CONTACT_CENTRE,
                };
                let c = match rng.next() % 3 {
                    0 => c
                        .fallback("ws://b.test/stomp")
                        .fail_back(rng.next() % 2 == 0),
                    1 => c.rotate(Rotate::Planned),
                    _ => c,
                };
                let unasked = || -> Result<String, RegionError> { unreachable!() };
                c.dialect(dialect)
                    .token_source(no_source)
                    .regions(unasked)
                    .persistent(rng.next() % 4 != 0)
                    .conflict_limit((rng.next() % 8) as u32)
            },
            |s| s,
        );
        let lives = secs(30 + rng.next() % 600);
        let scenario = hobnail_mock_broker::Scenario::builder()
            .seed(seed)
            .auth_bearer(secs(600))
            .single_session(rng.next() % 2 == 0)
            .receipt_id_header(true)
            .suspend_grace(ms(rng.next() % 3 * 20))
            .on_expiry(match rng.next() % 6 {
                0 => OnExpiry::ErrorClose,
                1 => OnExpiry::Nothing,
                _ => OnExpiry::Suspend,
            })
            .rule(Rule::on(on::recv("*")).p(0.01).then(act::drop_it()))
            .rule(Rule::on(on::recv("CONNECT")).p(0.05).then(act::error(409)))
            .rule(Rule::on(on::recv("CONNECT")).p(0.05).then(act::error(401)))
            .rule(
                Rule::on(on::recv("S*"))
                    .p(0.02)
                    .then(act::error(401).keep_open()),
            )
            .rule(
                Rule::on(on::recv("S*"))
                    .p(0.02)
                    .then(act::plain_error("no")),
            )
            .rule(
                Rule::on(on::sending("RECEIPT"))
                    .p(0.05)
                    .then(act::delay(ms(1)..=secs(40))),
            )
            .rule(
                Rule::on(on::sending("RECEIPT"))
                    .p(0.02)
                    .then(act::drop_it()),
            )
            .rule(
                Rule::on(on::sending("CONNECTED"))
                    .p(0.05)
                    .then(act::delay(ms(1)..=secs(15))),
            )
            .rule(Rule::on(on::upgrade()).p(0.05).then(act::http(503, "no")))
            .rule(Rule::on(on::upgrade()).p(0.02).then(act::hang()))
            .build();
        p.engine = hobnail_mock_broker::engine::Engine::new(scenario);
        let replies = Arc::new(Replies::new(&p.config, "r".into()));
        p.source.usual = Answer::lives(lives);
        p.source.latency = ms(rng.next() % 2000);
        p.latency = ms(rng.next() % 100);
        Self {
            p,
            rng,
            keys: Vec::new(),
            replies,
            transactions: 0,
            bodies: 0,
        }
    }

    fn draw(&mut self, n: u64) -> u64 {
        self.rng.next() % n
    }

    /// Something that the application does.
    fn call(&mut self) {
        let within = ms(1 + self.draw(40_000));
        match self.draw(16) {
            14 | 15 => self.request(within),
            12 => self.special(within),
            13 => self.p.look(),
            0 | 1 => {
                let id = format!("s{}", self.draw(6));
                let destination = format!("/topic/{id}");
                let (key, _) = self
                    .p
                    .subscribe_as(&id, &destination, AckMode::Auto, within);
                self.keys.push(key);
            }
            2 => {
                let n = self.draw(self.keys.len() as u64 + 1) as usize;
                if let Some(key) = self.keys.get(n) {
                    self.p.unsubscribe_within(*key, within);
                }
            }
            3 => {
                self.transactions += 1;
                self.step(TransactionStep::Begin, Command::Begin);
            }
            4 => self.step(TransactionStep::Within, Command::Send),
            5 => self.step(TransactionStep::End, Command::Commit),
            6 => {
                let epoch = self.p.core.epoch().saturating_sub(self.draw(2));
                self.p.ack("a-1", epoch);
            }
            n => {
                self.bodies += 1;
                let mut send = Send::new(&format!("body {}", self.bodies)).within(within);
                send.destination = format!("/topic/s{}", n % 6);
                send.receipt = self.draw(3) > 0;
                send.replay = self.draw(2) == 0;
                self.p.send(send);
            }
        }
    }

    /// A request; perhaps one is answered, this or another, and perhaps one is given up.
    fn request(&mut self, within: Duration) {
        self.bodies += 1;
        let body = format!("request {}", self.bodies);
        let send = Send::new(&body).within(within).asking(&self.replies);
        let replay = self.draw(2) == 0;
        self.p.send(Send { replay, ..send });
        let id = self.p.app.receipts.saturating_sub(self.draw(4));
        match self.draw(4) {
            0 => self.p.input(Input::Command(Verb::Forget { request: id })),
            1 => {}
            _ => {
                let correlation = self.replies.correlation(id);
                self.p.broker(Broker::Publish {
                    destination: &self.replies.destination,
                    headers: &[("correlation-id", &correlation)],
                    body: b"reply",
                });
            }
        }
    }

    /// A subscription whose headers are made anew each time, or that drops what
    /// comes again.
    fn special(&mut self, within: Duration) {
        let fresh = vec![("x-from".to_owned(), "1".to_owned())];
        let dedupe = Dedupe {
            header: "message-id",
            window: 4,
        };
        let fresh = (self.draw(2) == 0).then_some(fresh);
        let dedupe = (self.draw(2) == 0).then_some(dedupe);
        let id = format!("s{}", self.draw(6));
        let key = self.p.subscribe_specially(&id, fresh, dedupe, within);
        self.keys.push(key);
    }

    /// What the helper threads were asked for, some of it.
    fn answer(&mut self) {
        if let Some((_, ticket)) = self.p.regions_asked.pop() {
            let url = ["ws://b.test/stomp", "ws://c.test/stomp"][self.draw(2) as usize];
            let answer = match self.draw(3) {
                0 => Err(RegionError {
                    text: "nobody knows".into(),
                }),
                _ => Ok(Endpoint::parse(url).unwrap()),
            };
            self.p.input(Input::Region(ticket, answer));
        }
        if let Some((ticket, _)) = self.p.asked.pop() {
            let answer = match self.draw(4) {
                0 => Err("it panicked".to_owned()),
                _ => Ok(vec![("x-from".to_owned(), "2".to_owned())]),
            };
            self.p.input(Input::Headers(ticket, answer));
        }
    }

    /// The broker has something for whoever is subscribed.
    fn publication(&mut self) {
        let destination = format!("/topic/s{}", self.draw(6));
        self.p.broker(Broker::Publish {
            destination: &destination,
            headers: &[],
            body: b"x",
        });
    }

    fn step(&mut self, step: TransactionStep, command: Command) {
        let id = self.transactions;
        let mut send = Send::new("").within(ms(1 + self.draw(20_000)));
        send.receipt = self.draw(2) == 0;
        send.replay = self.draw(2) == 0;
        send.transaction = Some((id, step));
        let mut headers = vec![("transaction", format!("tx{id}"))];
        if command == Command::Send {
            headers.push(("destination", "/queue/a".to_owned()));
        }
        self.p.frame(command, &headers, &send, None);
    }

    /// Something that befalls it.
    fn misfortune(&mut self) {
        let is_up = self.p.wire.is_some();
        match self.draw(19) {
            0 if is_up => self.p.lose(),
            1 if is_up => self.p.half_open(),
            2 | 3 | 14..=17 => self.p.broker(Broker::Expire("all")),
            4 => self.p.source.next.push_back(Answer::Fails { fatal: false }),
            5 => self.p.source.next.push_back(Answer::Silence),
            6 => self.p.source.latency = ms(self.rng.next() % 40_000),
            7 => self.p.source.latency = ms(self.rng.next() % 500),
            8 => self.p.listening = !self.p.listening,
            9 => self.p.writable = false,
            10 if is_up => self.p.inject_close(1000 + (self.rng.next() % 12) as u16),
            11 if is_up => self.p.inject("ERROR\ncode:409\n\n\0"),
            12 if is_up => self.p.inject("ERROR\nsubscription:s1\nmessage:gone\n\n\0"),
            13 if is_up && self.draw(4) == 0 => self.p.inject("no stomp\n\n\0"),
            18 => {
                let dead = LinkError::Lost("refused".into());
                if self.p.dead.remove("b.test").is_none() {
                    self.p.dead.insert("b.test", dead);
                }
            }
            _ => self.p.unblock(),
        }
    }

    fn live(&mut self) {
        self.p.connect();
        let moves = 10 + self.draw(60);
        for _ in 0..moves {
            match self.draw(12) {
                0..=4 => self.call(),
                5 => self.misfortune(),
                6 => self.answer(),
                7 => self.publication(),
                _ => {
                    let most = [20, 200, 2_000, 20_000][self.draw(4) as usize];
                    let span = ms(self.draw(most));
                    self.p.pass(span);
                }
            }
        }
        if self.draw(3) > 0 {
            self.p.listening = true;
            self.p.unblock();
            self.p.pass(secs(self.rng.next() % 200));
        }
        let within = ms(self.draw(6_000));
        let close = self.p.close_within(within);
        self.p.until(|p| p.answer(close).is_some());
        assert_eq!(self.p.core.phase(), Phase::Closed);
        self.p.pass(secs(100));
        self.p.check_end();
        self.p.check_confirmed();
    }
}

fn life(seed: u64) -> Tally {
    let mut life = Life::new(seed);
    life.live();
    let suspended = |e: &Event| matches!(e, Event::Suspended);
    Tally::of(&life.p, life.p.count(suspended) as u64)
}

#[test]
fn whatever_happens_the_laws_hold() {
    let tally = seeds::play("whatever_happens", 1..1500, life);
    if seeds::asked().is_none() {
        // The world is neither heaven nor hell.
        assert!(tally.sessions > 1500 && tally.rebinds > 100, "{tally:?}");
        assert!(tally.rotations > 30, "{tally:?}");
        assert!(tally.well > 4000 && tally.badly > 1000, "{tally:?}");
    }
}
