//! Pictures from a V4L2 capture device: H.264 as it comes, or pixels through the software encoder.
//!
//! A filled buffer is read once and given back at once, before anything else is done with what was in it.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::abi::{self, Fract, PixFormat, StreamParm, cid, flag};
use super::choose::{RawFormat, Target};
use super::convert::{Converter, Layout};
pub use super::inspect::inspect;
use super::lost::Lost;
use super::openh264::{EncodeError, Encoder};
use super::picture::I420;
use super::source::{Clock, PATIENCE, Step};
use super::sys::{Buffers, Filled, Node, Ready, monotonic};
use crate::media::access_unit::Assembler;
use crate::media::units::{Bitrate, FrameRate, Size};

/// Buffers to ask for: one being filled, one ready, one being read, one to spare.
const BUFFERS: u32 = 4;

/// A timestamp that is further back than this is not believed.
const OLDEST: Duration = Duration::from_secs(1);

/// A device that streams.
#[derive(Debug)]
struct Device {
    path: PathBuf,
    label: String,
    rate: FrameRate,
    pix: PixFormat,
    buffers: Buffers,
    time: Timestamps,
    /// The last buffer's number.
    sequence: Option<u32>,
}

/// A device that gives H.264.
#[derive(Debug)]
pub struct Coded {
    device: Device,
    assembler: Assembler,
    clock: Clock,
    /// After a loss, and at the start, nothing can be shown before the next key frame.
    needs_key: bool,
}

/// A device that gives pixels.
#[derive(Debug)]
pub struct Raw {
    device: Device,
    converter: Converter,
    picture: I420,
    encoder: Encoder,
    clock: Clock,
}

impl Device {
    fn open(target: &Target, fourcc: [u8; 4]) -> Result<Self, Lost> {
        let path = target.path.clone();
        let lost = |what| move |error| Lost::from_errno(&target.path, what, error);
        let node = Node::open(&path).map_err(lost("open"))?;
        let pix = set_format(&node, fourcc, target.size).map_err(lost("VIDIOC_S_FMT"))?;
        if pix.pixelformat != fourcc {
            let has = String::from_utf8_lossy(&pix.pixelformat).into_owned();
            return Err(Lost::Format { path, has });
        }
        let rate = set_rate(&node, target.rate);
        if fourcc == *b"H264" {
            // Each key frame is to be usable alone. Where the device cannot, the assembler does it.
            let _ = set_control(&node, cid::REPEAT_SEQ_HEADER, 1);
        }
        let buffers = Buffers::start(node, BUFFERS).map_err(lost("VIDIOC_STREAMON"))?;
        let label = target.label.clone();
        Ok(Self { path, label, rate, pix, buffers, time: Timestamps::start(), sequence: None })
    }

    /// Waits for a filled buffer, at most for [`PATIENCE`].
    fn wait(&mut self) -> Result<Option<Filled>, Lost> {
        let ready = self.buffers.node().wait(PATIENCE).map_err(|error| self.lost("poll", error))?;
        if ready == Ready::No {
            return Ok(None);
        }
        match self.take()? {
            None if ready == Ready::Failed => Err(self.lost("poll", io::Error::other("the device reports an error"))),
            filled => Ok(filled),
        }
    }

    fn take(&mut self) -> Result<Option<Filled>, Lost> {
        self.buffers.take().map_err(|error| self.lost("VIDIOC_DQBUF", error))
    }

    fn give_back(&mut self, filled: Filled) -> Result<(), Lost> {
        self.buffers.give_back(filled).map_err(|error| self.lost("VIDIOC_QBUF", error))
    }

    /// Whether buffers are missing between the last one and this.
    fn has_gap(&mut self, filled: &Filled) -> bool {
        let sequence = filled.buffer.sequence;
        let before = self.sequence.replace(sequence);
        before.is_some_and(|before| sequence.wrapping_sub(before) > 1 && sequence > before)
    }

    fn lost(&self, what: &'static str, error: io::Error) -> Lost {
        Lost::from_errno(&self.path, what, error)
    }
}

impl Coded {
    /// Opens a device and starts it.
    ///
    /// # Errors
    /// When the device cannot be opened, is busy, or does not take the format.
    pub fn open(target: &Target, bitrate: Bitrate, clock: Clock) -> Result<Self, Lost> {
        let device = Device::open(target, *b"H264")?;
        let mut coded = Self { device, assembler: Assembler::new(), clock, needs_key: true };
        coded.set_bitrate(bitrate);
        coded.force_key();
        Ok(coded)
    }

    /// Waits for the next picture, at most for [`PATIENCE`]. None is left out: each is needed to decode the next.
    ///
    /// # Errors
    /// When the device is gone or fails.
    pub fn step(&mut self) -> Result<Step, Lost> {
        let Some(filled) = self.device.wait()? else { return Ok(Step::Nothing) };
        let captured = self.device.time.of(&filled);
        let damaged = filled.buffer.flags & flag::ERROR != 0;
        let gap = self.device.has_gap(&filled);
        let unit = self.assembler.push(self.device.buffers.bytes(&filled));
        self.device.give_back(filled)?;
        if gap {
            self.force_key();
        }
        match unit {
            _ if damaged => Ok(self.damaged("the device marked it as damaged".to_owned())),
            Err(error) => Ok(self.damaged(error.to_string())),
            Ok(Some(unit)) if unit.key || !self.needs_key => {
                self.needs_key = false;
                Ok(self.clock.frame(unit, captured))
            }
            Ok(_) => Ok(Step::Alive),
        }
    }

    fn damaged(&mut self, why: String) -> Step {
        self.needs_key = true;
        self.force_key();
        Step::Damaged(why)
    }

    /// Asks for a key frame, where the device has a control for it. Else the next one comes when it comes.
    pub fn force_key(&mut self) {
        let _ = set_control(self.device.buffers.node(), cid::FORCE_KEY_FRAME, 1);
    }

    /// Sets the bitrate, where the device has a control for it.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) {
        let bps = i32::try_from(bitrate.bps()).unwrap_or(i32::MAX);
        let _ = set_control(self.device.buffers.node(), cid::BITRATE, bps);
    }

    /// Name and node, for people.
    pub fn label(&self) -> &str {
        &self.device.label
    }

    /// As negotiated.
    pub fn rate(&self) -> FrameRate {
        self.device.rate
    }
}

impl Raw {
    /// Opens a device and starts it.
    ///
    /// # Errors
    /// When the device cannot be opened, is busy, or does not take the format; or when there is no encoder.
    pub fn open(target: &Target, format: RawFormat, bitrate: Bitrate, clock: Clock) -> Result<Self, Lost> {
        let mut device = Device::open(target, format.fourcc());
        if format == RawFormat::Mjpg && matches!(device, Err(Lost::Format { .. })) {
            device = Device::open(target, *b"JPEG");
        }
        let device = device?;
        let encoder = Encoder::open(device.rate, bitrate)?;
        let size = Size::new(device.pix.width, device.pix.height);
        let full_range = device.pix.quantization == abi::QUANTIZATION_FULL
            || (device.pix.quantization == 0 && device.pix.colorspace == abi::COLORSPACE_JPEG);
        let converter = Converter::new(Layout { format, size, stride: device.pix.bytesperline as usize, full_range });
        Ok(Self { device, converter, picture: I420::black(size), encoder, clock })
    }

    /// Waits for the next picture, at most for [`PATIENCE`]. When several are ready, the latest wins.
    ///
    /// # Errors
    /// When the device is gone or fails, or the encoder does.
    pub fn step(&mut self) -> Result<Step, Lost> {
        let Some(mut filled) = self.device.wait()? else { return Ok(Step::Nothing) };
        for _ in 1..BUFFERS {
            let Some(newer) = self.device.take()? else { break };
            self.device.give_back(std::mem::replace(&mut filled, newer))?;
        }
        let captured = self.device.time.of(&filled);
        let damaged = filled.buffer.flags & flag::ERROR != 0;
        // What takes long is done on a copy; the other conversions are the copy.
        let read = self.converter.read(self.device.buffers.bytes(&filled), &mut self.picture);
        self.device.give_back(filled)?;
        if damaged {
            return Ok(Step::Damaged("the device marked it as damaged".to_owned()));
        }
        if let Err(error) = read.and_then(|()| self.converter.finish(&mut self.picture)) {
            return Ok(Step::Damaged(error.to_string()));
        }
        let coded = self.encoder.encode(&self.picture, self.clock.at(captured))?;
        Ok(coded.map_or(Step::Alive, |unit| self.clock.frame(unit, captured)))
    }

    /// Makes the next picture a key frame.
    pub fn force_key(&mut self) {
        self.encoder.force_key();
    }

    /// Aims at another bitrate.
    ///
    /// # Errors
    /// When the encoder refuses it.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), EncodeError> {
        self.encoder.set_bitrate(bitrate)
    }

    /// Name and node, for people.
    pub fn label(&self) -> &str {
        &self.device.label
    }

    /// As negotiated.
    pub fn rate(&self) -> FrameRate {
        self.device.rate
    }
}

/// The kernel's timestamps → [`Instant`]s, by one pair of readings, so that no jitter is added.
#[derive(Debug)]
struct Timestamps {
    instant: Instant,
    monotonic: Duration,
    last: Instant,
}

impl Timestamps {
    fn start() -> Self {
        let (before, instant, after) = (monotonic(), Instant::now(), monotonic());
        Self { instant, monotonic: (before + after) / 2, last: instant }
    }

    /// When a buffer was captured. Never before the buffer before it; now, when the device's time makes no sense.
    fn of(&mut self, filled: &Filled) -> Instant {
        let now = Instant::now();
        let buffer = &filled.buffer;
        let micros = buffer.seconds.saturating_mul(1_000_000).saturating_add(buffer.microseconds);
        let stamp = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        let known = buffer.flags & flag::TIMESTAMP_MASK == flag::TIMESTAMP_MONOTONIC;
        let captured = stamp.checked_sub(self.monotonic).map(|since| self.instant + since);
        let sane = captured.filter(|at| known && *at <= now && now.duration_since(*at) <= OLDEST);
        self.last = sane.unwrap_or(now).max(self.last + Duration::from_micros(1));
        self.last
    }
}

fn set_format(node: &Node, pixelformat: [u8; 4], size: Size) -> io::Result<PixFormat> {
    let (width, height) = (size.width, size.height);
    let pix = PixFormat { width, height, pixelformat, field: abi::FIELD_NONE, ..Default::default() };
    let mut format = abi::Format::capture(pix);
    node.call(abi::S_FMT, &mut format)?;
    Ok(format.pix)
}

/// Sets the rate, where the device can. What it then is, as far as it says.
fn set_rate(node: &Node, wanted: FrameRate) -> FrameRate {
    let mut parm = StreamParm::capture(Fract::default());
    if node.call(abi::G_PARM, &mut parm).is_err() {
        return wanted;
    }
    if parm.capability & abi::CAP_TIMEPERFRAME != 0 {
        let denominator = (wanted.fps() * 1000.0).round() as u32;
        parm = StreamParm::capture(Fract { numerator: 1000, denominator });
        if node.call(abi::S_PARM, &mut parm).is_err() {
            return wanted;
        }
    }
    let Fract { numerator, denominator } = parm.timeperframe;
    FrameRate::new(f64::from(denominator) / f64::from(numerator)).unwrap_or(wanted)
}

/// Sets a control to the nearest value that it takes.
fn set_control(node: &Node, id: u32, value: i32) -> io::Result<()> {
    let mut query = abi::QueryCtrl { id, ..Default::default() };
    node.call(abi::QUERYCTRL, &mut query)?;
    if query.flags & abi::CTRL_UNUSABLE != 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let (minimum, step) = (i64::from(query.minimum), i64::from(query.step.max(1)));
    let clamped = i64::from(value).clamp(minimum, i64::from(query.maximum).max(minimum));
    let value = minimum + (clamped - minimum) / step * step;
    node.call(abi::S_CTRL, &mut abi::Control { id, value: i32::try_from(value).unwrap_or(query.maximum) })
}
