//! What is wrong with a spool.

use std::{io, path::PathBuf, sync::Arc};

/// The file on which full queues go on cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another client, of this or of another process, uses the file.
    #[error("{} is in use by another client", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a spool. It is left as it was.
    #[error("{} is not a spool: {text}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How that shows.
        text: String,
    },
    /// The file was a spool and is damaged.
    #[error("{} is damaged: {text}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        text: String,
    },
    /// The operating system reported an error: the disk is full, for example.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        source: Arc<io::Error>,
    },
    /// The thread that writes did not answer in time, or is gone.
    #[error("the spool did not answer in time")]
    Busy,
}
