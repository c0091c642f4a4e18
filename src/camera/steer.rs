//! How a device that gives H.264 itself is steered: its key frames, its bitrate, the time from one key frame to the next.
//! Pure: what a device has → by what means it is asked.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::uvc::{Selector, Selectors};

/// By what means key frames are had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyFrames {
    /// The codec control `V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME`.
    Control,
    /// The UVC H.264 extension unit, `UVCX_PICTURE_TYPE_CONTROL`.
    ExtensionUnit,
    /// The stream is stopped and started, where it then begins with a key frame; else as with [`Self::Wait`].
    Reopen,
    /// The next one comes when it comes.
    Wait,
}

/// By what means a number is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateControl {
    /// A codec control.
    Control,
    /// The UVC H.264 extension unit, at any time.
    ExtensionUnit,
    /// The UVC H.264 extension unit, but only when the stream is opened.
    Opening,
    /// Not at all: the camera does as it likes.
    None,
}

/// What is done with a device that gives H.264.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Steering {
    /// Key frames that viewers ask for.
    pub key_frames: KeyFrames,
    /// The bitrate.
    pub bitrate: RateControl,
    /// The time from one key frame to the next that nobody asked for.
    pub key_interval: RateControl,
}

/// What a device has to be steered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Means {
    /// `V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME`
    pub force_key: bool,
    /// `V4L2_CID_MPEG_VIDEO_BITRATE`
    pub bitrate: bool,
    /// `V4L2_CID_MPEG_VIDEO_H264_I_PERIOD` or `V4L2_CID_MPEG_VIDEO_GOP_SIZE`
    pub key_interval: bool,
    /// What the UVC H.264 extension unit takes; nothing where there is none.
    pub unit: Selectors,
}

impl Steering {
    /// Where key frames come when they are asked for, those that come by themselves only cost bits.
    const LONG: Duration = Duration::from_secs(10);
    /// Where they do not, a viewer who joins, or lost something, waits for so long.
    const SHORT: Duration = Duration::from_secs(2);

    /// The best that a device has: codec controls, then the extension unit, then none of both.
    pub fn by(means: Means) -> Self {
        let config = means.unit.has(Selector::ConfigProbe) && means.unit.has(Selector::ConfigCommit);
        let opening = if config { RateControl::Opening } else { RateControl::None };
        Self {
            key_frames: if means.force_key {
                KeyFrames::Control
            } else if means.unit.has(Selector::PictureType) {
                KeyFrames::ExtensionUnit
            } else {
                KeyFrames::Reopen
            },
            bitrate: if means.bitrate {
                RateControl::Control
            } else if means.unit.has(Selector::BitrateLayers) {
                RateControl::ExtensionUnit
            } else {
                opening
            },
            key_interval: if means.key_interval { RateControl::Control } else { opening },
        }
    }

    /// The time from one key frame to the next that is asked for, where it can be.
    pub fn interval(self) -> Duration {
        match self.key_frames {
            KeyFrames::Control | KeyFrames::ExtensionUnit => Self::LONG,
            KeyFrames::Reopen | KeyFrames::Wait => Self::SHORT,
        }
    }
}

impl fmt::Display for Steering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.key_frames {
            KeyFrames::Control => "key frames by control",
            KeyFrames::ExtensionUnit => "key frames by UVC extension unit",
            KeyFrames::Reopen => "key frames by re-opening the stream if it begins with one, else by waiting",
            KeyFrames::Wait => "key frames by waiting for the next one",
        })?;
        for (what, means) in [("bitrate", self.bitrate), ("key-frame interval", self.key_interval)] {
            f.write_str("; ")?;
            f.write_str(what)?;
            f.write_str(match means {
                RateControl::Control => " by control",
                RateControl::ExtensionUnit => " by UVC extension unit",
                RateControl::Opening => " by UVC extension unit when opened",
                RateControl::None => " as the camera likes",
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(force_key: bool, bitrate: bool, key_interval: bool, unit: &[Selector]) -> Steering {
        let unit = unit.iter().fold(Selectors::default(), |all, one| all.with(*one));
        Steering::by(Means { force_key, bitrate, key_interval, unit })
    }

    #[test]
    fn controls_go_before_the_extension_unit_and_that_before_nothing() {
        let all = Selector::ALL;
        let steering = |key_frames, bitrate, key_interval| Steering { key_frames, bitrate, key_interval };
        use RateControl as R;
        for (got, expected) in [
            (by(true, true, true, &all), steering(KeyFrames::Control, R::Control, R::Control)),
            (by(true, false, false, &all), steering(KeyFrames::Control, R::ExtensionUnit, R::Opening)),
            (by(false, false, false, &all), steering(KeyFrames::ExtensionUnit, R::ExtensionUnit, R::Opening)),
            (
                by(false, false, false, &[Selector::ConfigProbe, Selector::ConfigCommit]),
                steering(KeyFrames::Reopen, R::Opening, R::Opening),
            ),
            (by(false, false, false, &[Selector::ConfigProbe]), steering(KeyFrames::Reopen, R::None, R::None)),
            (by(false, true, false, &[Selector::PictureType]), steering(KeyFrames::ExtensionUnit, R::Control, R::None)),
            (by(false, false, false, &[]), steering(KeyFrames::Reopen, R::None, R::None)),
        ] {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn key_frames_are_rare_where_they_come_when_asked_for() {
        assert_eq!(by(true, true, true, &[]).interval(), Steering::LONG);
        assert_eq!(by(false, false, false, &[Selector::PictureType]).interval(), Steering::LONG);
        assert_eq!(by(false, true, true, &[]).interval(), Steering::SHORT);
    }

    #[test]
    fn it_is_told_in_words_and_in_json() {
        let steering = by(false, false, false, &Selector::ALL);
        assert_eq!(
            steering.to_string(),
            "key frames by UVC extension unit; bitrate by UVC extension unit; key-frame interval by UVC extension unit \
             when opened"
        );
        let json = serde_json::to_string(&steering).expect("plain");
        assert_eq!(json, r#"{"key_frames":"extension_unit","bitrate":"extension_unit","key_interval":"opening"}"#);
    }
}
