//! A V4L2 capture device that gives pixels, which go through an encoder.
//!
//! A filled buffer is read once and given back at once, before anything else is done with what was in it.

use super::abi::{self, flag};
use super::capture::{BUFFERS, Device};
use super::choose::{RawFormat, Target};
use super::convert::{Converter, Layout};
use super::lost::Lost;
use super::openh264::{EncodeError, Encoder};
use super::picture::I420;
use super::step::{Clock, Step};
use crate::media::units::{Bitrate, FrameRate, Size};

/// A device that gives pixels.
#[derive(Debug)]
pub struct Raw {
    device: Device,
    converter: Converter,
    picture: I420,
    encoder: Encoder,
    clock: Clock,
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

    /// Waits for the next picture, at most for [`super::step::PATIENCE`]. When several are ready, the latest wins.
    ///
    /// # Errors
    /// When the device is gone or fails, or the encoder does.
    pub fn step(&mut self) -> Result<Step, Lost> {
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
