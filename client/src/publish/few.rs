//! The headers of a frame in the making.

use std::borrow::Cow;

type Header<'a> = (Cow<'a, str>, Cow<'a, str>);

/// A list whose first entries need no allocation: few SENDs have more.
#[derive(Default)]
pub(super) struct Few<'a> {
    first: [Option<Header<'a>>; 3],
    rest: Vec<Header<'a>>,
}

impl<'a> Few<'a> {
    pub(super) fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        match self.first.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some((name, value)),
            None => self.rest.push((name, value)),
        }
    }

    /// In the order in which they were pushed.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Header<'a>> {
        self.first.iter().flatten().chain(&self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_however_many_they_are() {
        let mut few = Few::default();
        for n in 0..10 {
            let seen: Vec<_> = few.iter().map(|(_, value)| value.to_string()).collect();
            let wanted: Vec<_> = (0..n).map(|n| n.to_string()).collect();
            assert_eq!(seen, wanted);
            few.push("n".into(), n.to_string().into());
        }
    }
}
