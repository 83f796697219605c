//! What went over the wire in one case, with times: JSON Lines that can be
//! read, shown and played again.

use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Octets kept of one entry.
const KEPT: usize = 4 << 10;
/// Entries kept of one case.
const MOST: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dir {
    /// From the judge.
    Out,
    /// To the judge.
    In,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layer {
    Tcp,
    Http,
    Ws,
    Stomp,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    /// Microseconds since the case began.
    pub(crate) t_us: u64,
    /// The connection within the case, from 1.
    pub(crate) conn: u32,
    pub(crate) dir: Dir,
    pub(crate) layer: Layer,
    /// What it is, in words.
    pub(crate) what: String,
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "hex")]
    pub(crate) octets: Vec<u8>,
    /// Octets that are not kept.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) more: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

fn hex<S: serde::Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&data_encoding::HEXLOWER.encode(octets))
}

/// The log of one case; secrets are masked before they get here.
#[derive(Debug)]
pub(crate) struct Log {
    began: Instant,
    secrets: Vec<String>,
    kept: Mutex<Vec<Entry>>,
}

impl Log {
    /// An empty log that never shows any of `secrets`.
    pub(crate) fn new(secrets: Vec<String>) -> Self {
        let long_enough = |s: &String| !s.is_empty();
        Self {
            began: Instant::now(),
            secrets: secrets.into_iter().filter(long_enough).collect(),
            kept: Mutex::default(),
        }
    }

    pub(crate) fn note(
        &self,
        conn: u32,
        dir: Dir,
        layer: Layer,
        what: impl Into<String>,
        octets: &[u8],
    ) {
        let t_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut kept = self.lock();
        if kept.len() >= MOST {
            return;
        }
        let (octets, more) = (
            octets.get(..KEPT).unwrap_or(octets),
            octets.len().saturating_sub(KEPT),
        );
        kept.push(Entry {
            t_us,
            conn,
            dir,
            layer,
            what: what.into(),
            octets: self.mask(octets),
            more,
        });
    }

    fn mask(&self, octets: &[u8]) -> Vec<u8> {
        let mut octets = octets.to_vec();
        for secret in &self.secrets {
            let found: Vec<usize> = memchr::memmem::find_iter(&octets, secret).collect();
            for at in found {
                octets[at..at + secret.len()].fill(b'*');
            }
        }
        octets
    }

    pub(crate) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
