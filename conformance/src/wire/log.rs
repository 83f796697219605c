//! What went over the wire in one case, with times: JSON Lines that can be
//! read, shown and played again.

use crate::secrets::Secrets;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Octets kept of one entry.
const KEPT: usize = 4 << 10;
/// Entries kept of one case.
const MOST: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dir {
    /// From the judge.
    Out,
    /// To the judge.
    In,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layer {
    Tcp,
    Http,
    Ws,
    Stomp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Microseconds since the case began.
    pub(crate) t_us: u64,
    /// The connection within the case, from 1.
    pub(crate) conn: u32,
    pub(crate) dir: Dir,
    pub(crate) layer: Layer,
    /// What it is, in words.
    pub(crate) what: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "hex")]
    pub(crate) octets: Vec<u8>,
    /// Octets that are not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) more: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

mod hex {
    use serde::Deserialize;

    pub(super) fn serialize<S: serde::Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&data_encoding::HEXLOWER.encode(octets))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        octets.map_err(serde::de::Error::custom)
    }
}

/// The first line of a wire log's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) case: String,
    /// Without secrets.
    pub(crate) target: String,
}

/// A wire log, read back.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) head: Head,
    pub(crate) entries: Vec<Entry>,
}

/// A wire log as JSON Lines.
pub(crate) fn lines(head: &Head, entries: &[Entry]) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(head)?;
    text.push('\n');
    for entry in entries {
        text.push_str(&serde_json::to_string(entry)?);
        text.push('\n');
    }
    Ok(text)
}

/// Reads such a file. The error is one sentence.
pub(crate) fn read(path: &Path) -> Result<Kept, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let mut lines = text.lines();
    let wrong = |at: usize, error: &dyn std::fmt::Display| {
        format!("{name}:{at}: it is no wire log of stomp-conformance: {error}")
    };
    let head =
        serde_json::from_str(lines.next().unwrap_or_default()).map_err(|error| wrong(1, &error))?;
    let entry = |(at, line)| serde_json::from_str(line).map_err(|error| wrong(at + 2, &error));
    let entries = lines.enumerate().map(entry).collect::<Result<_, _>>()?;
    Ok(Kept { head, entries })
}

/// The log of one case; secrets are masked before they get here.
#[derive(Debug)]
pub(crate) struct Log {
    began: Instant,
    secrets: Arc<Secrets>,
    kept: Mutex<Vec<Entry>>,
}

impl Log {
    /// An empty log that never shows any of `secrets`.
    pub(crate) fn new(secrets: impl Into<Arc<Secrets>>) -> Self {
        Self {
            began: Instant::now(),
            secrets: secrets.into(),
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
            octets: self.secrets.mask(octets),
            more,
        });
    }

    pub(crate) fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
