//! The extension unit by which USB cameras let their H.264 encoder be steered: where it is, and what its messages are.
//! Pure: bytes in, bytes out.
//!
//! Sources: *USB Device Class Definition for Video Devices*, 1.1 and 1.5, section 3.7.2 (descriptors); the same,
//! *H.264 Payload*, 1.00, section 3.3 (the unit's controls). All numbers are little-endian.

use std::time::Duration;

use crate::media::units::{Bitrate, FrameRate, Size};

/// `{A29E7641-DE04-47E3-8B2B-F4341AFF003B}`, as it stands in a descriptor.
const GUID: [u8; 16] = [0x41, 0x76, 0x9e, 0xa2, 0x04, 0xde, 0xe3, 0x47, 0x8b, 0x2b, 0xf4, 0x34, 0x1a, 0xff, 0x00, 0x3b];

/// The unit's controls that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Selector {
    /// `UVCX_VIDEO_CONFIG_PROBE`: proposes a [`Config`], and tells what became of it.
    ConfigProbe = 0x01,
    /// `UVCX_VIDEO_CONFIG_COMMIT`: puts it in force.
    ConfigCommit = 0x02,
    /// `UVCX_RATE_CONTROL_MODE`
    RateControlMode = 0x03,
    /// `UVCX_PICTURE_TYPE_CONTROL`: asks for a key frame.
    PictureType = 0x09,
    /// `UVCX_VERSION`
    Version = 0x0a,
    /// `UVCX_BITRATE_LAYERS`: the bitrate, while the stream runs.
    BitrateLayers = 0x0e,
}

impl Selector {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ConfigProbe,
        Self::ConfigCommit,
        Self::RateControlMode,
        Self::PictureType,
        Self::Version,
        Self::BitrateLayers,
    ];

    /// The name in the payload's specification.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfigProbe => "UVCX_VIDEO_CONFIG_PROBE",
            Self::ConfigCommit => "UVCX_VIDEO_CONFIG_COMMIT",
            Self::RateControlMode => "UVCX_RATE_CONTROL_MODE",
            Self::PictureType => "UVCX_PICTURE_TYPE_CONTROL",
            Self::Version => "UVCX_VERSION",
            Self::BitrateLayers => "UVCX_BITRATE_LAYERS",
        }
    }
}

/// A set of controls: bit 0 is selector 1, as in `bmControls`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selectors(u32);

impl Selectors {
    /// Whether one is among them.
    pub const fn has(self, selector: Selector) -> bool {
        self.0 & Self::bit(selector) != 0
    }

    /// With one more.
    #[must_use]
    pub const fn with(self, selector: Selector) -> Self {
        Self(self.0 | Self::bit(selector))
    }

    /// All but those.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    const fn bit(selector: Selector) -> u32 {
        1 << (selector as u8 - 1)
    }
}

/// The extension unit of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// `bUnitID`
    pub id: u8,
    /// What it says that it takes.
    pub selectors: Selectors,
}

/// Finds the unit in a device's descriptors, as sysfs gives them: one after the other, each with its length and its type
/// in front. `interface` is the number of the camera's control interface.
pub fn find_unit(descriptors: &[u8], interface: u8) -> Option<Unit> {
    const INTERFACE: u8 = 0x04;
    const CS_INTERFACE: u8 = 0x24;
    const VC_EXTENSION_UNIT: u8 = 0x06;
    const CC_VIDEO: u8 = 0x0e;
    const SC_VIDEOCONTROL: u8 = 0x01;
    let (mut rest, mut ours) = (descriptors, false);
    while let [length, kind, ..] = *rest {
        // One of less than two bytes would never end; one that is cut is not believed.
        let (descriptor, next) = rest.split_at_checked(usize::from(length)).filter(|_| length >= 2)?;
        rest = next;
        match (kind, descriptor) {
            (INTERFACE, [_, _, number, _, _, class, subclass, ..]) => {
                ours = (*number, *class, *subclass) == (interface, CC_VIDEO, SC_VIDEOCONTROL);
            }
            (CS_INTERFACE, [_, _, VC_EXTENSION_UNIT, id, body @ ..]) if ours && body.starts_with(&GUID) => {
                return Some(Unit { id: *id, selectors: selectors(body.get(GUID.len()..)?)? });
            }
            _ => {}
        }
    }
    None
}

/// What stands behind the GUID: `bNumControls`, `bNrInPins`, so many ids, `bControlSize`, so many bytes of `bmControls`.
fn selectors(body: &[u8]) -> Option<Selectors> {
    let (inputs, rest) = (usize::from(*body.get(1)?), body.get(2..)?);
    let (size, bitmap) = rest.get(inputs..)?.split_first()?;
    let bitmap = bitmap.get(..usize::from(*size))?;
    Some(Selectors(bitmap.iter().take(4).rev().fold(0, |bits, byte| bits << 8 | u32::from(*byte))))
}

/// The encoder's configuration, `uvcx_video_config_probe_commit_t`: the fields that matter here, in their message.
/// Everything else stays as the camera gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config(Vec<u8>);

/// `bRateControlMode`: constant bitrate.
const CBR: u8 = 1;

impl Config {
    /// As long as version 1.00 has it. Later ones may be longer.
    pub const LENGTH: usize = 46;
    /// Longer than any.
    pub const LONGEST: usize = 256;

    const FRAME_INTERVAL: usize = 0; // in 100 ns
    const BIT_RATE: usize = 4; // in bit/s
    const HINTS: usize = 8;
    const WIDTH: usize = 12;
    const HEIGHT: usize = 14;
    const SLICE_MODE: usize = 18;
    const I_FRAME_PERIOD: usize = 22; // in ms
    const USAGE_TYPE: usize = 28;
    const RATE_CONTROL_MODE: usize = 29;
    const STREAM_MUX_OPTION: usize = 33;
    const STREAM_FORMAT: usize = 34;
    const REORDER_FRAMES: usize = 37;

    /// `bmHints`: what the camera is to keep as it is asked for, where it cannot have all: resolution, rate control,
    /// frame interval, bitrate, key-frame period.
    const KEEP: u16 = 0x0001 | 0x0004 | 0x0800 | 0x2000 | 0x8000;

    /// As the camera gave it. `None` when it is too short to be one.
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        (Self::LENGTH..=Self::LONGEST).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// Its message.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Asks for H.264 as we want it: this size, rate, bitrate and key-frame interval, constant bitrate, for real time,
    /// one slice, no reordering, Annex B, in a stream of its own.
    pub fn ask(&mut self, size: Size, rate: FrameRate, bitrate: Bitrate, interval: Duration) {
        let narrow = |value: u32| u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes();
        let period = u16::try_from(interval.as_millis()).unwrap_or(u16::MAX);
        self.put(Self::FRAME_INTERVAL, ((1e7 / rate.fps()).round() as u32).to_le_bytes());
        self.put(Self::BIT_RATE, bitrate.bps().to_le_bytes());
        self.put(Self::HINTS, Self::KEEP.to_le_bytes());
        self.put(Self::WIDTH, narrow(size.width));
        self.put(Self::HEIGHT, narrow(size.height));
        self.put(Self::SLICE_MODE, [0, 0]);
        self.put(Self::I_FRAME_PERIOD, period.to_le_bytes());
        self.put(Self::USAGE_TYPE, [1]);
        self.put(Self::RATE_CONTROL_MODE, [CBR]);
        self.put(Self::STREAM_MUX_OPTION, [0]);
        self.put(Self::STREAM_FORMAT, [0]);
        self.put(Self::REORDER_FRAMES, [0]);
    }

    /// The size.
    pub fn size(&self) -> Size {
        let side = |at| u32::from(u16::from_le_bytes(self.get(at)));
        Size::new(side(Self::WIDTH), side(Self::HEIGHT))
    }

    /// The bitrate, in bit/s.
    pub fn bps(&self) -> u32 {
        u32::from_le_bytes(self.get(Self::BIT_RATE))
    }

    /// The time from one key frame to the next; zero is as the camera likes.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(u16::from_le_bytes(self.get(Self::I_FRAME_PERIOD)).into())
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        if let Some(field) = self.0.get_mut(at..at + N) {
            field.copy_from_slice(&value);
        }
    }

    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..at + N).and_then(|field| field.try_into().ok()).unwrap_or([0; N])
    }
}

/// `uvcx_picture_type_control_t`: what the next picture is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureType {
    /// An IDR picture.
    Idr = 1,
    /// An IDR picture with new parameter sets.
    IdrWithSets = 2,
}

impl PictureType {
    /// The message, for the one layer there is.
    pub fn message(self) -> [u8; 4] {
        let [low, high] = (self as u16).to_le_bytes();
        [0, 0, low, high]
    }
}

/// `uvcx_rate_control_mode_t`: constant bitrate, for the one layer there is.
pub const RATE_CONTROL_CBR: [u8; 3] = [0, 0, CBR];

/// `uvcx_bitrate_layers_t`: layer, peak and average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BitrateLayers(pub [u8; 10]);

impl BitrateLayers {
    /// Sets both bitrates of the layer that it names.
    pub fn ask(&mut self, bitrate: Bitrate) {
        let bps = bitrate.bps().to_le_bytes();
        self.0[2..6].copy_from_slice(&bps);
        self.0[6..10].copy_from_slice(&bps);
    }

    /// The average, in bit/s.
    pub fn average(&self) -> u32 {
        let [.., a, b, c, d] = self.0;
        u32::from_le_bytes([a, b, c, d])
    }
}

#[cfg(test)]
#[path = "uvc_tests.rs"]
mod tests;
