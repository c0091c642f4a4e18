//! Why a camera gives no pictures.

use std::io;
use std::path::{Path, PathBuf};

use super::openh264::EncodeError;

/// A camera that cannot be opened, or stopped giving pictures. Its text is one line that people read.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// ENOENT: no such node.
    #[error("{} is not there; is the camera plugged in?", .0.display())]
    Absent(PathBuf),
    /// ENODEV: it went while it was open.
    #[error("{} was unplugged", .0.display())]
    Unplugged(PathBuf),
    /// EACCES, EPERM.
    #[error("{}: permission denied; add Lunette's user to the group `video` (sudo usermod -aG video USER)", .0.display())]
    Permission(PathBuf),
    /// EBUSY.
    #[error("{} is used by another program; `fuser -v {}` names it", .0.display(), .0.display())]
    Busy(PathBuf),
    /// It is no camera.
    #[error("{}: {what}", .path.display())]
    NotACamera {
        /// The node.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// What it captures has another form now.
    #[error("{}: the picture in front of it changed its form", .0.display())]
    Changed(PathBuf),
    /// None of its formats can be used.
    #[error("{} gives {has}; Lunette needs {}", .path.display(), needs())]
    Format {
        /// The node.
        path: PathBuf,
        /// What it offers.
        has: String,
    },
    /// It gives pixels, and nothing may or can encode them.
    #[error("{}: {why}, and the software encoder is not wanted (`encoder = \"hardware\"`)", .path.display())]
    NoEncoder {
        /// The node.
        path: PathBuf,
        /// What is wrong with the hardware encoders.
        why: String,
    },
    /// The hardware encoder failed, again and again.
    #[error("{encoder}: {why}")]
    Encoder {
        /// Its name and node.
        encoder: String,
        /// What it did.
        why: String,
    },
    /// No picture for too long.
    #[error("{} gave no picture for {seconds} s", .path.display())]
    Stalled {
        /// The node.
        path: PathBuf,
        /// For how long.
        seconds: u64,
    },
    /// Pictures that cannot be shown.
    #[error("{} gave no key frame for {seconds} s", .path.display())]
    NoKeyFrame {
        /// The node.
        path: PathBuf,
        /// For how long.
        seconds: u64,
    },
    /// Pictures that are all broken.
    #[error("{} gave only damaged pictures for {seconds} s, the last one: {why}", .path.display())]
    Damaged {
        /// The node.
        path: PathBuf,
        /// For how long.
        seconds: u64,
        /// What was wrong with the last of them.
        why: String,
    },
    /// Anything else that the kernel says.
    #[error("{}: {what}: {error}", .path.display())]
    Io {
        /// The node.
        path: PathBuf,
        /// Which call failed.
        what: &'static str,
        /// Its error.
        error: io::Error,
    },
    /// The feature `v4l2` is off.
    #[error("{}: this Lunette was built without V4L2", .0.display())]
    NotBuilt(PathBuf),
    /// What a GStreamer pipeline says, or what is said of it.
    #[error("GStreamer: {0}")]
    Gst(String),
    /// This process cannot open the camera any more; the text says why.
    #[error("{0}")]
    Stuck(String),
    /// The software encoder failed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A bug of ours.
    #[error("internal error, see the log")]
    Internal,
}

/// The formats that can be used, for people.
fn needs() -> &'static str {
    if cfg!(feature = "openh264") {
        "H.264, YUYV, NV12, YU12 or MJPEG"
    } else {
        "H.264 (built without the software encoder)"
    }
}

impl Lost {
    /// Gives an errno of the call `what` its meaning.
    pub fn from_errno(path: &Path, what: &'static str, error: io::Error) -> Self {
        // By number: std has no stable names for all of them, and they are the same on every Linux we build for.
        const EPERM: i32 = 1;
        const ENOENT: i32 = 2;
        const ENXIO: i32 = 6;
        const EACCES: i32 = 13;
        const EBUSY: i32 = 16;
        const ENODEV: i32 = 19;
        let path = path.to_owned();
        match error.raw_os_error() {
            Some(ENOENT) => Self::Absent(path),
            Some(ENODEV | ENXIO) => Self::Unplugged(path),
            Some(EACCES | EPERM) => Self::Permission(path),
            Some(EBUSY) => Self::Busy(path),
            _ => Self::Io { path, what, error },
        }
    }

    /// Whether the device is simply not there.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Absent(_) | Self::Unplugged(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_says_what_helps() {
        for (errno, says) in [
            (2, "/dev/video0 is not there; is the camera plugged in?"),
            (19, "/dev/video0 was unplugged"),
            (
                13,
                "/dev/video0: permission denied; add Lunette's user to the group `video` (sudo usermod -aG video USER)",
            ),
            (16, "/dev/video0 is used by another program; `fuser -v /dev/video0` names it"),
            (28, "/dev/video0: VIDIOC_STREAMON: No space left on device (os error 28)"),
        ] {
            let lost =
                Lost::from_errno(Path::new("/dev/video0"), "VIDIOC_STREAMON", io::Error::from_raw_os_error(errno));
            assert_eq!(lost.to_string(), says);
            assert_eq!(lost.is_gone(), matches!(errno, 2 | 19));
        }
    }
}
