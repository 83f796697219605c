//! Numbers in headers.

/// Two octets and the most digits of a number.
const ROOM: usize = 22;

/// The decimal digits of a number. `format!` costs ten times as much, and every
/// MESSAGE has two of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal {
    octets: [u8; ROOM],
    from: usize,
}

impl Decimal {
    pub(crate) fn new(mut number: u64) -> Self {
        let (mut octets, mut from) = ([b'0'; ROOM], ROOM);
        loop {
            from -= 1;
            octets[from] += (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { octets, from };
            }
        }
    }

    /// A number after two more octets.
    pub(crate) fn after(before: [u8; 2], number: u64) -> Self {
        let Self { mut octets, from } = Self::new(number);
        [octets[from - 2], octets[from - 1]] = before;
        Self {
            octets,
            from: from - 2,
        }
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets[self.from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_usual() {
        let powers = (0..64).flat_map(|n| [1_u64 << n, (1 << n) - 1, 10_u64.saturating_pow(n)]);
        for number in powers.chain([u64::MAX]) {
            let digits = number.to_string();
            assert_eq!(Decimal::new(number).octets(), digits.as_bytes());
            let after = Decimal::after(*b"m-", number);
            assert_eq!(after.octets(), format!("m-{digits}").as_bytes());
        }
    }
}
