//! The order in which cases run.

/// Another order for every seed (Fisher and Yates, xorshift).
pub(crate) fn shuffle(order: &mut [usize], seed: u64) {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for at in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let other = state % (at as u64 + 1);
        order.swap(at, usize::try_from(other).unwrap_or_default());
    }
}
