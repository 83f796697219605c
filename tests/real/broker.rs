//! The nodes of this test run, and clients of them.

use std::{
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hobnail::{
    Client, Dialect, Message, Subscription,
    config::{Backoff, Builder, Timeouts},
};
use hobnail_tests::rabbitmq::{FrameKind, RabbitMq};

/// Everything that is waited for comes within this time, or never.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The node that no test may harm, as RabbitMQ is by default.
pub(crate) fn shared() -> &'static RabbitMq {
    static NODE: LazyLock<RabbitMq> = LazyLock::new(|| RabbitMq::start(FrameKind::Text));
    &NODE
}

/// The node that tests may break, one at a time. It sends BINARY messages.
pub(crate) fn breakable() -> MutexGuard<'static, RabbitMq> {
    static NODE: LazyLock<Mutex<RabbitMq>> =
        LazyLock::new(|| Mutex::new(RabbitMq::start(FrameKind::Binary)));
    let node = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    // The test before may have failed while it was down.
    node.restart();
    node
}

/// Three nodes of one cluster that tests may break, one test at a time.
pub(crate) fn cluster() -> MutexGuard<'static, Vec<RabbitMq>> {
    static NODES: LazyLock<Mutex<Vec<RabbitMq>>> =
        LazyLock::new(|| Mutex::new(RabbitMq::start_cluster(3)));
    let nodes = NODES.lock().unwrap_or_else(PoisonError::into_inner);
    for node in &*nodes {
        node.restart();
    }
    nodes
}

/// A client of a node, that does not wait long before it connects again.
pub(crate) fn client_of(url: impl Into<String>) -> Builder {
    Client::builder(url)
        .login("guest", "guest")
        .virtual_host("/")
        .dialect(Dialect::RABBITMQ)
        .proxy(None)
        .timeouts(patient())
        .backoff(Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_millis(500),
            ..Backoff::default()
        })
}

/// A machine that is busy with other tests is slow, and that is no failure.
pub(crate) fn patient() -> Timeouts {
    Timeouts {
        resolve: LIMIT,
        connect: LIMIT,
        tls: LIMIT,
        upgrade: LIMIT,
        open: LIMIT,
        overall: 2 * LIMIT,
        ..Timeouts::default()
    }
}

/// A client of the node that no test may harm.
pub(crate) fn client() -> Builder {
    client_of(shared().url())
}

/// Where messages come from, whoever turns the reactor.
pub(crate) trait Source {
    fn next_within(&mut self, limit: Duration) -> Option<Message>;

    fn message(&mut self) -> Message {
        self.next_within(LIMIT).expect("a message")
    }

    fn text(&mut self) -> String {
        self.message().text().unwrap().to_owned()
    }
}

impl Source for Client {
    fn next_within(&mut self, limit: Duration) -> Option<Message> {
        self.recv_timeout(limit).unwrap()
    }
}

impl Source for &Subscription {
    fn next_within(&mut self, limit: Duration) -> Option<Message> {
        self.recv_timeout(limit).unwrap()
    }
}

/// Whether the broker says that it has delivered this message before.
pub(crate) fn is_redelivered(message: &Message) -> bool {
    message.header("redelivered").as_deref() == Some("true")
}
