//! Pages in a headless Chromium: the mock broker's for people, and one that the
//! judge is asked by.
#![expect(clippy::unwrap_used, reason = "in a test a missing value is a failure")]

mod chromium;
mod echo;

use chromium::Chromium;
use hobnail::Handle;
use hobnail_mock_broker::{Entry, MockBroker, Scenario, What};
use hobnail_tests::{SOON, client, start};

const DESK: (u32, u32) = (1280, 800);
const PHONE: (u32, u32) = (390, 844);

/// Faults and verdicts of every kind.
const STORMY: &str = r#"{"name":"a day at the desk","seed":7,
    "broker":{"heart-beat":"1000,1000"},
    "rules":[
      {"on":{"recv":"SUBSCRIBE"},"do":["pass",{"mark":"subscribed"}]},
      {"on":{"send":"MESSAGE","nth":2},"do":[{"dup":2}]},
      {"on":{"send":"MESSAGE","match":{"n":"3"}},"do":["drop"]},
      {"on":{"signal":"storm"},"do":[{"storm":{"dest":"/events/queue/*","rate":40,"for":"500ms","size":"200..600"}}]},
      {"on":{"signal":"refuse"},"do":[{"error":{"code":409,"message":"connected elsewhere","close":false}}]}],
    "expect":[
      {"id":"it subscribes","expect":{"recv":"SUBSCRIBE"}},
      {"id":"it sends little","count":{"recv":"SEND"},"max":2,"why":"a desk has not much to say"},
      {"id":"it acknowledges","expect":{"recv":"ACK"},"after":"refused"}]}"#;

fn desk(broker: &MockBroker, name: &str) -> Handle {
    let builder = client(broker).login(name, "secret");
    builder.connect().unwrap().spawn().unwrap()
}

fn stormy() -> (MockBroker, Handle) {
    let broker = start(Scenario::from_json(STORMY).unwrap());
    let desk = desk(&broker, "alice");
    (broker, desk)
}

fn page(broker: &MockBroker, size: (u32, u32)) -> (Chromium, String) {
    let url = broker.control_url().unwrap();
    let mut page = Chromium::open(&url, size);
    page.until("document.getElementById('link')?.textContent === 'live'");
    (page, url)
}

/// Whether the timeline has a line with this kind and these words.
fn shows(kind: &str, words: &str) -> String {
    format!(
        "[...document.querySelectorAll('#log summary')].some((s) =>
            s.querySelector('.kind').textContent === '{kind}' && s.textContent.includes('{words}'))"
    )
}

fn seen(broker: &MockBroker, words: &str) {
    let fits = |e: &Entry| e.what.to_string().contains(words);
    broker
        .wait_for(SOON, fits)
        .unwrap_or_else(|e| panic!("{words}: {e}"));
}

#[test]
fn a_page_shows_sessions_frames_faults_and_verdicts_as_they_come() {
    let (broker, desk) = stormy();
    let (mut page, url) = page(&broker, DESK);
    // What was before, and what comes while somebody looks.
    page.until("document.getElementById('scenario').textContent === 'a day at the desk'");
    page.until("document.querySelector('#sessions .name')?.textContent === '1 alice'");
    page.until(&shows("→ CONNECT", "accept-version:1.1,1.2"));
    let calls = desk.subscribe("/topic/calls").unwrap();
    page.until("document.querySelector('#sessions .subs code')?.textContent === '/topic/calls'");
    page.until(&shows("mark", "subscribed"));
    for n in 1..=3 {
        let send = desk.send("/topic/calls").header("n", n.to_string());
        send.body(&format!("call {n}")).receipt().publish().unwrap();
    }
    assert_eq!(calls.recv().unwrap().text(), Ok("call 1"));
    page.until(&shows("→ SEND", "n:3"));
    page.until(&shows("← MESSAGE", "call 2"));
    page.until(&shows("fault", "dup 2"));
    page.until(&shows("fault", "drop MESSAGE"));
    assert_eq!(
        page.eval(&shows("← MESSAGE", "call 3")),
        false,
        "it was dropped"
    );
    let verdict = |id: &str, outcome: &str| {
        format!(
            "[...document.querySelectorAll('#verdicts > li')].some((v) =>
                v.querySelector('b').textContent === '{id}' && v.querySelector('.badge').textContent === '{outcome}')"
        )
    };
    page.until(&verdict("it subscribes", "held"));
    page.until(&verdict("it sends little", "failed"));
    page.until(&verdict("it acknowledges", "not reached"));
    page.until("document.getElementById('verdicts').textContent.includes('not much to say')");
    page.until("document.getElementById('score').innerText.includes('1 failed')");
    // A line opens to the whole frame.
    page.eval(
        "document.querySelector('#log .sent:last-child summary, #log .sent summary').click()",
    );
    page.until("document.querySelector('#log details[open] pre').innerText.includes('version:')");
    let events = desk
        .subscription("/events/**")
        .allow_broad()
        .subscribe()
        .unwrap();
    broker.signal("storm");
    events.recv().unwrap();
    page.until(&shows("← MESSAGE", "queue.metrics"));
    page.until("document.querySelectorAll('#log > li').length > 30");
    page.picture("desk");
    page.assert_clean(&url);
    drop((calls, events));
    desk.close().unwrap();
    page.until(&shows("closed", "1000"));
    page.until("document.querySelectorAll('#sessions > li').length === 0");
}

#[test]
fn the_buttons_do_what_they_say() {
    let (broker, desk) = stormy();
    let (mut page, url) = page(&broker, DESK);
    let inbox = desk.subscribe("/topic/inbox").unwrap();
    page.until("document.querySelector('#sessions .subs code')");
    page.fill("#signal input", "storm");
    page.press("#signal button[value=signal]");
    seen(&broker, "signal storm");
    page.fill("#signal input", "noon");
    page.press("#signal button[value=mark]");
    seen(&broker, "mark noon");
    page.fill("#publish input", "/topic/inbox");
    page.fill("#publish textarea", "from the page");
    page.press("#publish button");
    assert_eq!(inbox.recv().unwrap().text(), Ok("from the page"));
    page.until("document.getElementById('answer').textContent === 'published: /topic/inbox'");
    page.fill("#expire input", "nobody");
    page.press("#expire button");
    page.until("document.getElementById('answer').textContent === 'expired: 0'");
    // Only frames, then only what has a word in it.
    page.press("#filter #kinds button:nth-child(2)");
    page.until("!document.querySelector('#log .faults')");
    page.fill("#text", "from the page");
    page.until("document.querySelectorAll('#log > li').length === 1");
    page.eval("{ const t = document.getElementById('text'); t.value = ''; t.dispatchEvent(new Event('input', {bubbles: true})); }");
    page.press("#pause");
    page.until("document.getElementById('pause').getAttribute('aria-pressed') === 'true'");
    broker.publish("/topic/inbox", &[], b"while it was paused");
    page.until("/Go on \\(\\d+\\)/.test(document.getElementById('pause').textContent)");
    assert_eq!(page.eval(&shows("← MESSAGE", "while it was paused")), false);
    page.press("#pause");
    page.until(&shows("← MESSAGE", "while it was paused"));
    page.press("#clear");
    page.until("document.querySelectorAll('#log > li').length < 3");
    page.press("#sessions li .danger");
    seen(&broker, "kick");
    let closed = |e: &Entry| e.conn == 1 && matches!(e.what, What::Closed(_));
    broker.wait_for(SOON, closed).unwrap();
    // It came back by itself.
    page.until("/^[^1] alice$/.test(document.querySelector('#sessions .name')?.textContent)");
    page.fill("#reload textarea", r#"{"name":"another day","rulez":[]}"#);
    page.press("#reload button");
    page.until("document.getElementById('answer').textContent.includes('did you mean `rules`')");
    page.fill("#reload textarea", r#"{"name":"another day"}"#);
    page.press("#reload button");
    page.until("document.getElementById('scenario').textContent === 'another day'");
    // The refused scenario is a 400, which the browser writes to its console.
    page.trouble.retain(|t| !t.contains("/control/reload"));
    page.assert_clean(&url);
    page.eval("window.confirm = () => true");
    page.press("#stop");
    page.until("document.getElementById('link').textContent.includes('no broker')");
    assert!(broker.was_stopped());
}

#[test]
fn what_clients_say_stays_text() {
    let hostile =
        r#"<script>window.pwned=1</script><img src=x onerror="window.pwned=2"><b id=bold>"#;
    let broker = start(Scenario::default());
    let desk = desk(&broker, hostile);
    let (mut page, url) = page(&broker, DESK);
    let _calls = desk
        .subscription(format!("/topic/{hostile}"))
        .selector("colour = '<i id=slanted>'")
        .subscribe()
        .unwrap();
    let destination = format!("/topic/{hostile}");
    let send = desk.send(&destination);
    let send = send.header(hostile, hostile).body(hostile);
    send.receipt().publish().unwrap();
    broker.signal(hostile);
    page.until("document.getElementById('log').textContent.includes('onerror=')");
    page.until("document.querySelector('#sessions .subs')?.textContent.includes('<i id=slanted>')");
    page.until(&shows("signal", "onerror="));
    page.eval("document.querySelectorAll('#log summary').forEach((s) => s.click())");
    page.until("document.querySelector('#log details[open] pre')");
    for expression in [
        "window.pwned",
        "document.getElementById('bold')",
        "document.getElementById('slanted')",
        "document.querySelector('main script, main img')",
    ] {
        assert!(page.eval(expression).is_null(), "{expression}");
    }
    page.picture("hostile");
    page.assert_clean(&url);
}

#[test]
fn a_phone_shows_all_of_it_and_nothing_is_cut_off() {
    let (broker, desk) = stormy();
    let (mut page, url) = page(&broker, PHONE);
    let calls = desk.subscribe("/topic/calls").unwrap();
    for n in 1..=3 {
        let send = desk.send("/topic/calls").header("n", n.to_string());
        send.body(&"x".repeat(300)).receipt().publish().unwrap();
    }
    drop(calls);
    page.until(&shows("→ SEND", "n:3"));
    page.until("document.querySelectorAll('#verdicts > li').length === 3");
    page.picture("phone");
    let wide = "document.scrollingElement.scrollWidth > window.innerWidth";
    assert_eq!(page.eval(wide), false, "no sideways scrolling");
    let small = page.eval(
        "[...document.querySelectorAll('button')].filter((b) => b.getBoundingClientRect().height < 28).map((b) => b.textContent)",
    );
    assert_eq!(
        small,
        serde_json::json!([]),
        "what is too small for a thumb"
    );
    page.eval("document.getElementById('side').scrollIntoView()");
    page.picture("phone-side");
    page.assert_clean(&url);
}
