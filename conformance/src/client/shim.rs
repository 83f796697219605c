//! The program under test: a shim that calls its library, spoken to in lines of
//! JSON on stdin and stdout.

use super::order::{Order, Said};
use super::world::{Answer, Event, World};
use crate::wire::show;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The name of the protocol; the first line of both sides.
pub(crate) const PROTOCOL: &str = "stomp-conformance-shim/1";
/// The exit code of a shim that cannot do a case.
pub(crate) const NOT_IMPLEMENTABLE: i32 = 89;
/// Octets of one line, at most.
const LINE: u64 = 128 << 20;
/// Octets of stderr that are kept.
const KEPT: usize = 2 << 10;
/// How long after the end of stdout that of stderr is waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a shim says of itself.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Hello {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) lang: String,
    pub(crate) caps: Vec<String>,
}

impl Hello {
    pub(crate) fn has(&self, cap: &str) -> bool {
        let all_ids = matches!(cap, "sub-ids" | "tx-ids" | "receipt-ids");
        let has = |cap: &str| self.caps.iter().any(|c| c == cap);
        has(cap) || (all_ids && has("ids"))
    }
}

/// Where the shim's account goes: the case that runs.
type Desk = Arc<Mutex<(Arc<World>, Order)>>;

#[derive(Debug)]
pub(crate) struct Shim {
    child: Child,
    lines: Option<Sender<String>>,
    desk: Desk,
    next: u64,
    pub(crate) hello: Hello,
}

impl Shim {
    /// Starts the process and greets it; what went wrong, in words.
    pub(crate) fn start(
        command: &[String],
        world: &Arc<World>,
        within: Duration,
    ) -> Result<Self, String> {
        let (program, args) = command.split_first().ok_or("no shim is named")?;
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program} does not start: {error}"))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("the shim has no stdin and stdout".to_owned());
        };
        let desk = Arc::new(Mutex::new((Arc::clone(world), Order::default())));
        let last_words = Arc::new(Mutex::new(Vec::new()));
        let (greeting, greeted) = channel();
        let (said_all, all_said) = channel();
        let listens = {
            let (desk, last_words) = (Arc::clone(&desk), Arc::clone(&last_words));
            move || listen(stdout, &desk, &greeting, &last_words, &all_said)
        };
        std::thread::spawn(listens);
        std::thread::spawn(move || {
            keep_end(stderr, &last_words);
            let _ = said_all.send(());
        });
        let mut shim = Self {
            child,
            lines: Some(writer(stdin)),
            desk,
            next: 0,
            hello: Hello::default(),
        };
        shim.line(&json!({ "hello": PROTOCOL }));
        let hello = match greeted.recv_timeout(within) {
            Ok(Ok(hello)) => hello,
            Ok(Err(words)) => return Err(words),
            Err(_) => {
                let seconds = within.as_secs_f64();
                return Err(format!("the shim does not greet within {seconds:.1} s"));
            }
        };
        shim.hello = hello;
        Ok(shim)
    }

    fn desk(&self) -> MutexGuard<'_, (Arc<World>, Order)> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, line: &Value) {
        if let Some(lines) = &self.lines {
            let _ = lines.send(format!("{line}\n"));
        }
    }

    /// From now on the account is of another case.
    pub(crate) fn turn_to(&self, world: &Arc<World>) {
        self.desk().0 = Arc::clone(world);
    }

    /// Gives a command; its id.
    pub(crate) fn command(&mut self, verb: &str, fields: &Value) -> u64 {
        self.next += 1;
        let id = self.next;
        let mut line = json!({ "id": id, "do": verb });
        if let (Some(line), Some(fields)) = (line.as_object_mut(), fields.as_object()) {
            line.extend(fields.clone());
        }
        self.desk().1.command(id, verb, fields);
        self.line(&line);
        id
    }

    /// Waits for the answer to a command.
    pub(crate) fn answer(&self, id: u64, within: Duration) -> Option<Answer> {
        let world = Arc::clone(&self.desk().0);
        let answer = world.until(within, |state| state.answers.remove(&id));
        if answer.is_none() {
            let verb = self.desk().1.unanswered().unwrap_or("it").to_owned();
            world.change(|state| {
                if state.died.is_none() && state.fault.is_none() {
                    let seconds = within.as_secs_f64();
                    state.fault = Some(format!("{verb} is not answered within {seconds:.1} s"));
                }
            });
        }
        answer
    }

    /// Whether it has told the end of what it began; it is given a while.
    pub(crate) fn is_idle(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        // Not while the world is locked: whoever listens locks the desk first.
        while !self.desk().1.is_idle() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// The most memory that its process has held so far, where that can be seen.
    pub(crate) fn memory(&self) -> Option<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kib << 10)
    }

    /// Asks it to leave; whether it did so, with the code 0, in time.
    pub(crate) fn leave(mut self, within: Duration) -> Result<(), String> {
        let id = self.command("exit", &json!({}));
        let world = Arc::clone(&self.desk().0);
        let deadline = Instant::now() + within;
        let answered = world.until(within, |state| state.answers.remove(&id));
        self.lines = None;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() && answered.is_some() => return Ok(()),
                Ok(Some(status)) if status.success() => {
                    return Err("exit was not answered".to_owned());
                }
                Ok(Some(status)) => return Err(format!("it left with {status}")),
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(error) => return Err(format!("{error}")),
            }
        }
        Err(format!(
            "it did not leave within {:.1} s",
            within.as_secs_f64()
        ))
    }

    /// How the process ended, if it has; it is given a moment.
    pub(crate) fn status(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.code(),
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        self.lines = None;
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Writes lines without ever holding up who gives them.
fn writer(mut stdin: ChildStdin) -> Sender<String> {
    let (sender, lines) = channel::<String>();
    std::thread::spawn(move || {
        for line in lines {
            if stdin.write_all(line.as_bytes()).is_err() {
                return;
            }
        }
    });
    sender
}

/// Reads stdout to its end, always: a shim that cannot write cannot answer pings.
fn listen(
    stdout: ChildStdout,
    desk: &Desk,
    greeting: &Sender<Result<Hello, String>>,
    last_words: &Mutex<Vec<u8>>,
    all_said: &Receiver<()>,
) {
    let mut lines = BufReader::new(stdout);
    let mut greeted = false;
    loop {
        let mut line = Vec::new();
        match lines.by_ref().take(LINE + 1).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let read = match serde_json::from_slice::<Value>(&line) {
            _ if line.len() as u64 > LINE => Err("a line of more than 128 MiB".to_owned()),
            Ok(value) => Ok(value),
            Err(_) => Err(format!(
                "a line that is no JSON: {}",
                show::octets(line.trim_ascii_end())
            )),
        };
        if !greeted {
            greeted = true;
            let _ = greeting.send(read.and_then(|line| greet(&line)));
            continue;
        }
        take(desk, read);
    }
    // stdout and stderr end in either order; a child of its own may keep stderr open.
    let _ = all_said.recv_timeout(LAST_WORDS);
    let words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
    let words = show::octets(words.trim_ascii_end());
    let died = if words.is_empty() {
        "the shim ended".to_owned()
    } else {
        format!("the shim ended; its last words: {words}")
    };
    let _ = greeting.send(Err(died.clone()));
    let world = {
        let desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&desk.0)
    };
    world.change(|state| state.died = Some(died));
}

/// Enters one line into the account.
fn take(desk: &Desk, line: Result<Value, String>) {
    let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    let (world, order) = &mut *desk;
    let said = line.and_then(|line| Ok((order.line(&line)?, line)));
    world.change(|state| match said {
        Ok((Said::Answer(id, answer), _)) => {
            state.answers.insert(id, answer);
        }
        Ok((Said::Event(name), fields)) => state.events.push(Event { name, fields }),
        Ok((Said::Complaint, _)) => {
            state
                .fault
                .get_or_insert("it does not understand a command".to_owned());
        }
        Err(words) => {
            state.fault.get_or_insert(words);
        }
    });
}

fn greet(line: &Value) -> Result<Hello, String> {
    match line["hello"].as_str() {
        Some(PROTOCOL) => {}
        Some(other) => return Err(format!("the shim speaks \"{other}\", not {PROTOCOL}")),
        None => return Err(format!("the shim does not greet; it says {line}")),
    }
    let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let caps = line["caps"].as_array().into_iter().flatten();
    Ok(Hello {
        name: text("name"),
        version: text("version"),
        lang: text("lang"),
        caps: caps.filter_map(|c| c.as_str().map(str::to_owned)).collect(),
    })
}

/// Keeps the end of what comes.
fn keep_end(mut stderr: ChildStderr, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut buffer) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..n]);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }
}
