//! Those who read: with a thread of the client's own, and driving it themselves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use hobnail::{AckMode, Client, Handle, Message, Subscription};

use super::{
    books::{ACKED, AUTO, Books, TOPIC},
    draw::Draw,
};

/// How often a reader that waits looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Each subscription of a handle has a thread that reads it until it ends.
pub(crate) fn threaded(
    handle: &Handle,
    books: &Arc<Books>,
    stop: &Arc<AtomicBool>,
    draw: &mut Draw,
) -> Vec<JoinHandle<()>> {
    let kinds = [
        ("one", ACKED[0], AckMode::ClientIndividual),
        ("all", ACKED[1], AckMode::Client),
        ("auto", AUTO, AckMode::Auto),
        ("events", TOPIC, AckMode::Auto),
    ];
    kinds
        .map(|(id, destination, mode)| {
            let subscription = insist(stop, || {
                let request = handle.subscription(destination);
                request.id(id).ack(mode).subscribe()
            });
            let (books, draw) = (Arc::clone(books), draw.fork());
            thread::spawn(move || {
                if let Some(subscription) = subscription {
                    read(subscription, id, mode, &books, draw);
                }
            })
        })
        .into()
}

/// Tries what a broker under weather may refuse.
pub(crate) fn insist<T>(
    stop: &AtomicBool,
    mut call: impl FnMut() -> Result<T, hobnail::Error>,
) -> Option<T> {
    loop {
        match call() {
            Ok(made) => return Some(made),
            Err(e) if stop.load(Ordering::Relaxed) => {
                log::warn!("given up: {e}");
                return None;
            }
            Err(e) => {
                log::info!("again: {e}");
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn read(
    subscription: Subscription,
    id: &'static str,
    mode: AckMode,
    books: &Books,
    mut draw: Draw,
) {
    let mut unacknowledged = 0;
    loop {
        match subscription.recv_timeout(LOOK) {
            Ok(Some(message)) => {
                note(books, id, &message);
                unacknowledged += 1;
                if mode == AckMode::ClientIndividual {
                    settle(&message, &mut draw);
                } else if mode == AckMode::Client && unacknowledged > draw.below(8) {
                    unacknowledged = 0;
                    acknowledge(&message);
                }
                // Now and then the reader is busy: the queue fills.
                if draw.once_in(400) {
                    thread::sleep(draw.ms(1, 300));
                }
            }
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

fn note(books: &Books, subscription: &'static str, message: &Message) {
    match message.header("id") {
        Some(id) => books.received(subscription, &id, &message.message_id()),
        None => books.wrong(format!("{subscription} got what nobody sent: {message:?}")),
    }
}

/// One in many is refused: it comes again.
fn settle(message: &Message, draw: &mut Draw) {
    if draw.once_in(100) {
        if let Err(e) = message.nack() {
            log::debug!("it will come again: {e}");
        }
    } else {
        acknowledge(message);
    }
}

/// An acknowledgement that comes too late for its connection is none: the
/// message is delivered again.
fn acknowledge(message: &Message) {
    if let Err(e) = message.ack() {
        log::debug!("it will come again: {e}");
    }
}

/// A client that is driven by its reader.
pub(crate) fn driven(
    mut client: Client,
    who: &'static str,
    books: &Books,
    stop: &AtomicBool,
    finish: &AtomicBool,
    mut draw: Draw,
) {
    let made = insist(stop, || {
        let request = client.subscription(ACKED[2]);
        let request = request.id("own").ack(AckMode::ClientIndividual);
        request.subscribe()
    });
    while !finish.load(Ordering::Relaxed) {
        match client.recv_timeout(LOOK) {
            Ok(Some(message)) => {
                note(books, "own", &message);
                settle(&message, &mut draw);
            }
            Ok(None) => {}
            Err(e) => {
                books.wrong(format!("{who} cannot read: {e}"));
                break;
            }
        }
        tell(&mut client, who, books);
    }
    drop(made);
    close(client, who, books);
}

pub(crate) fn tell(client: &mut Client, who: &str, books: &Books) {
    while let Some(event) = client.poll_event() {
        books.event(who, &event);
    }
}

pub(crate) fn close(mut client: Client, who: &str, books: &Books) {
    if let Err(e) = client.close() {
        log::info!("{who} was not closed in order: {e}");
    }
    tell(&mut client, who, books);
}
