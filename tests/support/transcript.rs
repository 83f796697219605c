//! What a broker saw, for assertions.

use hobnail_mock_broker::{Entry, Frame, How, MockBroker, Note, What};

use crate::SOON;

/// Questions to a broker's transcript.
pub trait Seen {
    /// The n-th frame (from 1) with this command that came from the client, waited for.
    fn nth_received(&self, n: usize, command: &str) -> Frame;

    /// As [`nth_received`](Self::nth_received), on one connection.
    fn nth_received_on(&self, conn: u64, n: usize, command: &str) -> Frame;

    /// The commands that came on one connection so far.
    fn commands(&self, conn: u64) -> Vec<String>;

    /// How a connection ended, waited for.
    fn end_of(&self, conn: u64) -> How;

    /// Waits for a mark.
    fn marked(&self, name: &str) -> Entry;

    /// What the broker had to complain of so far.
    fn complaints(&self) -> Vec<Note>;
}

impl Seen for MockBroker {
    fn nth_received(&self, n: usize, command: &str) -> Frame {
        let entry = self.wait_for_nth(n, SOON, |e| e.is_recv(command));
        frame(entry.expect("the frame comes"))
    }

    fn nth_received_on(&self, conn: u64, n: usize, command: &str) -> Frame {
        let entry = self.wait_for_nth(n, SOON, |e| e.conn == conn && e.is_recv(command));
        frame(entry.expect("the frame comes"))
    }

    fn commands(&self, conn: u64) -> Vec<String> {
        self.transcript()
            .iter()
            .filter(|e| e.conn == conn)
            .filter_map(|e| Some(e.received()?.command.clone()))
            .collect()
    }

    fn end_of(&self, conn: u64) -> How {
        let is_end = |e: &Entry| e.conn == conn && matches!(e.what, What::Closed(_));
        let entry = self.wait_for(SOON, is_end);
        match entry.expect("the connection ends").what {
            What::Closed(how) => how,
            other => panic!("{other:?}"),
        }
    }

    fn marked(&self, name: &str) -> Entry {
        self.wait_for(SOON, |e| e.is_mark(name))
            .expect("the mark is set")
    }

    fn complaints(&self) -> Vec<Note> {
        self.transcript()
            .iter()
            .filter_map(|e| e.note().cloned())
            .collect()
    }
}

fn frame(entry: Entry) -> Frame {
    entry.received().expect("it was received").clone()
}
