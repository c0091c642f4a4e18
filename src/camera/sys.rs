//! All of the camera's `unsafe`, each with its reason.

#![allow(unsafe_code)]

#[cfg(feature = "openh264")]
pub use encoder::{set_bitrate, silence};
#[cfg(feature = "gst")]
pub use environment::set_default;
#[cfg(feature = "v4l2")]
pub use queue::{Filled, Queue};
#[cfg(feature = "v4l2")]
pub use v4l2::{Node, Ready, Seen, monotonic, poll};

#[cfg(feature = "gst")]
mod environment;
#[cfg(feature = "v4l2")]
mod queue;

#[cfg(feature = "v4l2")]
mod v4l2 {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;
    use std::time::Duration;

    use crate::camera::abi::{Indirect, Request};

    /// An open V4L2 device node.
    #[derive(Debug)]
    pub struct Node(pub(super) File);

    /// What [`Node::wait`] saw.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Ready {
        /// A buffer, or an error that taking one will tell.
        Yes,
        /// An event that was subscribed to, and maybe a buffer.
        Event,
        /// The device says that something is wrong; taking a buffer may tell what.
        Failed,
        /// Nothing in this time.
        No,
    }

    impl Node {
        /// Opens a node, without blocking.
        pub fn open(path: &Path) -> io::Result<Self> {
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path).map(Self)
        }

        /// Does an ioctl; once more when a signal interrupts it.
        pub fn call<T>(&self, request: Request<T>, argument: &mut T) -> io::Result<()> {
            // SAFETY: a `Request` is made in `abi` alone, for structures in which the kernel follows no pointer.
            unsafe { self.ioctl(request.0, argument) }
        }

        /// Does an ioctl in whose structure the kernel follows pointers.
        ///
        /// # Safety
        /// Whatever `argument` points to, for the kernel, must be ours to write to, and be as large as it says.
        pub(super) unsafe fn through<T>(&self, request: Indirect<T>, argument: &mut T) -> io::Result<()> {
            // SAFETY: as the caller promises.
            unsafe { self.ioctl(request.0, argument) }
        }

        /// # Safety
        /// `number` holds the size of `T`; for pointers in it, see [`Self::through`].
        unsafe fn ioctl<T>(&self, number: u32, argument: &mut T) -> io::Result<()> {
            loop {
                // SAFETY: the kernel reads and writes as many bytes at `argument` as the number says, which is the size of T;
                // we borrow it for as long. All structures in `abi` are integers, for which any bits are a value.
                let result = unsafe { libc::ioctl(self.0.as_raw_fd(), number as libc::Ioctl, &raw mut *argument) };
                if result >= 0 {
                    return Ok(());
                }
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }

        /// Asks an extension unit of a UVC camera (`UVCIOC_CTRL_QUERY` of `linux/uvcvideo.h`). `query` is a request code
        /// of UVC (`GET_CUR`, …); `data` is what is sent, or what is to be received. Other drivers say ENOTTY.
        pub fn query_unit(&self, unit: u8, selector: u8, query: u8, data: &mut [u8]) -> io::Result<()> {
            #[repr(C)]
            struct Query {
                unit: u8,
                selector: u8,
                query: u8,
                size: u16,
                data: *mut u8,
            }
            const NUMBER: u32 = 3 << 30 | (size_of::<Query>() as u32) << 16 | (b'u' as u32) << 8 | 0x21;
            const { assert!(NUMBER == if cfg!(target_pointer_width = "64") { 0xc010_7521 } else { 0xc00c_7521 }) };
            let size = u16::try_from(data.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            let mut asked = Query { unit, selector, query, size, data: data.as_mut_ptr() };
            loop {
                // SAFETY: the number holds the size of `Query`. The kernel reads or writes `size` bytes at its pointer,
                // which is the length of the slice that we borrow for as long; any bytes are a value for it.
                let result = unsafe { libc::ioctl(self.0.as_raw_fd(), NUMBER as libc::Ioctl, &raw mut asked) };
                if result >= 0 {
                    return Ok(());
                }
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }

        /// Waits until a buffer can be taken.
        pub fn wait(&self, patience: Duration) -> io::Result<Ready> {
            Ok(match poll(&[self], patience)?.first().copied().unwrap_or_default() {
                seen if seen.failed => Ready::Failed,
                seen if seen.event => Ready::Event,
                seen if seen.readable => Ready::Yes,
                _ => Ready::No,
            })
        }
    }

    /// What a node has for us.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Seen {
        /// A buffer to take from its capture queue, or from an encoder's either queue.
        pub readable: bool,
        /// An event that was subscribed to.
        pub event: bool,
        /// The device says that something is wrong; taking a buffer may tell what.
        pub failed: bool,
    }

    /// Waits until one of some nodes has something for us.
    pub fn poll(nodes: &[&Node], patience: Duration) -> io::Result<Vec<Seen>> {
        // An encoder that is done with a raw picture says that it can be written to.
        let events = libc::POLLIN | libc::POLLOUT | libc::POLLPRI;
        let pollfd = |node: &&Node| libc::pollfd { fd: node.0.as_raw_fd(), events, revents: 0 };
        let mut fds: Vec<libc::pollfd> = nodes.iter().map(pollfd).collect();
        let ms = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: so many of them, which live until the call returns.
        let count = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, ms) };
        if count < 0 {
            let error = io::Error::last_os_error();
            // Nothing was seen then.
            return if error.kind() == io::ErrorKind::Interrupted {
                Ok(vec![Seen::default(); nodes.len()])
            } else {
                Err(error)
            };
        }
        let failed = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
        let seen = fds.iter().map(|fd| Seen {
            readable: fd.revents & (libc::POLLIN | libc::POLLOUT) != 0,
            event: fd.revents & libc::POLLPRI != 0,
            failed: fd.revents & failed != 0,
        });
        Ok(seen.collect())
    }

    /// Now, on the clock of V4L2's timestamps (`CLOCK_MONOTONIC`).
    pub fn monotonic() -> Duration {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes one timespec, which lives until the call returns. It cannot fail with this clock.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    }
}

#[cfg(feature = "openh264")]
mod encoder {
    use openh264::encoder::Encoder;
    use openh264_sys2 as raw;

    /// Keeps the library from writing warnings to standard error.
    pub fn silence(encoder: &mut Encoder) {
        let mut level = raw::WELS_LOG_QUIET;
        // SAFETY: the option reads one int (codec_app_def.h), which lives until the call returns; it is allowed before the
        // encoder is set up, and the `Encoder` itself sets the same level, only later.
        unsafe {
            encoder.raw_api().set_option(raw::ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast());
        }
    }

    /// Changes the bitrate of a running encoder, which is `now`.
    ///
    /// # Errors
    /// `CM_RETURN` of codec_api.h. Refused when the encoder has not yet encoded a picture.
    pub fn set_bitrate(encoder: &mut Encoder, now: u32, next: u32) -> Result<(), i32> {
        // SAFETY: the options that are set below are not among those that the `Encoder` relies on.
        let api = unsafe { encoder.raw_api() };
        let bps = i32::try_from(next).unwrap_or(i32::MAX);
        let ceiling =
            (raw::ENCODER_OPTION_MAX_BITRATE, raw::SBitrateInfo { iLayer: raw::SPATIAL_LAYER_0, iBitrate: bps });
        let target = (raw::ENCODER_OPTION_BITRATE, raw::SBitrateInfo { iLayer: raw::SPATIAL_LAYER_ALL, iBitrate: bps });
        // The library refuses a ceiling below the target at any moment.
        let steps = if next > now { [ceiling, target] } else { [target, ceiling] };
        for (option, mut info) in steps {
            // SAFETY: both options read one SBitrateInfo (codec_app_def.h), which lives until the call returns.
            let code = unsafe { api.set_option(option, (&raw mut info).cast()) };
            if code != 0 {
                return Err(code);
            }
        }
        Ok(())
    }
}
