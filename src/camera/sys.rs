//! All of the camera's `unsafe`, each with its reason.

#![allow(unsafe_code)]

#[cfg(feature = "openh264")]
pub use encoder::{set_bitrate, silence};
#[cfg(feature = "v4l2")]
pub use v4l2::{Buffers, Filled, Node, Ready, monotonic};

#[cfg(feature = "v4l2")]
mod v4l2 {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;
    use std::ptr::NonNull;
    use std::time::Duration;

    use crate::camera::abi::{self, Buffer, Request, RequestBuffers};

    /// An open V4L2 device node.
    #[derive(Debug)]
    pub struct Node(File);

    /// What [`Node::wait`] saw.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Ready {
        /// A buffer, or an error that taking one will tell.
        Yes,
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
            loop {
                // SAFETY: `request` is made in `abi` alone, where its number holds the size of T. The kernel reads and
                // writes that many bytes at `argument`, which we borrow for as long, and follows no pointer in it:
                // no structure in `abi` has one. All of them are integers, for which any bits are a value.
                let result = unsafe { libc::ioctl(self.0.as_raw_fd(), request.0 as libc::Ioctl, &raw mut *argument) };
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
            let mut fd = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let ms = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
            // SAFETY: one pollfd, which lives until the call returns.
            let count = unsafe { libc::poll(&raw mut fd, 1, ms) };
            if count < 0 {
                let error = io::Error::last_os_error();
                return if error.kind() == io::ErrorKind::Interrupted { Ok(Ready::No) } else { Err(error) };
            }
            Ok(match fd.revents {
                0 => Ready::No,
                events if events & libc::POLLERR != 0 => Ready::Failed,
                _ => Ready::Yes,
            })
        }
    }

    /// Now, on the clock of V4L2's timestamps (`CLOCK_MONOTONIC`).
    pub fn monotonic() -> Duration {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes one timespec, which lives until the call returns. It cannot fail with this clock.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    }

    /// A capture device that streams into buffers of the kernel which are mapped here. Dropped, it stops and closes.
    #[derive(Debug)]
    pub struct Buffers {
        mapped: Vec<Mapping>,
        node: Node,
        /// Buffers that were taken and not given back.
        taken: usize,
    }

    /// A buffer that was taken and not yet given back. Only while it exists do we read the memory.
    #[derive(Debug)]
    pub struct Filled {
        buffer: Buffer,
    }

    impl Filled {
        /// The kernel's words on it.
        pub fn buffer(&self) -> &Buffer {
            &self.buffer
        }
    }

    #[derive(Debug)]
    struct Mapping {
        at: NonNull<u8>,
        len: usize,
    }

    // SAFETY: a mapping belongs to the process, not to a thread.
    unsafe impl Send for Mapping {}

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: made by mmap with this length; slices of it borrow the `Buffers` that owns it.
            unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
        }
    }

    impl Buffers {
        /// Asks for `count` buffers, maps them, gives them to the device and starts it.
        pub fn start(node: Node, count: u32) -> io::Result<Self> {
            let kind = abi::VIDEO_CAPTURE;
            let mut asked = RequestBuffers { count, kind, memory: abi::MEMORY_MMAP, ..Default::default() };
            node.call(abi::REQBUFS, &mut asked)?;
            let mut buffers = Self { node, mapped: Vec::new(), taken: 0 };
            for index in 0..asked.count {
                let mut buffer = buffer(index);
                buffers.node.call(abi::QUERYBUF, &mut buffer)?;
                buffers.mapped.push(map(&buffers.node, &buffer)?);
            }
            buffers.run()?;
            Ok(buffers)
        }

        /// Stops the device and starts it again, with something done between; what it had filled is lost. Refused while a
        /// buffer is taken: it would be written to.
        pub fn restart(&mut self, between: impl FnOnce(&Node)) -> io::Result<()> {
            if self.taken > 0 {
                return Err(io::ErrorKind::ResourceBusy.into());
            }
            self.node.call(abi::STREAMOFF, &mut { abi::VIDEO_CAPTURE })?;
            between(&self.node);
            self.run()
        }

        /// Gives all buffers to the device and starts it.
        fn run(&mut self) -> io::Result<()> {
            for index in (0..).take(self.mapped.len()) {
                self.node.call(abi::QBUF, &mut buffer(index))?;
            }
            self.node.call(abi::STREAMON, &mut { abi::VIDEO_CAPTURE })
        }

        /// The node, for waiting and for controls.
        pub fn node(&self) -> &Node {
            &self.node
        }

        /// Takes a filled buffer, the oldest first. `None`: there is none now.
        pub fn take(&mut self) -> io::Result<Option<Filled>> {
            let mut buffer = buffer(0);
            match self.node.call(abi::DQBUF, &mut buffer) {
                Ok(()) if (buffer.index as usize) < self.mapped.len() => {
                    self.taken += 1;
                    Ok(Some(Filled { buffer }))
                }
                Ok(()) => Err(io::Error::other("the driver gave a buffer that does not exist")),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(error),
            }
        }

        /// What is in a buffer.
        pub fn bytes<'a>(&'a self, filled: &'a Filled) -> &'a [u8] {
            let Some(mapping) = self.mapped.get(filled.buffer.index as usize) else { return &[] };
            let used = (filled.buffer.bytesused as usize).min(mapping.len);
            // SAFETY: the mapping holds `len` initialized bytes while `self` lives. The kernel does not write to a buffer
            // between DQBUF, which made the `Filled`, and QBUF, which consumes it; both are called here alone.
            unsafe { std::slice::from_raw_parts(mapping.at.as_ptr(), used) }
        }

        /// Gives a buffer back.
        pub fn give_back(&mut self, filled: Filled) -> io::Result<()> {
            self.taken = self.taken.saturating_sub(1);
            self.node.call(abi::QBUF, &mut buffer(filled.buffer.index))
        }
    }

    impl Drop for Buffers {
        fn drop(&mut self) {
            // Errors say that the device is gone, and then there is nothing to stop.
            let _ = self.node.call(abi::STREAMOFF, &mut { abi::VIDEO_CAPTURE });
        }
    }

    fn buffer(index: u32) -> Buffer {
        Buffer { index, kind: abi::VIDEO_CAPTURE, memory: abi::MEMORY_MMAP, ..Default::default() }
    }

    fn map(node: &Node, buffer: &Buffer) -> io::Result<Mapping> {
        let len = buffer.length as usize;
        let (read, shared, fd) = (libc::PROT_READ, libc::MAP_SHARED, node.0.as_raw_fd());
        // SAFETY: a new mapping at an address of the kernel's choice takes nothing away from anybody.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), len, read, shared, fd, buffer.offset as libc::off_t) };
        match NonNull::new(at.cast::<u8>()) {
            Some(start) if at != libc::MAP_FAILED => Ok(Mapping { at: start, len }),
            _ => Err(io::Error::last_os_error()),
        }
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
