//! A headless Chromium with one page, spoken to over its DevTools protocol.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// Far longer than anything takes; reached only by a failure.
const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Chromium {
    child: Child,
    /// Its profile: a new one each time.
    _profile: tempfile::TempDir,
    ws: WebSocket<TcpStream>,
    number: u64,
    /// The session of the page within the connection to the browser.
    page: Option<String>,
    /// What went wrong on the page: exceptions, errors on the console, dialogs.
    pub(crate) trouble: Vec<String>,
    /// Every address that the page asked for.
    pub(crate) requests: Vec<String>,
}

impl Chromium {
    /// Starts it and opens an address in a window of this size.
    pub(crate) fn open(url: &str, (width, height): (u32, u32)) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let mut child = Command::new("chromium")
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-sync",
            ])
            .args(["--disable-component-update", "--disable-dev-shm-usage"])
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chromium starts: is it installed?");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let browser = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let at = line.strip_prefix("DevTools listening on ")?;
            Some(at.to_owned())
        });
        // It goes on talking, and must not wait for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let browser = browser.expect("chromium says where its DevTools are");
        let place = browser
            .strip_prefix("ws://")
            .and_then(|u| u.split('/').next());
        let tcp = TcpStream::connect(place.expect("an address")).expect("DevTools answer");
        tcp.set_read_timeout(Some(LONG)).expect("a timeout");
        let (ws, _) = tungstenite::client(&browser, tcp).expect("a WebSocket");
        let mut it = Self {
            child,
            _profile: profile,
            ws,
            number: 0,
            page: None,
            trouble: Vec::new(),
            requests: Vec::new(),
        };
        let target = it.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = it.call("Target.attachToTarget", &attach)["sessionId"].clone();
        it.page = session.as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            it.call(&format!("{domain}.enable"), &json!({}));
        }
        it.resize((width, height));
        it.call("Page.navigate", &json!({"url": url}));
        it.until("document.readyState === 'complete' && location.href !== 'about:blank'");
        it
    }

    pub(crate) fn resize(&mut self, (width, height): (u32, u32)) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1,
                          "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Calls a method of the protocol; what happens meanwhile is remembered.
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.number += 1;
        let mut request = json!({"id": self.number, "method": method, "params": params});
        if let Some(page) = &self.page {
            request["sessionId"] = page.as_str().into();
        }
        self.ws
            .send(Message::text(request.to_string()))
            .expect("the browser listens");
        loop {
            let message = self.ws.read().expect("the browser answers in time");
            let mut message: Value =
                serde_json::from_str(message.to_text().expect("text")).expect("JSON");
            if message["id"] == self.number {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.remember(&message);
        }
    }

    fn remember(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                self.requests.push(url.to_owned());
            }
            "Runtime.exceptionThrown" | "Page.javascriptDialogOpening" => {
                self.trouble.push(event.to_string());
            }
            "Runtime.consoleAPICalled" if params["type"] == "error" => {
                self.trouble.push(event.to_string());
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                self.trouble.push(event.to_string());
            }
            _ => {}
        }
    }

    /// The value of an expression on the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", &params);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true on the page.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) {
        let millis = LONG.as_millis() / 2;
        let holds = self.eval(&format!(
            "new Promise((done) => {{
                const end = Date.now() + {millis};
                const look = () => {{
                    if ({expression}) done(true);
                    else if (Date.now() > end) done(document.body?.innerText ?? 'no page');
                    else setTimeout(look, 20);
                }};
                look();
            }})"
        ));
        assert_eq!(holds, true, "never: {expression}");
    }

    /// Presses a button as a mouse does: where it is on the page. What comes in
    /// meanwhile may move it away under the mouse; then again.
    #[track_caller]
    pub(crate) fn press(&mut self, selector: &str) {
        let quoted = Value::from(selector);
        let end = Instant::now() + LONG / 2;
        while Instant::now() < end {
            let place = self.eval(&format!(
                "(() => {{ const e = document.querySelector({quoted});
                    window.pressed = false;
                    document.addEventListener('click', (event) => {{
                        window.pressed ||= event.target.closest({quoted}) !== null;
                    }}, {{capture: true, once: true}});
                    e.scrollIntoView({{block: 'center'}});
                    const r = e.getBoundingClientRect();
                    return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
            ));
            for kind in ["mousePressed", "mouseReleased"] {
                let click = json!({"type": kind, "x": place[0], "y": place[1], "button": "left",
                                   "clickCount": 1});
                self.call("Input.dispatchMouseEvent", &click);
            }
            if self.eval("window.pressed") == true {
                return;
            }
        }
        panic!("{selector} cannot be pressed");
    }

    /// Types into a field.
    pub(crate) fn fill(&mut self, selector: &str, text: &str) {
        let quoted = Value::from(selector);
        self.eval(&format!(
            "{{ const e = document.querySelector({quoted}); e.focus(); e.select(); }}"
        ));
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// A picture of the page, for people: only where `PAGE_PICTURES` names a
    /// folder.
    pub(crate) fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("PAGE_PICTURES") else {
            return;
        };
        let answer = self.call("Page.captureScreenshot", &json!({"format": "png"}));
        let data = answer["data"].as_str().expect("a picture");
        let octets = data_encoding::BASE64.decode(data.as_bytes());
        let path = std::path::Path::new(&folder)
            .join(name)
            .with_extension("png");
        std::fs::write(path, octets.expect("base64")).expect("written");
    }

    /// Nothing went wrong, and nothing was asked of anybody but the broker.
    #[track_caller]
    pub(crate) fn assert_clean(&mut self, origin: &str) {
        self.eval("1");
        assert_eq!(self.trouble, [""; 0]);
        assert!(self.requests.len() >= 4, "{:?}", self.requests);
        for url in &self.requests {
            let own = url.starts_with(origin) || url.starts_with("data:");
            assert!(own || url == "about:blank", "{url}");
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // A polite end takes its children along.
        let close = json!({"id": 0, "method": "Browser.close"});
        let asked = self.ws.send(Message::text(close.to_string()));
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
