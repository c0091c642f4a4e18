//! A hardware encoder: V4L2's stateful memory-to-memory interface
//! (<https://docs.kernel.org/userspace-api/media/v4l/dev-encoder.html>).
//!
//! Raw pictures go into its OUTPUT queue, H.264 comes out of its CAPTURE queue; the names are the kernel's, seen from the
//! program. A picture goes in as memory of the capture device's driver (DMABUF), which nobody copies, or is written into
//! memory of the encoder's driver.

mod apply;
mod controls;
mod error;
mod format;
mod layout;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;

pub use apply::is_news;
use apply::{set, set_controls};
pub use error::M2mError;
pub use format::{Colour, Settings};
pub use layout::Layout;

use super::abi::{self, Buffer, cid, flag};
use super::choose::Codec;
use super::device::Planes;
use super::sys::{Filled, Node, Queue};
use crate::media::access_unit::{AccessUnit, Assembler};
use crate::media::units::Bitrate;

/// Coded buffers: one being filled, one ready, and two to spare, since some drivers keep one.
const CODED: u32 = 4;

/// Raw pictures that are written: one being encoded, one waiting, one being written, one to spare.
const RAW: u32 = 4;

/// An encoder that is fed and gives nothing for so long hangs.
pub const STALL: Duration = Duration::from_secs(2);

/// How long to wait for the last pictures when the encoder is closed.
const DRAIN: Duration = Duration::from_millis(200);

/// What came out of an encoder.
#[derive(Debug)]
pub enum Output {
    /// A picture, and when it was captured.
    Picture(AccessUnit, Instant),
    /// Something broken: why. Nothing more comes before the next key frame, which the caller asks for.
    Damaged(String),
    /// A sign of life.
    Alive,
}

/// How raw pictures come to the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Memory of another driver.
    Import,
    /// Written by us into the encoder's own.
    Write,
}

/// An open encoder that streams.
#[derive(Debug)]
pub struct M2m {
    codec: Codec,
    settings: Settings,
    /// How pictures must lie in its buffers, and how large those are.
    layout: Layout,
    bytes: u32,
    raw: Queue,
    coded: Queue,
    /// Raw buffers that are ours, by number.
    free: BTreeMap<u32, Filled>,
    /// Buffers of the capture device, by the number of the raw buffer that stands for them.
    lent: BTreeMap<u32, Filled>,
    /// Those that come back.
    returned: Vec<Filled>,
    /// The pictures in it, the oldest first.
    inside: VecDeque<Inside>,
    assembler: Assembler,
    /// Pictures are left out till the next key frame.
    needs_key: bool,
    /// Since when it owes us something.
    owes: Option<Instant>,
    failed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Inside {
    stamp: Duration,
    captured: Instant,
}

impl M2m {
    /// Opens an encoder and starts it.
    ///
    /// # Errors
    /// When it cannot be opened or is used up, or when it does not take such pictures.
    pub fn open(codec: &Codec, settings: &Settings, feed: Feed, buffers: u32) -> Result<Self, M2mError> {
        let node = Arc::new(Node::open(&codec.path).map_err(M2mError::io("open"))?);
        let (output, capture) = match codec.info.planes {
            Planes::Single => (abi::VIDEO_OUTPUT, abi::VIDEO_CAPTURE),
            Planes::Multi => (abi::VIDEO_OUTPUT_MPLANE, abi::VIDEO_CAPTURE_MPLANE),
        };
        let (layout, bytes) = format::negotiate(&node, output, capture, settings)?;
        set_controls(&node, codec, settings)?;
        let (raw, free) = match feed {
            Feed::Import => Queue::imported(&node, output, buffers),
            Feed::Write => Queue::mapped(&node, output, RAW),
        }
        .map_err(M2mError::io("VIDIOC_REQBUFS"))?;
        let (coded, empty) = Queue::mapped(&node, capture, CODED).map_err(M2mError::io("VIDIOC_REQBUFS"))?;
        let mut encoder = Self {
            codec: codec.clone(),
            settings: *settings,
            layout,
            bytes,
            raw,
            coded,
            free: BTreeMap::new(),
            lent: BTreeMap::new(),
            returned: Vec::new(),
            inside: VecDeque::new(),
            assembler: Assembler::new(),
            needs_key: true,
            owes: None,
            failed: false,
        };
        encoder.start(free, empty)?;
        Ok(encoder)
    }

    /// How pictures must lie in its buffers.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// For waiting.
    pub fn node(&self) -> &Node {
        self.raw.node()
    }

    fn start(&mut self, free: Vec<Filled>, empty: Vec<Filled>) -> Result<(), M2mError> {
        self.free = free.into_iter().map(|filled| (filled.buffer().index, filled)).collect();
        for filled in empty {
            self.coded.give(filled).map_err(M2mError::io("VIDIOC_QBUF"))?;
        }
        self.coded.start().map_err(M2mError::io("VIDIOC_STREAMON"))?;
        self.raw.start().map_err(M2mError::io("VIDIOC_STREAMON"))?;
        (self.needs_key, self.owes, self.failed) = (true, None, false);
        Ok(())
    }

    /// Stops it and starts it again: it forgets all pictures in it, and begins with a key frame.
    ///
    /// # Errors
    /// When the device does not do it.
    pub fn restart(&mut self) -> Result<(), M2mError> {
        self.failed = true;
        let raw = self.raw.stop().map_err(M2mError::io("VIDIOC_STREAMOFF"))?;
        let coded = self.coded.stop().map_err(M2mError::io("VIDIOC_STREAMOFF"))?;
        self.inside.clear();
        self.returned.extend(std::mem::take(&mut self.lent).into_values());
        let free = std::mem::take(&mut self.free).into_values().chain(raw).collect();
        self.start(free, coded)
    }

    /// Encodes a picture in memory of another driver. It is lent until [`Self::returned`] gives it back. A picture that
    /// comes while the one before it with the same number is not yet back comes back at once.
    ///
    /// # Errors
    /// When the encoder refuses such memory, or fails. The picture then comes back, too.
    pub fn import(
        &mut self,
        filled: Filled,
        fd: BorrowedFd<'_>,
        at: Duration,
        captured: Instant,
    ) -> Result<(), M2mError> {
        let (index, length) = (filled.buffer().index, filled.memory().len() as u32);
        let Some(slot) = self.free.remove(&index) else {
            self.returned.push(filled);
            return Ok(());
        };
        match self.raw.send(slot, self.bytes, at, Some((fd, length))) {
            Ok(()) => {
                self.lent.insert(index, filled);
                self.fed(at, captured);
                Ok(())
            }
            Err(error) => {
                self.returned.push(filled);
                Err(M2mError::Io { what: "VIDIOC_QBUF", error })
            }
        }
    }

    /// How many buffers for pictures it has that are free.
    pub fn buffers(&self) -> usize {
        self.free.len()
    }

    /// Encodes a picture that `write` puts into memory of the encoder. `false`: the encoder is behind, or `write` failed;
    /// the picture is left out.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn write(
        &mut self,
        at: Duration,
        captured: Instant,
        write: impl FnOnce(&Layout, &mut [u8]) -> bool,
    ) -> Result<bool, M2mError> {
        let Some((index, mut slot)) = self.free.pop_first() else { return Ok(false) };
        if !write(&self.layout, slot.memory_mut()) {
            self.free.insert(index, slot);
            return Ok(false);
        }
        self.raw.send(slot, self.bytes, at, None).map_err(M2mError::io("VIDIOC_QBUF"))?;
        self.fed(at, captured);
        Ok(true)
    }

    fn fed(&mut self, stamp: Duration, captured: Instant) {
        self.inside.push_back(Inside { stamp, captured });
        self.owes.get_or_insert_with(Instant::now);
    }

    /// Buffers of the capture device that the encoder is done with.
    pub fn returned(&mut self) -> std::vec::Drain<'_, Filled> {
        self.returned.drain(..)
    }

    /// How many buffers of the capture device it has.
    pub fn lent(&self) -> usize {
        self.lent.len()
    }

    /// Stops it. All buffers of the capture device come back.
    pub fn close(mut self) -> Vec<Filled> {
        if !std::mem::replace(&mut self.failed, true) {
            self.drain();
        }
        // The memory is the encoder's until it is stopped. An error says that it is gone.
        let _ = self.raw.stop();
        let mut back = std::mem::take(&mut self.returned);
        back.extend(std::mem::take(&mut self.lent).into_values());
        back
    }

    /// Takes what the encoder is done with: raw buffers, and one coded picture. `None`: there is none now.
    ///
    /// # Errors
    /// When it fails, or hangs.
    pub fn take(&mut self) -> Result<Option<Output>, M2mError> {
        self.try_take().inspect_err(|_| self.failed = true)
    }

    fn try_take(&mut self) -> Result<Option<Output>, M2mError> {
        while let Some(slot) = self.raw.take().map_err(M2mError::io("VIDIOC_DQBUF"))? {
            let index = slot.buffer().index;
            self.returned.extend(self.lent.remove(&index));
            self.free.insert(index, slot);
        }
        let filled = match self.coded.take() {
            Ok(Some(filled)) => filled,
            Ok(None) if self.owes.is_some_and(|since| since.elapsed() >= STALL) => return Err(M2mError::Stalled),
            Ok(None) => return Ok(None),
            Err(error) => return Err(M2mError::Io { what: "VIDIOC_DQBUF", error }),
        };
        let output = self.read(&filled);
        self.coded.give(filled).map_err(M2mError::io("VIDIOC_QBUF"))?;
        self.owes = (!self.inside.is_empty()).then(Instant::now);
        Ok(Some(output))
    }

    /// What a coded buffer is.
    fn read(&mut self, filled: &Filled) -> Output {
        let buffer = filled.buffer();
        let broken = buffer.flags & flag::ERROR != 0;
        if filled.bytes().is_empty() && !broken {
            return Output::Alive;
        }
        let unit = self.assembler.push(filled.bytes());
        if matches!(unit, Ok(None)) && !broken {
            // Headers alone; the picture is still to come.
            return Output::Alive;
        }
        let captured = self.captured(buffer);
        if broken {
            return self.damaged("the encoder marked a picture as damaged".to_owned());
        }
        // A driver that has no room for a picture fills the buffer to the brim, and gives the rest in the next, or never.
        let full = filled.memory().len();
        if filled.bytes().len() >= full {
            return self.damaged(format!("the encoder cut a picture at the {full} bytes of its buffer"));
        }
        match unit {
            Ok(Some(unit)) if unit.key || !self.needs_key => {
                self.needs_key = false;
                Output::Picture(unit, captured)
            }
            Ok(_) => Output::Alive,
            Err(error) => self.damaged(format!("the encoder gave what is no picture: {error}")),
        }
    }

    fn damaged(&mut self, why: String) -> Output {
        self.needs_key = true;
        Output::Damaged(why)
    }

    /// When a coded picture was captured: by its timestamp, which the driver copies; by its turn, where it does not.
    fn captured(&mut self, buffer: &Buffer) -> Instant {
        let stamp = buffer.seconds.saturating_mul(1_000_000).saturating_add(buffer.microseconds);
        let is_it = |inside: &Inside| i64::try_from(inside.stamp.as_micros()).is_ok_and(|micros| micros == stamp);
        let place = self.inside.iter().position(is_it).unwrap_or(0);
        let mut gone = self.inside.drain(..self.inside.len().min(place + 1));
        gone.next_back().map_or_else(Instant::now, |inside| inside.captured)
    }

    /// Makes the next picture a key frame. `false`: the driver cannot; [`Self::restart`] has the same effect.
    pub fn force_key(&mut self) -> bool {
        self.codec.info.control(cid::FORCE_KEY_FRAME).is_some()
            && self.node().call(abi::S_CTRL, &mut abi::Control { id: cid::FORCE_KEY_FRAME, value: 1 }).is_ok()
    }

    /// Aims at another bitrate from now on, or at the nearest that it takes.
    ///
    /// # Errors
    /// When the driver refuses it.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), M2mError> {
        self.settings.bitrate = bitrate;
        let Some(setting) = controls::bitrate(&self.codec.info, bitrate) else { return Ok(()) };
        set(self.node(), setting).map(|_| ()).map_err(M2mError::io("VIDIOC_S_CTRL"))
    }

    /// Waits for the pictures in it, as the interface wants it before it is stopped.
    fn drain(&mut self) {
        let mut stop = abi::EncoderCmd { cmd: abi::ENC_STOP, ..Default::default() };
        if self.inside.is_empty() || self.node().call(abi::ENCODER_CMD, &mut stop).is_err() {
            return;
        }
        let until = Instant::now() + DRAIN;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if self.node().wait(left).is_err() || self.raw.take().is_err() {
                return;
            }
            let last = match self.coded.take() {
                Ok(Some(filled)) => filled.buffer().flags & flag::LAST != 0 || self.coded.give(filled).is_err(),
                Ok(None) => false,
                // EPIPE: the last one was taken.
                Err(_) => true,
            };
            if last {
                return;
            }
        }
        debug!("{} did not end in {} ms", self.codec.label, DRAIN.as_millis());
    }
}

impl Drop for M2m {
    fn drop(&mut self) {
        if !self.failed {
            self.drain();
        }
    }
}
