//! One broker, a desk that takes calls, and publishers that make them.

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use hobnail::{
    AckMode, Client, Dialect, Event, Handle, Pending, Subscription,
    auth::{Token, TokenReason},
    config::Backoff,
};
use hobnail_mock_broker::{
    Frame, MockBroker, Note, OnExpiry, Rule, Scenario, What, act,
    on::{self},
    script::Direction,
};

use super::{
    ledger::{Ledger, Report},
    timeline::Timeline,
};

const QUEUE: &str = "/queue/calls";
/// A token's life. Real ones live an hour; nothing else is different.
const TOKEN_LIFE: Duration = Duration::from_secs(6);
/// What a token endpoint takes to answer.
const TOKEN_DELAY: Duration = Duration::from_millis(300);
/// Between two calls of one publisher.
const PACE: Duration = Duration::from_millis(4);
const PUBLISHERS: u64 = 2;
/// RECEIPTs that one publisher lets be under way.
const WINDOW: usize = 32;

pub(crate) struct Road {
    pub(crate) name: &'static str,
    pub(crate) broker: Arc<MockBroker>,
    pub(crate) ledger: Arc<Ledger>,
    desk: Handle,
    source: Handle,
    stop: Arc<AtomicBool>,
    publishers: Vec<JoinHandle<()>>,
    consumer: JoinHandle<()>,
    listeners: Vec<JoinHandle<()>>,
}

impl Road {
    pub(crate) fn open(
        name: &'static str,
        secure: bool,
        timeline: &Timeline,
    ) -> Result<Self, Box<dyn Error>> {
        let broker = Arc::new(if secure {
            MockBroker::start_tls(scenario())?
        } else {
            MockBroker::start(scenario())?
        });
        timeline.headline(&format!("{name}: broker at {}", broker.url()));
        let ledger = Arc::new(Ledger::default());
        let stop = Arc::new(AtomicBool::new(false));
        let desk = connect(&broker, "desk")?.spawn()?;
        let source = connect(&broker, "source")?.spawn()?;
        let mut listeners = Vec::new();
        for (who, handle) in [("desk", &desk), ("source", &source)] {
            let (handle, timeline) = (handle.clone(), timeline.clone());
            let ledger = Arc::clone(&ledger);
            listeners.push(thread::spawn(move || {
                listen(name, who, &handle, &ledger, &timeline);
            }));
        }
        let calls = desk
            .subscription(QUEUE)
            .id("calls")
            .ack(AckMode::ClientIndividual)
            .subscribe()?;
        let consumer = {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || consume(calls, &ledger))
        };
        let numbers = Arc::new(AtomicU64::new(1));
        let publishers = (0..PUBLISHERS)
            .map(|_| {
                let (source, ledger) = (source.clone(), Arc::clone(&ledger));
                let (stop, numbers) = (Arc::clone(&stop), Arc::clone(&numbers));
                thread::spawn(move || publish(&source, &ledger, &stop, &numbers))
            })
            .collect();
        Ok(Self {
            name,
            broker,
            ledger,
            desk,
            source,
            stop,
            publishers,
            consumer,
            listeners,
        })
    }

    /// A second client with the desk's name: 409 for both.
    pub(crate) fn intrude(&self) -> Result<Client, hobnail::Error> {
        connect(&self.broker, "desk")
    }

    /// How far the broker's transcript has come.
    pub(crate) fn moment(&self) -> u64 {
        let last = self.broker.transcript().pop();
        last.map_or(0, |entry| entry.seq)
    }

    /// From each ERROR 401 since then to the first frame that followed the new
    /// CONNECT on the same connection, as the broker saw it.
    pub(crate) fn interruptions(&self, since: u64) -> Vec<Duration> {
        let mut refused = BTreeMap::new();
        let mut gaps = Vec::new();
        for entry in self.broker.transcript() {
            let is_401 = |f: &Frame| f.command == "ERROR" && f.header("code") == Some("401");
            if entry.seq > since && entry.sent().is_some_and(is_401) {
                refused.insert(entry.conn, (entry.at, false));
            } else if let Some(frame) = entry.received() {
                let Some((at, is_bound)) = refused.get_mut(&entry.conn) else {
                    continue;
                };
                if frame.command == "CONNECT" {
                    *is_bound = true;
                } else if *is_bound {
                    gaps.push(entry.at - *at);
                    refused.remove(&entry.conn);
                }
            }
        }
        gaps
    }

    /// Waits until all has arrived, and closes.
    pub(crate) fn end(self) -> Result<Report, Box<dyn Error>> {
        self.stop.store(true, Ordering::Relaxed);
        for publisher in self.publishers {
            publisher.join().map_err(|_| "a publisher panicked")?;
        }
        let limit = Instant::now() + Duration::from_secs(8);
        while self.ledger.missing() > 0 && Instant::now() < limit {
            thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        self.desk.close()?;
        self.source.close()?;
        let close = began.elapsed();
        self.consumer.join().map_err(|_| "the consumer panicked")?;
        for listener in self.listeners {
            listener.join().map_err(|_| "a listener panicked")?;
        }
        let suspended = |what: &What| matches!(what, What::Note(Note::SentWhileSuspended { .. }));
        let violations = self
            .broker
            .transcript()
            .iter()
            .filter(|entry| suspended(&entry.what))
            .count();
        Ok(self.ledger.report(self.name, violations, close))
    }
}

/// A correct contact-centre broker, and what the stages make of it by signals.
fn scenario() -> Scenario {
    Scenario::builder()
        .seed(7)
        .heart_beat(500, 500)
        .auth_bearer(TOKEN_LIFE)
        .on_expiry(OnExpiry::Suspend)
        // What crosses the 401 on the wire left before the client knew.
        .suspend_grace(Duration::from_millis(150))
        .single_session(true)
        .receipt_id_header(true)
        .max_deliveries(1000)
        .rule(Rule::on(on::signal("cut")).then(act::split_every(1)))
        .rule(
            Rule::on(on::signal("fragment"))
                .then(act::plain())
                .then(act::frag_every(7).ping_between()),
        )
        .rule(Rule::on(on::signal("plain")).then(act::plain()))
        .rule(Rule::on(on::signal("fin")).then(act::fin()))
        .rule(Rule::on(on::signal("fin-within-frame")).then(act::fin_after(9)))
        .rule(Rule::on(on::signal("reset")).then(act::rst()))
        .rule(Rule::on(on::signal("half-open")).then(act::blackhole(Direction::Both)))
        .build()
}

fn connect(broker: &Arc<MockBroker>, identity: &'static str) -> Result<Client, hobnail::Error> {
    let issuer = Arc::downgrade(broker);
    let mut builder = Client::builder(broker.url())
        .dialect(Dialect::CONTACT_CENTRE)
        .heart_beat(Duration::from_millis(500), Duration::from_millis(500))
        .backoff(Backoff {
            initial: Duration::from_millis(200),
            max: Duration::from_secs(2),
            ..Backoff::default()
        })
        .token_source(move |_: TokenReason| {
            thread::sleep(TOKEN_DELAY);
            let token = issuer
                .upgrade()
                .map(|broker| broker.issue_token(identity, TOKEN_LIFE))
                .unwrap_or_default();
            Ok(Token::new(token).expires_in(TOKEN_LIFE))
        });
    if let Some(pem) = broker.ca_pem() {
        builder = builder.tls_root(pem);
    }
    builder.connect()
}

/// Publishes numbered calls, each until the broker has confirmed it.
fn publish(source: &Handle, ledger: &Ledger, stop: &AtomicBool, numbers: &AtomicU64) {
    let mut under_way: VecDeque<(u64, Pending)> = VecDeque::new();
    let settle = |(call, pending): (u64, Pending)| match pending.wait() {
        Ok(()) => ledger.confirmed(call),
        Err(_) => ledger.doubtful(),
    };
    while !stop.load(Ordering::Relaxed) {
        let call = numbers.fetch_add(1, Ordering::Relaxed);
        let body = format!(r#"{{"call":{call},"queueId":"5f3a2b1c"}}"#);
        let begun = source
            .send(QUEUE)
            .header("call", call.to_string())
            .header("content-type", "application/json")
            .body(&body)
            .replay()
            .begin();
        match begun {
            Ok(pending) => under_way.push_back((call, pending)),
            Err(_) => ledger.doubtful(),
        }
        if under_way.len() > WINDOW {
            if let Some(oldest) = under_way.pop_front() {
                settle(oldest);
            }
        }
        thread::sleep(PACE);
    }
    under_way.into_iter().for_each(settle);
}

/// Takes calls and acknowledges each. An acknowledgement that comes too late
/// for its connection is none: the broker delivers the call again.
fn consume(calls: Subscription, ledger: &Ledger) {
    for message in calls {
        let Some(call) = message.header("call").and_then(|n| n.parse().ok()) else {
            continue;
        };
        ledger.received(call);
        if let Err(e) = message.ack() {
            log::debug!("call {call} will come again: {e}");
        }
    }
}

fn listen(road: &str, who: &str, handle: &Handle, ledger: &Ledger, timeline: &Timeline) {
    for event in handle.events() {
        if let Event::Connected(_) = &event {
            ledger.connected();
        } else if let Event::Resumed { after } = &event {
            ledger.rotated(*after);
        } else if let Event::Conflict { .. } = &event {
            ledger.conflicted();
        }
        timeline.event(road, who, &event);
    }
}
