//! Numbers in headers.

/// The decimal digits of a number. `format!` costs ten times as much, and every
/// MESSAGE has two of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decimal {
    digits: [u8; 20],
    from: usize,
}

impl Decimal {
    pub(crate) fn new(mut number: u64) -> Self {
        let (mut digits, mut from) = ([b'0'; 20], 20);
        loop {
            from -= 1;
            digits[from] += (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { digits, from };
            }
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[self.from..]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_usual() {
        let powers = (0..64).flat_map(|n| [1_u64 << n, (1 << n) - 1, 10_u64.saturating_pow(n)]);
        for number in powers.chain([u64::MAX]) {
            assert_eq!(Decimal::new(number).as_str(), number.to_string());
        }
    }
}
