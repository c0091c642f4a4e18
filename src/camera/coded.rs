//! A V4L2 capture device that gives H.264, which is passed on as it comes.
//!
//! A filled buffer is read once and given back at once, before anything else is done with what was in it.

use super::abi::{cid, flag};
use super::capture::Device;
use super::choose::Target;
use super::lost::Lost;
use super::step::{Clock, Step};
use crate::media::access_unit::{AccessUnitError, Assembler};
use crate::media::sps::Sps;
use crate::media::stream::StreamId;
use crate::media::units::{Bitrate, FrameRate};

/// A device that gives H.264.
#[derive(Debug)]
pub struct Coded {
    device: Device,
    assembler: Assembler,
    clock: Clock,
    /// After a loss, and at the start, nothing can be shown before the next key frame.
    needs_key: bool,
    /// An SPS that was news in a picture that was not shown.
    sps: Option<Sps>,
}

impl Coded {
    /// Opens a device and starts it.
    ///
    /// # Errors
    /// When the device cannot be opened, is busy, or does not take the format.
    pub fn open(target: &Target, bitrate: Bitrate, clock: Clock) -> Result<Self, Lost> {
        let device = Device::open(target, *b"H264")?;
        let mut coded = Self { device, assembler: Assembler::new(), clock, needs_key: true, sps: None };
        coded.set_bitrate(bitrate);
        coded.force_key();
        Ok(coded)
    }

    /// Waits for the next picture, at most for [`super::step::PATIENCE`]. None is left out: each is needed to decode the next.
    ///
    /// # Errors
    /// When the device is gone or fails.
    pub fn step(&mut self) -> Result<Step, Lost> {
        let Some(filled) = self.device.wait()? else { return Ok(Step::Nothing) };
        let captured = self.device.captured(&filled);
        let damaged = filled.buffer().flags & flag::ERROR != 0;
        let gap = self.device.has_gap(&filled);
        let unit = self.assembler.push(self.device.bytes(&filled));
        self.device.give_back(filled)?;
        if gap {
            self.force_key();
        }
        let mut unit = match unit {
            _ if damaged => return Ok(self.damaged("the device marked it as damaged".to_owned())),
            // The camera is in the middle of what it sent to nobody.
            Err(AccessUnitError::NoParameterSets) if self.needs_key => return Ok(Step::Alive),
            Err(error) => return Ok(self.damaged(error.to_string())),
            Ok(None) => return Ok(Step::Alive),
            Ok(Some(unit)) => unit,
        };
        self.sps = unit.sps.or(self.sps);
        if self.needs_key && !unit.key {
            return Ok(Step::Alive);
        }
        self.needs_key = false;
        unit.sps = self.sps.take();
        Ok(self.clock.frame(StreamId::Main, unit, captured))
    }

    fn damaged(&mut self, why: String) -> Step {
        self.needs_key = true;
        self.force_key();
        Step::Damaged(why)
    }

    /// Asks for a key frame, where the device has a control for it. Else the next one comes when it comes.
    pub fn force_key(&mut self) {
        self.device.set(cid::FORCE_KEY_FRAME, 1);
    }

    /// Sets the bitrate, where the device has a control for it.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) {
        let bps = i32::try_from(bitrate.bps()).unwrap_or(i32::MAX);
        self.device.set(cid::BITRATE, bps);
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
