//! Why a hardware encoder does not encode.

use std::io;

use super::STALL;

/// Why an encoder does not encode. Its text is one line that people read.
#[derive(Debug, thiserror::Error)]
pub enum M2mError {
    /// The kernel says so.
    #[error("{what}: {error}")]
    Io {
        /// Which call failed.
        what: &'static str,
        /// Its error.
        error: io::Error,
    },
    /// It takes no such pictures.
    #[error("it does not take {0}")]
    Unfit(String),
    /// It was fed, and gave nothing.
    #[error("it gave nothing for {} s", STALL.as_secs())]
    Stalled,
}

impl M2mError {
    pub(super) fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Io { what, error }
    }

    /// Whether the device is gone, so that nothing but opening it anew can help.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Io { error, .. } if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO)))
    }
}
