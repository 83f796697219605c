//! Durations, sizes, offsets and patterns, as scenario files write them.

use crate::rng::Rng;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest duration in a scenario file: a year.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A duration, or a range from which the seed picks one: `"250ms"`, `"2s"`,
/// `"5m"`, `"1h"`, `"100..300ms"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub min: Duration,
    /// The longest.
    pub max: Duration,
}

impl Span {
    /// Reads the notation of scenario files.
    pub fn parse(text: &str) -> Option<Self> {
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let (max, unit) = duration(high, None)?;
        let (min, _) = duration(low, Some(unit))?;
        (min <= max).then_some(Self { min, max })
    }

    pub(crate) fn pick(self, rng: &mut Rng) -> Duration {
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(rng.between(nanos(self.min), nanos(self.max)))
    }
}

impl From<Duration> for Span {
    fn from(d: Duration) -> Self {
        Self { min: d, max: d }
    }
}

impl From<RangeInclusive<Duration>> for Span {
    fn from(range: RangeInclusive<Duration>) -> Self {
        Self {
            min: *range.start(),
            max: *range.end(),
        }
    }
}

/// A number with a unit; the low end of a range may leave the unit out.
fn duration(text: &str, default: Option<f64>) -> Option<(Duration, f64)> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let unit = match (&text[split..], default) {
        ("us", _) => 1e-6,
        ("ms", _) => 1e-3,
        ("s", _) => 1.0,
        ("m", _) => 60.0,
        ("h", _) => 3600.0,
        ("", Some(unit)) => unit,
        _ => return None,
    };
    let number: f64 = text[..split].parse().ok()?;
    let duration = Duration::try_from_secs_f64(number * unit).ok()?;
    (duration <= LONGEST).then_some((duration, unit))
}

/// A number of octets, or a range: `200`, `"16MiB"`, `"200..2000"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The smallest.
    pub min: usize,
    /// The largest.
    pub max: usize,
}

impl Size {
    /// Reads the notation of scenario files.
    pub fn parse(text: &str) -> Option<Self> {
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let (min, max) = (octets(low)?, octets(high)?);
        (min <= max).then_some(Self { min, max })
    }

    pub(crate) fn pick(self, rng: &mut Rng) -> usize {
        rng.between(self.min as u64, self.max as u64) as usize
    }
}

impl From<usize> for Size {
    fn from(n: usize) -> Self {
        Self { min: n, max: n }
    }
}

impl From<RangeInclusive<usize>> for Size {
    fn from(range: RangeInclusive<usize>) -> Self {
        Self {
            min: *range.start(),
            max: *range.end(),
        }
    }
}

fn octets(text: &str) -> Option<usize> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let unit = match &text[split..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    text[..split].parse::<usize>().ok()?.checked_mul(unit)
}

/// Where octets are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// At these offsets; a negative one counts from the end.
    At(Vec<i64>),
    /// Into pieces of so many octets.
    Every(usize),
}

impl Cut {
    /// The offsets that fall inside of `len` octets, rising.
    pub(crate) fn offsets(&self, len: usize) -> Vec<usize> {
        match self {
            Self::Every(n) => (1..len).filter(|i| i % (*n).max(1) == 0).collect(),
            Self::At(offsets) => {
                let mut inside: Vec<usize> = offsets
                    .iter()
                    .map(|&o| if o < 0 { len as i64 + o } else { o })
                    .filter_map(|o| usize::try_from(o).ok())
                    .filter(|&o| o > 0 && o < len)
                    .collect();
                inside.sort_unstable();
                inside.dedup();
                inside
            }
        }
    }
}

/// Cuts octets at rising offsets.
pub(crate) fn pieces<'a>(octets: &'a [u8], offsets: &[usize]) -> Vec<&'a [u8]> {
    let mut out = Vec::with_capacity(offsets.len() + 1);
    let mut from = 0;
    for &to in offsets {
        out.push(&octets[from..to]);
        from = to;
    }
    out.push(&octets[from..]);
    out
}

/// Whether `text` fits a pattern in which `*` stands for any octets and `?`
/// for any one.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (p, t) = (pattern.as_bytes(), text.as_bytes());
    let (mut i, mut j) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while j < t.len() {
        if p.get(i) == Some(&b'*') {
            star = Some((i, j));
            i += 1;
        } else if p.get(i).is_some_and(|&c| c == b'?' || c == t[j]) {
            i += 1;
            j += 1;
        } else if let Some((from, eaten)) = star {
            star = Some((from, eaten + 1));
            i = from + 1;
            j = eaten + 1;
        } else {
            return false;
        }
    }
    p[i..].iter().all(|&c| c == b'*')
}

/// The known word nearest to a misspelt one, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 2).clamp(1, 3);
    known
        .into_iter()
        .map(|k| (distance(&word.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_ranges() {
        let ms = Duration::from_millis;
        assert_eq!(Span::parse("250ms"), Some(ms(250).into()));
        assert_eq!(Span::parse("1.5s"), Some(ms(1500).into()));
        assert_eq!(Span::parse("100..300ms"), Some((ms(100)..=ms(300)).into()));
        assert_eq!(Span::parse("1s..2m"), Some((ms(1000)..=ms(120_000)).into()));
        for bad in ["", "5", "ms", "5 s", "-1s", "3..1s", "1..2", "5d", "8761h"] {
            assert_eq!(Span::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(Size::parse("16MiB"), Some((16usize << 20).into()));
        assert_eq!(Size::parse("200..2000"), Some((200..=2000).into()));
        assert_eq!(Size::parse("2KB"), None);
    }

    #[test]
    fn cuts_fall_inside() {
        assert_eq!(Cut::At(vec![9, 1, -1, 1, 0, 10, -20]).offsets(10), [1, 9]);
        assert_eq!(Cut::Every(4).offsets(10), [4, 8]);
        assert!(Cut::Every(4).offsets(0).is_empty());
        assert_eq!(pieces(b"abcd", &[1, 3]), [&b"a"[..], b"bc", b"d"]);
    }

    #[test]
    fn globs() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("/topic/a*", "/topic/abc", true),
            ("/topic/a*", "/topic/b", false),
            ("Bearer *", "Bearer x", true),
            ("*b*d", "abcd", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn the_nearest_word_is_near() {
        assert_eq!(
            nearest("blackhol", ["blackhole", "close"]),
            Some("blackhole")
        );
        assert_eq!(nearest("mesage", ["message", "mark"]), Some("message"));
        assert_eq!(nearest("zzzzzz", ["message", "mark"]), None);
    }
}
