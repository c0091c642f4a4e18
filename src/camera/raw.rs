//! A V4L2 capture device that gives pixels, which go through an encoder.
//!
//! A buffer goes to the hardware encoder as it is, and comes back when that is done with it; or it is read once and given
//! back at once, before anything else is done with what was in it.

use std::time::Duration;

use super::abi::{self, flag};
use super::capture::{BUFFERS, Device};
use super::choose::{Codec, Maker, RawFormat, Target};
use super::convert::{Converter, Layout};
use super::hardware::Direct;
use super::lanes::Lanes;
use super::lost::Lost;
use super::m2m::{self, Colour};
use super::picture::I420;
use super::step::{Clock, PATIENCE, Step};
use super::sys::{Filled, Node, Seen, poll};
use crate::config::Video;
use crate::hub::Demand;
use crate::media::stream::StreamId;
use crate::media::units::{FrameRate, Size};

/// Buffers to spare for those that are lent to an encoder.
const LENT: u32 = 3;

/// A device that gives pixels.
#[derive(Debug)]
pub struct Raw {
    device: Device,
    converter: Converter,
    picture: I420,
    lanes: Lanes,
}

impl Raw {
    /// Opens a device and starts it.
    ///
    /// # Errors
    /// When the device cannot be opened, is busy, or does not take the format.
    pub fn open(
        target: &Target,
        format: RawFormat,
        maker: &Maker,
        video: &Video,
        demand: &Demand,
        clock: Clock,
    ) -> Result<Self, Lost> {
        let buffers = if *maker == Maker::Software { BUFFERS } else { BUFFERS + LENT };
        let mut device = Device::open(target, format.fourcc(), buffers, |_, _, _| ());
        if format == RawFormat::Mjpg && matches!(device, Err(Lost::Format { .. })) {
            device = Device::open(target, *b"JPEG", buffers, |_, _, _| ());
        }
        let device = device?;
        let size = Size::new(device.pix.width, device.pix.height);
        let full_range = device.pix.quantization == abi::QUANTIZATION_FULL
            || (device.pix.quantization == 0 && device.pix.colorspace == abi::COLORSPACE_JPEG);
        let converter = Converter::new(Layout { format, size, stride: device.pix.bytesperline as usize, full_range });
        let picture = I420::black(size);
        let mut lanes = Lanes::new(picture.size(), device.rate, video, demand, clock);
        if let Maker::Hardware(codec) = maker {
            lanes.through(codec, direct(&device, format, codec, picture.size()));
        }
        Ok(Self { device, converter, picture, lanes })
    }

    /// Waits for the next picture, at most for [`PATIENCE`]. When several are ready, the latest wins.
    ///
    /// # Errors
    /// When the device is gone or fails, or the encoder does.
    pub fn step(&mut self) -> Result<Step, Lost> {
        let step = self.lanes.rest()?;
        for loan in self.lanes.returned() {
            self.device.give_back(loan)?;
        }
        if let Some(step) = step {
            return Ok(step);
        }
        let Some(mut filled) = self.wait()? else { return Ok(Step::Nothing) };
        for _ in 1..BUFFERS + LENT {
            let Some(newer) = self.device.take()? else { break };
            self.device.give_back(std::mem::replace(&mut filled, newer))?;
        }
        let captured = self.device.captured(&filled);
        if filled.buffer().flags & flag::ERROR != 0 {
            self.device.give_back(filled)?;
            return Ok(Step::Damaged("the device marked it as damaged".to_owned()));
        }
        let (lent, pixels) = (self.lanes.takes_loans(), self.lanes.takes_pixels());
        let has = self.device.bytes(&filled).len();
        if lent && !self.lanes.fits_loan(has) {
            self.device.give_back(filled)?;
            return Ok(Step::Damaged(format!("{has} bytes are too few for a picture")));
        }
        // What takes long is done on a copy; the other conversions are the copy.
        let read = if pixels { self.converter.read(self.device.bytes(&filled), &mut self.picture) } else { Ok(()) };
        if lent {
            self.lanes.lend(filled, captured)?;
        } else {
            self.device.give_back(filled)?;
        }
        if !pixels {
            return Ok(Step::Alive);
        }
        if let Err(error) = read.and_then(|()| self.converter.finish(&mut self.picture)) {
            return Ok(Step::Damaged(error.to_string()));
        }
        self.lanes.encode_unless(lent, &self.picture, captured)
    }

    /// Waits for a buffer of the camera, or for an encoder.
    fn wait(&mut self) -> Result<Option<Filled>, Lost> {
        let encoders: Vec<&Node> = self.lanes.nodes().collect();
        if encoders.is_empty() {
            return self.device.wait();
        }
        let nodes: Vec<&Node> = std::iter::once(self.device.node()).chain(encoders).collect();
        let seen = poll(&nodes, PATIENCE).map_err(|error| self.device.lost("poll", error))?;
        // An encoder that fails says so whenever it is asked; it must not keep us from looking at anything else.
        if seen.iter().skip(1).any(|seen| seen.failed) && !seen[0].readable {
            std::thread::sleep(Duration::from_millis(10));
        }
        if seen[0] != Seen::default() { self.device.wait() } else { Ok(None) }
    }

    /// Begins or ends a stream.
    pub fn watch(&mut self, stream: StreamId, watched: bool) {
        self.lanes.watch(stream, watched);
    }

    /// Makes a stream's next picture a key frame.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn force_key(&mut self, stream: StreamId) -> Result<(), Lost> {
        self.lanes.force_key(stream)
    }

    /// Aims at another bitrate.
    ///
    /// # Errors
    /// When the encoder refuses it.
    pub fn set_bitrate(&mut self, stream: StreamId, bitrate: crate::media::units::Bitrate) -> Result<(), Lost> {
        self.lanes.set_bitrate(stream, bitrate)
    }

    /// What becomes of the pictures.
    pub fn lanes(&self) -> &Lanes {
        &self.lanes
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

/// The camera's pictures for an encoder that takes their format.
fn direct(device: &Device, format: RawFormat, codec: &Codec, size: Size) -> Option<Direct> {
    let pix = &device.pix;
    // An odd row or column is cut off by the conversion.
    if codec.format != format || (pix.width, pix.height) != (size.width, size.height) {
        return None;
    }
    let least = if format == RawFormat::Yuyv { pix.width * 2 } else { pix.width };
    let (stride, rows) = (pix.bytesperline.max(least) as usize, pix.height as usize);
    Some(Direct {
        layout: m2m::Layout { format, size, stride, rows },
        colour: Colour::of(pix),
        exports: device.exports(),
    })
}
