//! One broker, its clients and its weather, for one round.

use std::{
    error::Error,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use hobnail::{
    AuthError, Client, Dialect, Handle,
    auth::{Token, TokenReason},
    config::{Backoff, Builder, FatalErrors, RetryPolicy, Rotate, Timeouts},
};
use hobnail_mock_broker::{MockBroker, OnExpiry};

use super::{
    books::{Books, Sum},
    consume::{self, insist},
    draw::Draw,
    publish::{self, Flags},
    weather::{self, Climate},
};

/// How long the weather blows.
const STORM: Duration = Duration::from_secs(8);
/// How long what is under way may take to arrive when all is calm.
const CALM: Duration = Duration::from_secs(40);

/// Who connects.
const SOURCE: &str = "source";
const OWN_SOURCE: &str = "own-source";
const DESK: &str = "desk";
const OWN_DESK: &str = "own-desk";
const IDENTITIES: &[&str] = &[SOURCE, OWN_SOURCE, DESK, OWN_DESK];

/// Plays a round. Its random numbers come from the seed; what threads and
/// sockets make of them does not repeat.
pub(crate) fn play(seed: u64, tls: bool, keep: Option<&Path>) -> Sum {
    let name = if tls { "tls" } else { "plain" };
    let books = Arc::new(Books::default());
    match round(seed, tls, name, &books, keep) {
        Ok(sum) => sum,
        Err(e) => {
            books.wrong(format!("{name}: {e}"));
            books.close(name, SystemTime::now(), &[])
        }
    }
}

fn round(
    seed: u64,
    tls: bool,
    name: &'static str,
    books: &Arc<Books>,
    keep: Option<&Path>,
) -> Result<Sum, Box<dyn Error>> {
    let mut draw = Draw::new(seed.wrapping_mul(2) + u64::from(tls));
    let climate = Climate::draw(&mut draw);
    let scenario = weather::scenario(seed, &climate, &mut draw);
    let broker = Arc::new(if tls {
        MockBroker::start_tls(scenario)?
    } else {
        MockBroker::start(scenario)?
    });
    let began = SystemTime::now() - broker.age();
    let stop = Arc::new(AtomicBool::new(false));
    let published = Arc::new(AtomicBool::new(false));
    let finish = Arc::new(AtomicBool::new(false));
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut listeners = Vec::new();
    let mut connect = |who| -> Result<Client, Box<dyn Error>> {
        let never = AtomicBool::new(false);
        let client = insist(&never, || {
            client(&broker, who, &climate, &mut draw).connect()
        });
        Ok(client.ok_or("no connection")?)
    };
    let source = connect(SOURCE)?.spawn()?;
    let desk = connect(DESK)?.spawn()?;
    let own_source = connect(OWN_SOURCE)?;
    let own_desk = connect(OWN_DESK)?;
    for (who, handle) in [(SOURCE, &source), (DESK, &desk)] {
        listeners.push(listen(who, handle, books));
    }
    let readers = consume::threaded(&desk, books, &stop, &mut draw);
    {
        let (books, stop, finish) = (Arc::clone(books), Arc::clone(&stop), Arc::clone(&finish));
        let draw = draw.fork();
        threads.push(thread::spawn(move || {
            consume::driven(own_desk, OWN_DESK, &books, &stop, &finish, draw);
        }));
    }
    let mut publishers = Vec::new();
    for publisher in ["a", "b"] {
        let (source, books, stop) = (source.clone(), Arc::clone(books), Arc::clone(&stop));
        let draw = draw.fork();
        publishers.push(thread::spawn(move || {
            publish::threaded(&source, publisher, &books, &stop, draw);
        }));
    }
    {
        let (books, stop, finish) = (Arc::clone(books), Arc::clone(&stop), Arc::clone(&finish));
        let (draw, published) = (draw.fork(), Arc::clone(&published));
        threads.push(thread::spawn(move || {
            let flags = Flags {
                stop: &stop,
                published: &published,
                finish: &finish,
            };
            publish::driven(own_source, "c", &books, flags, draw);
        }));
    }
    let calm = AtomicBool::new(false);
    let (winds, mut others) = (draw.fork(), draw.fork());
    thread::scope(|scope| {
        let intrude = |identity| {
            let intruder = client(&broker, identity, &climate, &mut others).persistent(false);
            match intruder.connect() {
                Ok(_) => log::info!("a second {identity} was let in"),
                Err(e) => log::info!("a second {identity}: {e}"),
            }
        };
        scope.spawn(|| weather::blow(&broker, IDENTITIES, &climate, &calm, winds, intrude));
        thread::sleep(STORM);
        calm.store(true, Ordering::Relaxed);
    });
    broker.signal("calm");
    stop.store(true, Ordering::Relaxed);
    for publisher in publishers {
        publisher.join().map_err(|_| "a publisher panicked")?;
    }
    settle(&broker, books, &published);
    if !books.missing().is_empty() {
        books.wrong(format!("the desk: {:?}", desk.health()));
    }
    books.closing();
    finish.store(true, Ordering::Relaxed);
    for handle in [&source, &desk] {
        if let Err(e) = handle.close() {
            log::info!("not closed in order: {e}");
        }
    }
    for thread in threads.into_iter().chain(readers).chain(listeners) {
        thread.join().map_err(|_| "a client's thread panicked")?;
    }
    if broker.dropped_entries() > 0 {
        books.wrong("the transcript is not whole".into());
    }
    let seen = broker.transcript();
    let sum = books.close(name, began, &seen);
    if let Some(folder) = keep.filter(|_| !sum.violations.is_empty()) {
        let lines: String = seen.iter().map(|entry| format!("{entry:?}\n")).collect();
        fs::write(folder.join(format!("{seed}-{name}.log")), lines)?;
    }
    Ok(sum)
}

/// Waits until what was confirmed has arrived. What a connection holds that was
/// never acknowledged comes again over the next.
fn settle(broker: &MockBroker, books: &Books, published: &AtomicBool) {
    let began = Instant::now();
    let mut again = Duration::from_secs(2);
    loop {
        let left = books.missing().len();
        let all = published.load(Ordering::Relaxed);
        // At least so long, for what is not acknowledged.
        if all && left == 0 && began.elapsed() > Duration::from_millis(1_500) {
            return;
        }
        if began.elapsed() > CALM {
            return;
        }
        if began.elapsed() > again {
            log::info!("{left} are missing after {again:?}");
            broker.signal("calm");
            broker.restart();
            again += Duration::from_secs(4);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn client(
    broker: &Arc<MockBroker>,
    identity: &'static str,
    climate: &Climate,
    draw: &mut Draw,
) -> Builder {
    let life = climate.token_life;
    let issuer = Arc::downgrade(broker);
    let patience = Duration::from_millis(1_500);
    let mut draws = draw.fork();
    let source = std::sync::Mutex::new(draw.fork());
    let mut builder = Client::builder(broker.url())
        .proxy(None)
        .seed(draws.next())
        .persistent(true)
        .heart_beat(Duration::from_millis(500), Duration::from_millis(500))
        .backoff(Backoff {
            initial: Duration::from_millis(40),
            max: Duration::from_millis(800),
            jitter_percent: 20,
            stable_after: Duration::from_secs(2),
        })
        .timeouts(Timeouts {
            resolve: patience,
            connect: patience,
            tls: patience,
            upgrade: patience,
            open: patience,
            token: patience,
            overall: 4 * patience,
            call: Duration::from_secs(20),
            close: patience,
            ..Timeouts::default()
        })
        // The weather ends fresh tokens, too, and sends 409 as it likes.
        .retry(RetryPolicy {
            fatal: FatalErrors {
                token: false,
                refused: false,
                conflict: false,
                ..FatalErrors::default()
            },
            ..RetryPolicy::default()
        })
        .token_source(move |_: TokenReason| {
            let (wait, fails) = match source.lock() {
                Ok(mut draw) => (draw.ms(1, 300), draw.once_in(20)),
                Err(_) => (Duration::ZERO, true),
            };
            thread::sleep(wait);
            let issued = issuer.upgrade().filter(|_| !fails);
            let issued = issued.map(|broker| broker.issue_token(identity, life));
            issued.map_or_else(
                || {
                    Err(AuthError {
                        text: "the identity service is out of order".into(),
                        fatal: false,
                    })
                },
                |token| Ok(Token::new(token).expires_in(life)),
            )
        });
    builder = match climate.on_expiry {
        OnExpiry::Suspend => builder.dialect(Dialect::CONTACT_CENTRE),
        OnExpiry::Nothing => builder.rotate(Rotate::Planned),
        OnExpiry::ErrorClose => builder,
    };
    match broker.ca_pem() {
        Some(pem) => builder.tls_root(pem),
        None => builder,
    }
}

fn listen(who: &'static str, handle: &Handle, books: &Arc<Books>) -> JoinHandle<()> {
    let (events, books) = (handle.events(), Arc::clone(books));
    thread::spawn(move || {
        for event in events {
            books.event(who, &event);
        }
    })
}
