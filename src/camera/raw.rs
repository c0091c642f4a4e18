//! A V4L2 capture device that gives pixels, which go through an encoder.
//!
//! A filled buffer is read once and given back at once, before anything else is done with what was in it.

use super::abi::{self, flag};
use super::capture::{BUFFERS, Device};
use super::choose::{RawFormat, Target};
use super::convert::{Converter, Layout};
use super::lanes::Lanes;
use super::lost::Lost;
use super::picture::I420;
use super::step::{Clock, Step};
use crate::config::Video;
use crate::hub::Demand;
use crate::media::units::{FrameRate, Size};

/// A device that gives pixels.
#[derive(Debug)]
pub struct Raw {
    device: Device,
    converter: Converter,
    picture: I420,
    /// What becomes of the pictures.
    pub lanes: Lanes,
}

impl Raw {
    /// Opens a device and starts it.
    ///
    /// # Errors
    /// When the device cannot be opened, is busy, or does not take the format.
    pub fn open(
        target: &Target,
        format: RawFormat,
        video: &Video,
        demand: &Demand,
        clock: Clock,
    ) -> Result<Self, Lost> {
        let mut device = Device::open(target, format.fourcc());
        if format == RawFormat::Mjpg && matches!(device, Err(Lost::Format { .. })) {
            device = Device::open(target, *b"JPEG");
        }
        let device = device?;
        let size = Size::new(device.pix.width, device.pix.height);
        let full_range = device.pix.quantization == abi::QUANTIZATION_FULL
            || (device.pix.quantization == 0 && device.pix.colorspace == abi::COLORSPACE_JPEG);
        let converter = Converter::new(Layout { format, size, stride: device.pix.bytesperline as usize, full_range });
        let picture = I420::black(size);
        let lanes = Lanes::new(picture.size(), device.rate, video, demand, clock);
        Ok(Self { device, converter, picture, lanes })
    }

    /// Waits for the next picture, at most for [`super::step::PATIENCE`]. When several are ready, the latest wins.
    ///
    /// # Errors
    /// When the device is gone or fails, or the encoder does.
    pub fn step(&mut self) -> Result<Step, Lost> {
        if let Some(step) = self.lanes.rest()? {
            return Ok(step);
        }
        let Some(mut filled) = self.device.wait()? else { return Ok(Step::Nothing) };
        for _ in 1..BUFFERS {
            let Some(newer) = self.device.take()? else { break };
            self.device.give_back(std::mem::replace(&mut filled, newer))?;
        }
        let captured = self.device.captured(&filled);
        let damaged = filled.buffer().flags & flag::ERROR != 0;
        // What takes long is done on a copy; the other conversions are the copy.
        let read = self.converter.read(self.device.bytes(&filled), &mut self.picture);
        self.device.give_back(filled)?;
        if damaged {
            return Ok(Step::Damaged("the device marked it as damaged".to_owned()));
        }
        if let Err(error) = read.and_then(|()| self.converter.finish(&mut self.picture)) {
            return Ok(Step::Damaged(error.to_string()));
        }
        self.lanes.encode(&self.picture, captured)
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
