//! Words that people type: patterns with `*`, and what they may have meant.

/// Whether a text fits a pattern in which `*` stands for anything. Case does
/// not matter.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(text),
        Some((head, tail)) => {
            let Some(rest) = text
                .get(..head.len())
                .filter(|h| h.eq_ignore_ascii_case(head))
                .and(text.get(head.len()..))
            else {
                return false;
            };
            let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.any(|at| fits(tail, &rest[at..]))
        }
    }
}

/// The candidate that needs the fewest letters changed, added or taken away.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let far = |other: &&str| distance(&word, &other.to_ascii_lowercase());
    candidates.into_iter().min_by_key(far)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut last = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let swap = last + usize::from(x != *y);
            last = row[j + 1];
            row[j + 1] = swap.min(row[j] + 1).min(last + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{fits, nearest};

    #[test]
    fn patterns_fit() {
        assert!(fits("S12-FRM-*", "s12-frm-020/octets"));
        assert!(fits("*/octets", "S12-FRM-020/octets"));
        assert!(fits("a*b*c", "a-b-b-c"));
        assert!(!fits("a*b", "a-c"));
        assert!(!fits("a", "ab"));
        assert!(fits("*", ""));
    }

    #[test]
    fn the_nearest_word_is_found() {
        let words = ["reason", "grade", "until"];
        assert_eq!(nearest("raeson", words), Some("reason"));
        assert_eq!(nearest("Grad", words), Some("grade"));
        assert_eq!(nearest("x", []), None);
    }
}
