//! The file as such: who may open it, and what is wrong with it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use crate::error::SpoolError;

/// What every `redb` file begins with.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// What the store said.
#[derive(Debug)]
pub(super) struct Fault(Box<redb::Error>);

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(e: E) -> Self {
        Self(Box::new(e.into()))
    }
}

/// Opens or makes a file that only its owner may read.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let length = file.metadata()?.len();
    let mut magic = Vec::new();
    (&mut file)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut magic)?;
    if length > 0 && magic != MAGIC {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // One that others could read held messages that were none of their business.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// A damaged file makes the store panic in places; here that is an error, too.
pub(super) fn guard<R>(
    path: &Path,
    work: impl FnOnce() -> Result<R, SpoolError>,
) -> Result<R, SpoolError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(SpoolError::Corrupt {
            path: path.to_owned(),
            text: "the store gave up".to_owned(),
        })
    })
}

pub(super) fn io_error(path: &Path, source: io::Error) -> SpoolError {
    let path = path.to_owned();
    if source.kind() == io::ErrorKind::InvalidData {
        let text = "it begins otherwise".to_owned();
        return SpoolError::Foreign { path, text };
    }
    let source = Arc::new(source);
    SpoolError::Io { path, source }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the store may say more in later versions"
)]
pub(super) fn any_error(path: &Path, fault: Fault) -> SpoolError {
    let owned = path.to_owned();
    match *fault.0 {
        redb::Error::Io(source) => io_error(path, source),
        redb::Error::DatabaseAlreadyOpen => SpoolError::InUse { path: owned },
        redb::Error::PreviousIo => io_error(path, io::Error::other("an earlier error")),
        e @ redb::Error::UpgradeRequired(_) => SpoolError::Foreign {
            path: owned,
            text: e.to_string(),
        },
        e => SpoolError::Corrupt {
            path: owned,
            text: e.to_string(),
        },
    }
}
