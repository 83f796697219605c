//! Those who publish, in every way there is.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use hobnail::{Client, Handle, Pending};

use super::{
    books::{ACKED, AUTO, Books, Fate, TOPIC},
    consume::{close, tell},
    draw::Draw,
};

/// RECEIPTs that one publisher lets be under way.
const WINDOW: usize = 24;

/// Numbers its messages.
struct Pen {
    name: &'static str,
    next: u64,
    draw: Draw,
}

impl Pen {
    fn new(name: &'static str, draw: Draw) -> Self {
        Self {
            name,
            next: 0,
            draw,
        }
    }

    fn id(&mut self) -> String {
        self.next += 1;
        format!("{}-{}", self.name, self.next)
    }

    fn destination(&mut self) -> &'static str {
        match self.draw.below(6) {
            n @ 0..=2 => ACKED[n as usize],
            3 => AUTO,
            _ => TOPIC,
        }
    }

    fn body(&mut self, id: &str) -> String {
        let most = if self.draw.once_in(60) { 40_000 } else { 200 };
        let padding = "x".repeat(self.draw.below(most) as usize);
        format!(r#"{{"id":"{id}","padding":"{padding}"}}"#)
    }

    fn pause(&mut self) {
        let span = if self.draw.once_in(50) {
            self.draw.ms(1, 200)
        } else {
            self.draw.ms(1, 8)
        };
        thread::sleep(span);
    }
}

/// A thread that shares a handle with others.
pub(crate) fn threaded(
    handle: &Handle,
    name: &'static str,
    books: &Books,
    stop: &AtomicBool,
    draw: Draw,
) {
    let mut pen = Pen::new(name, draw);
    let mut under_way: VecDeque<(String, &'static str, Pending)> = VecDeque::new();
    let settle = |(id, destination, pending): (String, &'static str, Pending)| {
        books.sent(id, destination, Fate::of(&pending.wait()));
    };
    while !stop.load(Ordering::Relaxed) {
        if pen.draw.once_in(40) {
            transaction(handle, &mut pen, books);
            pen.pause();
            continue;
        }
        let (id, destination) = (pen.id(), pen.destination());
        let body = pen.body(&id);
        let send = handle.send(destination).header("id", &*id).body(&body);
        match pen.draw.below(20) {
            // One that may be lost with its connection.
            0 => {
                let result = send.receipt().publish();
                books.sent(id, destination, Fate::of(&result));
            }
            // One that does not wait for a new token.
            1 => {
                let result = send.receipt().try_publish();
                books.sent(id, destination, Fate::of(&result));
            }
            // One without patience.
            2 => {
                let limit = pen.draw.ms(1, 300);
                let result = send.replay().timeout(limit).publish();
                books.sent(id, destination, Fate::of(&result));
            }
            _ => match send.replay().begin() {
                Ok(pending) => under_way.push_back((id, destination, pending)),
                Err(e) => books.sent(id, destination, Fate::of(&Err(e))),
            },
        }
        if under_way.len() > WINDOW {
            under_way.pop_front().into_iter().for_each(settle);
        }
        pen.pause();
    }
    under_way.into_iter().for_each(settle);
}

/// All of them or none.
fn transaction(handle: &Handle, pen: &mut Pen, books: &Books) {
    let destination = ACKED[pen.draw.below(3) as usize];
    let ids: Vec<String> = (0..=pen.draw.below(4)).map(|_| pen.id()).collect();
    let mut send = || {
        let mut transaction = handle.transaction()?;
        for id in &ids {
            let body = pen.body(id);
            let send = transaction.send(destination).header("id", &**id);
            send.body(&body).publish()?;
        }
        transaction.commit()
    };
    let fate = match Fate::of(&send()) {
        // Parts of it may have.
        Fate::NeverLeft => Fate::Doubtful,
        fate @ (Fate::Confirmed | Fate::Doubtful) => fate,
    };
    books.transaction(ids, destination, fate);
}

/// What a driven publisher is told, and tells.
#[derive(Clone, Copy)]
pub(crate) struct Flags<'a> {
    /// Publish no more.
    pub(crate) stop: &'a AtomicBool,
    /// All that was published is settled.
    pub(crate) published: &'a AtomicBool,
    /// End.
    pub(crate) finish: &'a AtomicBool,
}

/// A client that is driven by its publisher.
pub(crate) fn driven(
    mut client: Client,
    name: &'static str,
    books: &Books,
    flags: Flags<'_>,
    draw: Draw,
) {
    let mut pen = Pen::new(name, draw);
    let mut under_way: VecDeque<(String, &'static str, Pending)> = VecDeque::new();
    while !flags.stop.load(Ordering::Relaxed) {
        let (id, destination) = (pen.id(), pen.destination());
        let body = pen.body(&id);
        let send = client.send(destination).header("id", &*id).body(&body);
        match send.replay().begin() {
            Ok(pending) => under_way.push_back((id, destination, pending)),
            Err(e) => books.sent(id, destination, Fate::of(&Err(e))),
        }
        if under_way.len() > WINDOW {
            if let Some((id, destination, pending)) = under_way.pop_front() {
                let result = client.confirm(&pending);
                books.sent(id, destination, Fate::of(&result));
            }
        }
        tell(&mut client, name, books);
        pen.pause();
    }
    for (id, destination, pending) in under_way {
        let result = client.confirm(&pending);
        books.sent(id, destination, Fate::of(&result));
        tell(&mut client, name, books);
    }
    flags.published.store(true, Ordering::Relaxed);
    // It lives on until all has arrived.
    while !flags.finish.load(Ordering::Relaxed) {
        if let Err(e) = client.turn(Duration::from_millis(50)) {
            books.wrong(format!("{name} cannot go on: {e}"));
            break;
        }
        tell(&mut client, name, books);
    }
    close(client, name, books);
}
