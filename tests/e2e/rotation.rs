//! Sessions that are begun anew before their token ends, and what an end that is
//! told costs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use hobnail::{
    AuthError, Dialect, Event,
    auth::{Token, TokenReason},
    config::Rotate,
};
use hobnail_mock_broker::{MockBroker, OnExpiry, Scenario, script::Bearer};
use hobnail_tests::{SOON, Seen, client, event, start};

fn guarded(on_expiry: OnExpiry) -> Arc<MockBroker> {
    let bearer = Bearer {
        ttl: Duration::from_secs(3600),
        header: None,
        issued_only: true,
        leeway: Duration::ZERO,
    };
    let scenario = Scenario::builder().bearer(bearer).receipt_id_header(true);
    Arc::new(start(scenario.on_expiry(on_expiry).build()))
}

#[test]
fn sessions_rotate_under_load_and_every_message_comes_once_and_in_order() {
    let broker = guarded(OnExpiry::Nothing);
    let issuer = Arc::clone(&broker);
    // A broker that never tells, and tokens that live for two seconds.
    let life = Duration::from_secs(2);
    let source = move |_: TokenReason| -> Result<Token, AuthError> {
        Ok(Token::new(issuer.issue_token("agent", life)).expires_in(life))
    };
    let builder = client(&broker).token_source(source).rotate(Rotate::Planned);
    let handle = builder.connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let rotated = Arc::new(AtomicU32::new(0));
    let watch = {
        let rotated = Arc::clone(&rotated);
        std::thread::spawn(move || {
            for e in events {
                assert!(!matches!(e, Event::Disconnected { .. }), "{e:?}");
                if matches!(e, Event::Rotating) {
                    rotated.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    };
    // A queue keeps what comes while nobody is subscribed.
    let queue = handle.subscribe("/queue/load").unwrap();
    let deadline = Instant::now() + 4 * SOON;
    let mut sent = 0_u32;
    while rotated.load(Ordering::SeqCst) < 3 {
        assert!(Instant::now() < deadline, "it does not rotate");
        let body = sent.to_string();
        let publish = handle.send("/queue/load").body(&body);
        publish.receipt().publish().unwrap();
        let message = queue.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.text().unwrap(), body);
        sent += 1;
    }
    println!("{sent} messages through three rotations");
    assert!(handle.metrics().unwrap().rotations >= 3);
    handle.close().unwrap();
    watch.join().unwrap();
    // Every session but the last ended in order, and the next began after that.
    for conn in 1..=3 {
        let commands = broker.commands(conn);
        assert_eq!(commands.last().map(String::as_str), Some("DISCONNECT"));
    }
    assert_eq!(broker.complaints(), []);
}

/// How long nothing could leave, of several refusals; prints them.
fn gaps(lives: Option<Duration>) -> Vec<Duration> {
    let broker = guarded(OnExpiry::Suspend);
    let issuer = Arc::clone(&broker);
    let hour = Duration::from_secs(3600);
    let tokens = Arc::new(std::sync::Mutex::new(Vec::new()));
    let given = Arc::clone(&tokens);
    let source = move |reason: TokenReason| -> Result<Token, AuthError> {
        if reason == TokenReason::Refused {
            // What an identity service takes for an answer.
            let (_open, nothing) = std::sync::mpsc::channel::<()>();
            let _ = nothing.recv_timeout(COLD);
        }
        let text = issuer.issue_token("agent", hour);
        given.lock().expect("nobody panicked").push(text.clone());
        let token = Token::new(text);
        Ok(lives.map_or(token.clone(), |life| token.expires_in(life)))
    };
    let builder = client(&broker).dialect(Dialect::CONTACT_CENTRE);
    let handle = builder.token_source(source).connect().expect("connects");
    let handle = handle.spawn().expect("a thread");
    let events = handle.events();
    let mut gaps = Vec::new();
    for n in 1..=3 {
        let given = || tokens.lock().expect("nobody panicked").clone();
        if lives.is_some() {
            hobnail_tests::until("the next token is held", || given().len() > n);
        }
        broker.expire_token(&given()[n - 1]);
        event(&events, |e| matches!(e, Event::Suspended));
        let told = event(&events, |e| matches!(e, Event::Resumed { .. }));
        let Event::Resumed { after } = told else {
            panic!("{told:?}");
        };
        gaps.push(after);
    }
    handle.close().expect("closes");
    gaps.sort_unstable();
    gaps
}

const COLD: Duration = Duration::from_millis(300);

#[test]
fn a_held_token_makes_a_refusal_cheap() {
    // Renewed 1 s after it was fetched, which is at 80 % of its life or later.
    let held = gaps(Some(Duration::from_millis(1_250)));
    let cold = gaps(None);
    println!("from ERROR 401 to the new session: held {held:?}, cold {cold:?}");
    assert!(cold[0] >= COLD, "{cold:?}");
    assert!(held[0] < cold[0] / 2, "{held:?} {cold:?}");
}
