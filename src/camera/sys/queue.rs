//! One of a device's queues of buffers, and the memory of the buffers.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use super::v4l2::Node;
use crate::camera::abi::{self, Buffer, ExportBuffer, Indirect, Plane, RequestBuffers};

/// A queue of buffers, each of one plane, of memory that is mapped here or belongs to another driver. Dropped, it stops.
#[derive(Debug)]
pub struct Queue {
    node: Arc<Node>,
    /// `V4L2_BUF_TYPE_*`
    kind: u32,
    /// `V4L2_MEMORY_*`
    memory: u32,
    /// The buffers, by their number.
    buffers: Vec<Place>,
    streams: bool,
}

/// Memory of another driver: its descriptor, and its bytes.
pub type Import<'a> = (BorrowedFd<'a>, u32);

/// Where a buffer is.
#[derive(Debug)]
enum Place {
    /// The kernel has it.
    Queued(Option<Mapping>),
    /// A [`Filled`] has it, or had it.
    Ours,
}

/// A buffer that the kernel does not have now: taken from a queue, or not yet given to it. It owns its memory, so that only
/// while it exists do we read or write that.
#[derive(Debug)]
pub struct Filled {
    buffer: Buffer,
    plane: Plane,
    mapping: Option<Mapping>,
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
        // SAFETY: made by mmap with this length; slices of it borrow the `Filled` that owns it.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
    }
}

impl Filled {
    /// The kernel's words on it.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// What the device put into it.
    pub fn bytes(&self) -> &[u8] {
        let start = (self.plane.data_offset as usize).min(self.memory().len());
        let end = (self.buffer.bytesused as usize).clamp(start, self.memory().len());
        &self.memory()[start..end]
    }

    /// All of its memory. Empty when that is not mapped.
    pub fn memory(&self) -> &[u8] {
        // SAFETY: the mapping holds `len` initialized bytes while it lives. The kernel writes to a buffer only between QBUF,
        // which takes the mapping out of the `Filled`, and DQBUF or STREAMOFF, which make one; all are called here alone.
        self.mapping.as_ref().map_or(&[], |it| unsafe { std::slice::from_raw_parts(it.at.as_ptr(), it.len) })
    }

    /// All of its memory, to be written to.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and we borrow the one owner for writing; a buffer that we may write to was mapped so.
        let mapping = self.mapping.as_mut().filter(|_| writes(self.buffer.kind));
        mapping.map_or(&mut [], |it| unsafe { std::slice::from_raw_parts_mut(it.at.as_ptr(), it.len) })
    }
}

/// Whether we are who writes to the buffers of a queue.
fn writes(kind: u32) -> bool {
    matches!(kind, abi::VIDEO_OUTPUT | abi::VIDEO_OUTPUT_MPLANE)
}

fn is_multi(kind: u32) -> bool {
    matches!(kind, abi::VIDEO_OUTPUT_MPLANE | abi::VIDEO_CAPTURE_MPLANE)
}

impl Queue {
    /// Asks for `count` buffers of the driver's memory, and maps them. The driver may make more or fewer.
    pub fn mapped(node: &Arc<Node>, kind: u32, count: u32) -> io::Result<(Self, Vec<Filled>)> {
        let mut queue = Self::request(node, kind, abi::MEMORY_MMAP, count)?;
        for index in 0..queue.buffers.len() as u32 {
            let mut filled = queue.filled(index, None);
            queue.buffer_call(abi::QUERYBUF, &mut filled)?;
            filled.mapping = Some(queue.map(&filled)?);
            queue.buffers[index as usize] = Place::Queued(filled.mapping);
        }
        let all = queue.all();
        Ok((queue, all))
    }

    /// Asks for `count` buffers whose memory another driver has.
    pub fn imported(node: &Arc<Node>, kind: u32, count: u32) -> io::Result<(Self, Vec<Filled>)> {
        let mut queue = Self::request(node, kind, abi::MEMORY_DMABUF, count)?;
        let all = queue.all();
        Ok((queue, all))
    }

    fn request(node: &Arc<Node>, kind: u32, memory: u32, count: u32) -> io::Result<Self> {
        let mut asked = RequestBuffers { count, kind, memory, ..Default::default() };
        node.call(abi::REQBUFS, &mut asked)?;
        // No kernel makes more (VIDEO_MAX_FRAME).
        let buffers = (0..asked.count.min(32)).map(|_| Place::Queued(None)).collect();
        Ok(Self { node: node.clone(), kind, memory, buffers, streams: false })
    }

    /// The node, for waiting and for controls.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// How many buffers it has.
    pub fn len(&self) -> u32 {
        self.buffers.len() as u32
    }

    /// Begins to stream.
    pub fn start(&mut self) -> io::Result<()> {
        self.node.call(abi::STREAMON, &mut { self.kind })?;
        self.streams = true;
        Ok(())
    }

    /// Ends to stream. All buffers that the kernel had are ours then.
    pub fn stop(&mut self) -> io::Result<Vec<Filled>> {
        self.streams = false;
        self.node.call(abi::STREAMOFF, &mut { self.kind })?;
        Ok(self.all())
    }

    /// Takes a buffer that the device is done with, the oldest first. `None`: there is none now.
    pub fn take(&mut self) -> io::Result<Option<Filled>> {
        let mut filled = self.filled(0, None);
        match self.buffer_call(abi::DQBUF, &mut filled) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let place = self.buffers.get_mut(filled.buffer.index as usize);
        match place.map(|place| std::mem::replace(place, Place::Ours)) {
            Some(Place::Queued(mapping)) => Ok(Some(Filled { mapping, ..filled })),
            _ => Err(io::Error::other("the driver gave a buffer that it did not have")),
        }
    }

    /// Gives a buffer to the device, to be filled.
    pub fn give(&mut self, filled: Filled) -> io::Result<()> {
        let mut fresh = self.filled(filled.buffer.index, filled.mapping);
        self.queue(&mut fresh)?;
        self.settle(fresh)
    }

    /// Gives a buffer with a picture to the device: `used` bytes in its own memory, or in that of another driver, which has
    /// a descriptor and a length.
    pub fn send(&mut self, filled: Filled, used: u32, at: Duration, import: Option<Import<'_>>) -> io::Result<()> {
        let mut fresh = self.filled(filled.buffer.index, filled.mapping);
        fresh.buffer.seconds = at.as_secs() as i64;
        fresh.buffer.microseconds = at.subsec_micros().into();
        fresh.buffer.field = abi::FIELD_NONE;
        fresh.buffer.bytesused = used;
        fresh.plane.bytesused = used;
        if let Some((fd, length)) = import {
            let m = word(fd.as_raw_fd().to_ne_bytes());
            (fresh.buffer.m, fresh.buffer.length) = (m, length);
            (fresh.plane.m, fresh.plane.length) = (m, length);
        }
        self.queue(&mut fresh)?;
        self.settle(fresh)
    }

    /// A descriptor for the memory of a buffer, by which another driver can use it.
    pub fn export(&self, index: u32) -> io::Result<OwnedFd> {
        let flags = (libc::O_RDWR | libc::O_CLOEXEC) as u32;
        let mut export = ExportBuffer { kind: self.kind, index, flags, ..Default::default() };
        self.node.call(abi::EXPBUF, &mut export)?;
        // SAFETY: the kernel made it a moment ago, for us alone.
        Ok(unsafe { OwnedFd::from_raw_fd(export.fd) })
    }

    fn queue(&self, filled: &mut Filled) -> io::Result<()> {
        match self.buffers.get(filled.buffer.index as usize) {
            Some(Place::Ours) => self.buffer_call(abi::QBUF, filled),
            _ => Err(io::Error::other("a buffer was given that the device has")),
        }
    }

    fn settle(&mut self, filled: Filled) -> io::Result<()> {
        if let Some(place) = self.buffers.get_mut(filled.buffer.index as usize) {
            *place = Place::Queued(filled.mapping);
        }
        Ok(())
    }

    /// Everything that the kernel has, when it does not stream.
    fn all(&mut self) -> Vec<Filled> {
        let mut all = Vec::new();
        for index in 0..self.buffers.len() {
            if let Place::Queued(mapping) = std::mem::replace(&mut self.buffers[index], Place::Ours) {
                all.push(self.filled(index as u32, mapping));
            }
        }
        all
    }

    fn filled(&self, index: u32, mapping: Option<Mapping>) -> Filled {
        let buffer = Buffer { index, kind: self.kind, memory: self.memory, ..Default::default() };
        Filled { buffer, plane: Plane::default(), mapping }
    }

    /// Passes a buffer, with its plane where the device has it apart; what is said of the plane is then in both.
    fn buffer_call(&self, request: Indirect<Buffer>, filled: &mut Filled) -> io::Result<()> {
        let Filled { buffer, plane, .. } = filled;
        if is_multi(self.kind) {
            buffer.m = (&raw mut *plane).expose_provenance();
            buffer.length = 1;
        }
        // SAFETY: the kernel follows a pointer for multi-plane kinds alone, to `length` planes: to the one that we borrow. It
        // takes none for memory, since `memory` is never V4L2_MEMORY_USERPTR.
        unsafe { self.node.through(request, buffer) }?;
        if is_multi(self.kind) {
            (buffer.bytesused, buffer.length, buffer.m) = (plane.bytesused, plane.length, plane.m);
        }
        Ok(())
    }

    fn map(&self, filled: &Filled) -> io::Result<Mapping> {
        let (len, offset) = (filled.buffer.length as usize, first(filled.buffer.m));
        let access = if writes(self.kind) { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let file: &File = &self.node.0;
        // SAFETY: a new mapping at an address of the kernel's choice takes nothing away from anybody.
        let at = unsafe {
            libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, file.as_raw_fd(), offset as libc::off_t)
        };
        match NonNull::new(at.cast::<u8>()) {
            Some(start) if at != libc::MAP_FAILED => Ok(Mapping { at: start, len }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if self.streams {
            // Errors say that the device is gone, and then there is nothing to stop.
            let _ = self.node.call(abi::STREAMOFF, &mut { self.kind });
        }
    }
}

/// Four bytes at the beginning of a union that is as wide as a pointer.
fn word(bytes: [u8; 4]) -> usize {
    let mut all = [0; size_of::<usize>()];
    all[..4].copy_from_slice(&bytes);
    usize::from_ne_bytes(all)
}

/// The reverse of [`word`].
fn first(m: usize) -> u32 {
    m.to_ne_bytes().first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}
