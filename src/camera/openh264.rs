//! The software encoder: Cisco's OpenH264, set for low delay.
//!
//! Constrained baseline, one slice per picture (with several, a lost packet shows as a silently broken picture in some
//! browsers), no B pictures, no key frame that nobody asked for, and no picture left out to save bits.

use openh264::encoder::{
    BitRate, Complexity, EncoderConfig, FrameRate as Hertz, FrameType, IntraFramePeriod, MatrixCoefficients, Profile,
    RateControlMode, UsageType, VuiConfig,
};
use openh264::formats::YUVSlices;
use openh264::{OpenH264API, Timestamp};

use super::picture::I420;
use super::sys;
use crate::media::access_unit::{AccessUnit, AccessUnitError, Assembler};
use crate::media::units::{Bitrate, FrameRate, MediaTime, Size};

/// The largest picture that OpenH264 takes, longer and shorter side.
const LARGEST: (u32, u32) = (3840, 2160);

/// Why there is no encoded picture.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The library said so.
    #[error("openh264: {0}")]
    Library(#[from] openh264::Error),
    /// It gave what is not H.264.
    #[error("openh264: {0}")]
    Output(#[from] AccessUnitError),
    /// The picture is too large.
    #[error("openh264 encodes up to 3840×2160, not {0}")]
    TooLarge(Size),
    /// A bitrate was refused.
    #[error("openh264 refused {bitrate} (code {code})")]
    Bitrate {
        /// What was asked for.
        bitrate: Bitrate,
        /// `CM_RETURN` of codec_api.h.
        code: i32,
    },
}

/// A software encoder. Its first picture is a key frame.
pub struct Encoder {
    inner: openh264::encoder::Encoder,
    assembler: Assembler,
    coded: Vec<u8>,
    rate: FrameRate,
    bitrate: Bitrate,
    /// The library is set up by the first picture; options set before that are lost.
    begun: bool,
}

impl Encoder {
    /// Prepares an encoder; the size follows from the pictures, and may change.
    ///
    /// # Errors
    /// When the library cannot be set up.
    pub fn open(rate: FrameRate, bitrate: Bitrate) -> Result<Self, EncodeError> {
        let mut inner = openh264::encoder::Encoder::with_api_config(OpenH264API::from_source(), config(rate, bitrate))?;
        sys::silence(&mut inner);
        Ok(Self { inner, assembler: Assembler::new(), coded: Vec::new(), rate, bitrate, begun: false })
    }

    /// Makes the next picture a key frame.
    pub fn force_key(&mut self) {
        if self.begun {
            self.inner.force_intra_frame();
        }
    }

    /// Aims at another bitrate from the next picture on.
    ///
    /// # Errors
    /// When the library refuses it; it then goes on as before.
    pub fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<(), EncodeError> {
        if bitrate == self.bitrate {
            return Ok(());
        }
        if self.begun {
            sys::set_bitrate(&mut self.inner, self.bitrate.bps(), bitrate.bps())
                .map_err(|code| EncodeError::Bitrate { bitrate, code })?;
            self.bitrate = bitrate;
        } else {
            *self = Self::open(self.rate, bitrate)?;
        }
        Ok(())
    }

    /// Encodes a picture. `None`: the rate control left it out, which this configuration should never do.
    ///
    /// # Errors
    /// When the picture is too large, or the library fails.
    pub fn encode(&mut self, picture: &I420, at: MediaTime) -> Result<Option<AccessUnit>, EncodeError> {
        let size = picture.size();
        if size.width.max(size.height) > LARGEST.0 || size.width.min(size.height) > LARGEST.1 {
            return Err(EncodeError::TooLarge(size));
        }
        let (w, h) = (size.width as usize, size.height as usize);
        let source = YUVSlices::new((&picture.y, &picture.u, &picture.v), (w, h), (w, w / 2, w / 2));
        let coded = self.inner.encode_at(&source, Timestamp::from_millis(at.0 / 1_000_000))?;
        self.begun = true;
        if matches!(coded.frame_type(), FrameType::Skip | FrameType::Invalid) {
            return Ok(None);
        }
        self.coded.clear();
        coded.write_vec(&mut self.coded);
        Ok(self.assembler.push(&self.coded)?)
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("rate", &self.rate).field("bitrate", &self.bitrate).finish_non_exhaustive()
    }
}

fn config(rate: FrameRate, bitrate: Bitrate) -> EncoderConfig {
    EncoderConfig::new()
        .usage_type(UsageType::CameraVideoRealTime)
        .profile(Profile::Baseline)
        .complexity(Complexity::Low)
        .rate_control_mode(RateControlMode::Bitrate)
        .bitrate(BitRate::from_bps(bitrate.bps()))
        .max_frame_rate(Hertz::from_hz(rate.fps() as f32))
        .skip_frames(false)
        .scene_change_detect(false)
        .intra_frame_period(IntraFramePeriod::auto())
        .num_threads(1)
        .vui(VuiConfig::bt709().matrix_coefficients(MatrixCoefficients::Smpte170M))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::camera::testcard::{Card, read_stamp};

    struct Bench {
        card: Card,
        encoder: Encoder,
        frames: u64,
    }

    impl Bench {
        fn new(w: u32, h: u32, bitrate: Bitrate) -> Self {
            let rate = FrameRate::new(30.0).unwrap();
            let encoder = Encoder::open(rate, bitrate).unwrap();
            Self { card: Card::new(Size::new(w, h), rate), encoder, frames: 0 }
        }

        fn next(&mut self) -> (AccessUnit, u32) {
            let wall = Duration::from_millis(1_763_870_400_123 + self.frames * 1000 / 30);
            let picture = self.card.render(wall, self.frames);
            self.frames += 1;
            let unit = self.encoder.encode(picture, MediaTime(self.frames)).unwrap().unwrap();
            (unit, wall.as_millis() as u32)
        }

        fn bytes(&mut self, pictures: usize) -> usize {
            (0..pictures).map(|_| self.next().0.data.len()).sum()
        }
    }

    fn kinds(data: &[u8]) -> Vec<u8> {
        openh264::nal_units(data).map(|n| n[n.iter().position(|&b| b == 1).unwrap() + 1] & 31).collect()
    }

    #[test]
    fn key_frames_come_first_and_when_forced_with_their_parameter_sets() {
        let mut bench = Bench::new(320, 240, Bitrate::kbps(500));
        for n in 0..100 {
            if n == 40 {
                bench.encoder.force_key();
            }
            let (frame, _) = bench.next();
            let expected: &[u8] = if n == 0 || n == 40 { &[7, 8, 5] } else { &[1] };
            assert_eq!(kinds(&frame.data), expected, "one slice each, picture {n}");
            assert_eq!(frame.key, n == 0 || n == 40);
            assert!(frame.data.starts_with(&[0, 0, 0, 1]));
        }
    }

    #[test]
    fn the_profile_is_constrained_baseline_at_a_fitting_level() {
        for (w, h, level) in [(320, 240, 20), (1280, 720, 31), (1920, 1080, 40)] {
            let mut bench = Bench::new(w, h, Bitrate::kbps(2000));
            let sps = bench.next().0.sps.expect("the first says it");
            let profile = (sps.profile.profile, sps.profile.constraints, sps.profile.level);
            assert_eq!(profile, (0x42, 0xc0, level), "{w}×{h}");
            assert_eq!(sps.size, Size::new(w, h));
            assert_eq!(sps.reorder_frames, Some(0), "a decoder need not wait");
            assert_eq!(bench.next().0.sps, None);
        }
    }

    #[test]
    fn every_stamp_survives() {
        for (w, h, kbps) in [(320, 240, 150), (1280, 720, 2000)] {
            let mut bench = Bench::new(w, h, Bitrate::kbps(kbps));
            let mut decoder = openh264::decoder::Decoder::new().unwrap();
            for n in 0..60 {
                let (frame, wall) = bench.next();
                let picture = decoder.decode(&frame.data).unwrap().expect("no delay");
                use openh264::formats::YUVSource;
                assert_eq!(picture.dimensions(), (w as usize, h as usize));
                assert_eq!(read_stamp(picture.y(), picture.strides().0, Size::new(w, h)), Some(wall), "picture {n}");
            }
        }
    }

    #[test]
    fn the_bitrate_is_kept_and_can_be_changed_both_ways() {
        let mut bench = Bench::new(640, 480, Bitrate::kbps(400));
        bench.encoder.set_bitrate(Bitrate::kbps(800)).unwrap();
        for kbps in [800, 200, 1600, 400] {
            bench.encoder.set_bitrate(Bitrate::kbps(kbps)).unwrap();
            bench.bytes(30);
            let measured = bench.bytes(60) * 8 / 2 / 1000;
            println!("{kbps} kbit/s: measured {measured}");
            let fits = kbps as usize * 8 / 10..=kbps as usize * 12 / 10;
            assert!(fits.contains(&measured), "asked for {kbps} kbit/s, got {measured}");
        }
    }
}
