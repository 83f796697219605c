//! What comes before the body of a SEND.

use std::cell::Cell;

use bytes::BytesMut;

use super::few::Few;
use crate::run::LARGE;

/// The head of a SEND, in memory that is used again. Whoever publishes mostly does so
/// to where they did before, with the same headers: what is the same need not be
/// written again.
#[derive(Default)]
pub(super) struct Head {
    pub(super) octets: BytesMut,
    /// The lengths of the destination and of the names and values of the headers.
    lengths: Vec<usize>,
    /// So many octets end with these headers; 0 if they do not stand there as they
    /// were given.
    lasting: usize,
    /// The length of the body, if nothing else depends on the frame.
    body: Option<usize>,
}

thread_local! {
    static LAST: Cell<Option<Box<Head>>> = const { Cell::new(None) };
}

impl Head {
    /// The latest of this thread.
    pub(super) fn last() -> Box<Self> {
        let last = LAST.try_with(Cell::take);
        last.ok().flatten().unwrap_or_default()
    }

    /// Keeps it for the next, unless it is large.
    pub(super) fn keep(self: Box<Self>) {
        if self.octets.capacity() <= LARGE {
            // A thread that ends has no next.
            LAST.try_with(|last| last.set(Some(self))).ok();
        }
    }

    /// Whether it begins with these headers. Compared are the lengths, too: an octet
    /// that would need an escape could look like the end of a header.
    pub(super) fn begins_with(&self, destination: &str, headers: &Few<'_>) -> bool {
        let mut octets = self.octets.get(START..self.lasting).unwrap_or_default();
        let mut lengths = self.lengths.iter();
        let mut is_next = |text: &str| {
            let length = text.len();
            lengths.next() == Some(&length) && octets.get(..length) == Some(text.as_bytes()) && {
                octets = octets.get(length + 1..).unwrap_or_default();
                true
            }
        };
        is_next(destination)
            && headers
                .iter()
                .all(|(name, value)| is_next(name) && is_next(value))
            && lengths.next().is_none()
    }

    /// Whether it is all the same but for the body, which is of this length.
    pub(super) fn fits(&self, body: usize) -> bool {
        self.body == Some(body)
    }

    /// Only the headers that it [begins with](Self::begins_with) remain.
    pub(super) fn cut(&mut self) {
        self.octets.truncate(self.lasting);
        self.body = None;
    }

    /// Nothing remains but the memory.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.lengths.clear();
        self.lasting = 0;
        self.body = None;
    }

    /// It was written anew: so many octets end with these headers, in which nothing was
    /// escaped.
    pub(super) fn lasts(&mut self, octets: usize, destination: &str, headers: &Few<'_>) {
        self.lengths.push(destination.len());
        for (name, value) in headers.iter() {
            self.lengths.extend([name.len(), value.len()]);
        }
        self.lasting = octets;
    }

    /// Nothing but a body of this length follows those headers.
    pub(super) fn is_plain(&mut self, body: usize) {
        if self.lasting > 0 {
            self.body = Some(body);
        }
    }
}

/// What stands before the destination.
pub(super) const FIRST: &str = "destination:";
const START: usize = "SEND\n".len() + FIRST.len();

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{Command, Encoder, Version};

    type Headers = Vec<(String, String)>;

    /// As `Publish` does, but for the headers of its own.
    fn write(head: &mut Head, destination: &str, headers: &Headers, body: usize) -> bool {
        let mut few = Few::default();
        for (name, value) in headers {
            few.push(name.into(), value.into());
        }
        if head.begins_with(destination, &few) {
            if !head.fits(body) {
                head.cut();
                let frame = Encoder::resume(&mut head.octets, Command::Send, Version::V1_2);
                frame.finish_head(body).unwrap();
            }
            head.is_plain(body);
            return true;
        }
        head.clear();
        let mut frame = Encoder::new(&mut head.octets, Command::Send, Version::V1_2);
        frame.known_header(FIRST, destination).unwrap();
        for (name, value) in headers {
            frame.header(name, value).unwrap();
        }
        let lasting = frame.unescaped();
        frame.finish_head(body).unwrap();
        if let Some(octets) = lasting {
            head.lasts(octets, destination, &few);
            head.is_plain(body);
        }
        false
    }

    proptest! {
        /// Few letters, so that much is alike, and much looks like what it is not.
        #[test]
        fn what_is_not_written_again_is_as_if_it_were(frames in prop::collection::vec(
            ("[/a:\n]{0,4}", prop::collection::vec(("[a:\n]{1,3}", "[b:\n]{0,3}"), 0..5), 0_usize..12),
            1..40,
        )) {
            let mut head = Head::default();
            for (destination, headers, body) in frames {
                for body in [body, body, body + 1] {
                    let mut fresh = Head::default();
                    write(&mut head, &destination, &headers, body);
                    write(&mut fresh, &destination, &headers, body);
                    prop_assert_eq!(&head.octets, &fresh.octets);
                }
            }
        }
    }

    #[test]
    fn the_same_head_is_not_written_again_and_one_that_only_looks_the_same_is() {
        let mut head = Head::default();
        let headers = |list: &[(&str, &str)]| -> Headers {
            let owned = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
            list.iter().map(owned).collect()
        };
        let two = headers(&[("a", "1"), ("b", "2")]);
        assert!(!write(&mut head, "/x", &two, 1));
        assert!(write(&mut head, "/x", &two, 2));
        assert!(!write(&mut head, "/x", &headers(&[("a", "1\nb:2")]), 2));
        assert!(!write(&mut head, "/x", &two, 2));
        assert!(!write(&mut head, "/x\na:1", &headers(&[("b", "2")]), 2));
        assert!(!write(&mut head, "/x", &headers(&[("a", "1")]), 2));
        assert!(!write(&mut head, "/x", &two, 2));
        // Where something is escaped nothing is compared.
        assert!(!write(&mut head, "/x:", &two, 2));
        assert!(!write(&mut head, "/x:", &two, 2));
    }
}
