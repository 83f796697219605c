//! What no log and no report may show.

use std::sync::{Mutex, PoisonError};

/// Grows while tokens are fetched; shared by all that write something down.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Mutex<Vec<String>>);

impl From<Vec<String>> for Secrets {
    fn from(words: Vec<String>) -> Self {
        let secrets = Self::default();
        for word in words {
            secrets.add(word);
        }
        secrets
    }
}

impl Secrets {
    pub(crate) fn add(&self, word: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !word.is_empty() && !all.contains(&word) {
            all.push(word);
        }
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Octets of the same length, with stars.
    pub(crate) fn mask(&self, octets: &[u8]) -> Vec<u8> {
        let mut octets = octets.to_vec();
        for secret in self.all() {
            let found: Vec<usize> = memchr::memmem::find_iter(&octets, &secret).collect();
            for at in found {
                octets[at..at + secret.len()].fill(b'*');
            }
        }
        octets
    }

    /// A sentence in which octets may stand escaped.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.all() {
            let shown = crate::wire::show::octets(secret.as_bytes());
            let encoded = crate::wire::stomp::encode(&secret);
            for form in [secret, shown, encoded] {
                text = replaced(&text, &form);
            }
        }
        text
    }
}

/// Every place of a secret becomes stars. A short one counts only as a word of
/// its own, or nothing could be read any more.
fn replaced(text: &str, secret: &str) -> String {
    let short = secret.len() < 6;
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, _) in text.match_indices(secret) {
        let end = at + secret.len();
        let within = text[..at].ends_with(char::is_alphanumeric)
            || text[end..].starts_with(char::is_alphanumeric);
        if !(short && within) {
            out.push_str(&text[done..at]);
            out.push_str("***");
            done = end;
        }
    }
    out.push_str(&text[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    #[test]
    fn secrets_are_masked_in_every_form() {
        let secrets = Secrets::from(vec!["a:b\\".to_owned(), String::new()]);
        assert_eq!(secrets.mask(b"passcode:a:b\\\n"), b"passcode:****\n");
        assert_eq!(
            secrets.hide("a:b\\ and a:b\\\\ and a\\cb\\\\"),
            "*** and ***\\ and ***"
        );
        secrets.add("p".to_owned());
        assert_eq!(secrets.hide("expected p, got p1"), "expected ***, got p1");
        secrets.add("t1".to_owned());
        assert_eq!(secrets.hide("t1"), "***");
    }
}
