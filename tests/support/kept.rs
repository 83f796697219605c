//! Real brokers that live as long as this process and no longer.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Once,
};

/// A broker in a folder of its own. The script that started it ends it when its
/// standard input ends: with this value, or with this process, however that
/// ends.
#[derive(Debug)]
pub(crate) struct Kept {
    script: &'static str,
    folder: PathBuf,
    _keeper: Child,
}

impl Kept {
    /// Runs a script that prints a folder once the broker is up.
    pub(crate) fn start(script: &'static str, arguments: &[&str]) -> Self {
        let mut keeper = Command::new(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the broker script runs");
        let mut folder = String::new();
        BufReader::new(keeper.stdout.take().expect("it is piped"))
            .read_line(&mut folder)
            .expect("the broker script prints text");
        assert!(
            !folder.is_empty(),
            "no broker came up; is it installed? ({script} install)"
        );
        Self {
            script,
            folder: folder.trim_end().into(),
            _keeper: keeper,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs the script's command for a folder of this broker, and waits.
    pub(crate) fn run(&self, command: &str, folder: &Path, arguments: &[&str]) {
        let status = Command::new(self.script)
            .arg(command)
            .arg(folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("the broker script runs");
        assert!(status.success(), "{command} {arguments:?}: {status}");
    }
}

/// What the file `node` of a folder says.
pub(crate) fn fact(folder: &Path, name: &str) -> String {
    let facts = fs::read_to_string(folder.join("node")).expect("the node is described");
    let fact = facts.lines().find_map(|line| line.strip_prefix(name));
    fact.expect("the fact is told").to_owned()
}

/// Sends a signal to the process of a pid file.
pub(crate) fn signal(file: &Path, signal: &str) {
    let pid = fs::read_to_string(file).expect("the broker runs");
    let status = Command::new("kill")
        .args(["-s", signal, pid.trim()])
        .status();
    assert!(status.expect("kill runs").success(), "{signal}");
}

thread_local! {
    /// The logs of the brokers that this thread has to do with.
    static LOGS: RefCell<BTreeMap<String, PathBuf>> = const { RefCell::new(BTreeMap::new()) };
}

/// If this thread panics, it shows the end of this log.
pub(crate) fn watch(name: &str, log: PathBuf) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            LOGS.with_borrow(|logs| {
                for (name, log) in logs {
                    eprintln!("---- the end of the log of {name}, {}:", log.display());
                    eprintln!("{}", tail(log).unwrap_or_else(|e| e.to_string()));
                }
            });
        }));
    });
    LOGS.with_borrow_mut(|logs| logs.insert(name.to_owned(), log));
}

/// The last lines of a file.
fn tail(log: &Path) -> std::io::Result<String> {
    const OCTETS: u64 = 3_000;
    let mut file = fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(OCTETS)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}
