//! Quantities with their units.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A moment on a camera's own clock, in nanoseconds since some fixed, unknown start. Never decreases within a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MediaTime(pub u64);

impl MediaTime {
    /// From a duration since the clock's start.
    pub fn since_start(d: Duration) -> Self {
        Self(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The RTP timestamp at 90 kHz, modulo 2³² (RFC 6184, section 5.1).
    pub fn rtp(self) -> u32 {
        // ns × 90 000 / 10⁹ = ns × 9 / 100 000, in 128 bits so that it cannot overflow; the cut to 32 bits is the wrap.
        (u128::from(self.0) * 9 / 100_000) as u32
    }
}

/// Bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bitrate(u32);

impl Bitrate {
    /// The least that makes a picture worth looking at.
    pub const MIN: Self = Self::kbps(50);
    /// More than any encoder on a board gives.
    pub const MAX: Self = Self::kbps(50_000);

    /// From kilobits (1000 bits) per second.
    pub const fn kbps(k: u32) -> Self {
        Self(k.saturating_mul(1000))
    }

    /// From bits per second.
    pub const fn bits(bps: u32) -> Self {
        Self(bps)
    }

    /// Bits per second.
    pub const fn bps(self) -> u32 {
        self.0
    }

    /// Kilobits per second, rounded down.
    pub const fn as_kbps(self) -> u32 {
        self.0 / 1000
    }
}

/// What is wrong with a quantity that was written down.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnitError {
    /// Not a bitrate, or out of range.
    #[error("“{0}” is not a bitrate; write for example \"2 Mbit/s\" or \"800 kbit/s\" (50 kbit/s to 50 Mbit/s)")]
    Bitrate(String),
    /// Not a picture size, or out of range.
    #[error("“{0}” is not a picture size; write for example \"1280x720\" (even numbers, 64x64 to 3840x2160)")]
    Size(String),
    /// Not a frame rate, or out of range.
    #[error("{0} is not a frame rate; write a number of pictures per second from 1 to 120")]
    FrameRate(String),
}

impl FromStr for Bitrate {
    type Err = UnitError;

    /// Reads `2 Mbit/s`, `2M`, `800 kbit/s`, `800k`, `800000`.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Bitrate(text.to_owned());
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let number: f64 = number.parse().map_err(|_| bad())?;
        let factor = match unit.trim() {
            "" | "bit/s" => 1.0,
            "k" | "kbit/s" | "kbps" => 1e3,
            "M" | "Mbit/s" | "Mbps" => 1e6,
            _ => return Err(bad()),
        };
        let bps = (number * factor).round();
        if !(f64::from(Self::MIN.0)..=f64::from(Self::MAX.0)).contains(&bps) {
            return Err(bad());
        }
        Ok(Self(bps as u32))
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 1_000_000 {
            write!(f, "{} Mbit/s", f64::from(self.0 / 10_000) / 100.0)
        } else {
            write!(f, "{} kbit/s", self.0 / 1000)
        }
    }
}

/// Width and height of a picture, in pixels; both even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// As given; for sizes that a device or a stream reports, which may be anything.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Pixels in all.
    pub const fn pixels(self) -> u64 {
        self.width as u64 * self.height as u64
    }
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Size(text.to_owned());
        let (w, h) = text.split_once(['x', '×']).ok_or_else(bad)?;
        let size = Self { width: w.trim().parse().map_err(|_| bad())?, height: h.trim().parse().map_err(|_| bad())? };
        let legal = |v: u32, max: u32| (64..=max).contains(&v) && v.is_multiple_of(2);
        if legal(size.width, 3840) && legal(size.height, 2160) { Ok(size) } else { Err(bad()) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}

/// Pictures per second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct FrameRate(f64);

impl FrameRate {
    /// `None` outside 1 to 120.
    pub fn new(fps: f64) -> Option<Self> {
        (1.0..=120.0).contains(&fps).then_some(Self(fps))
    }

    /// Pictures per second.
    pub const fn fps(self) -> f64 {
        self.0
    }

    /// The time from one picture to the next.
    pub fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fps", (self.0 * 100.0).round() / 100.0)
    }
}

impl<'de> Deserialize<'de> for Bitrate {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for FrameRate {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let fps = f64::deserialize(d)?;
        Self::new(fps).ok_or_else(|| serde::de::Error::custom(UnitError::FrameRate(fps.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtp_time_is_90_khz_and_wraps() {
        assert_eq!(MediaTime::since_start(Duration::from_secs(1)).rtp(), 90_000);
        assert_eq!(MediaTime::since_start(Duration::from_secs(47_722)).rtp(), (47_722u64 * 90_000 % (1 << 32)) as u32);
    }

    #[test]
    fn bitrates_are_read_as_people_write_them() {
        for (text, kbps) in [("2 Mbit/s", 2000), ("2M", 2000), ("1.5 Mbps", 1500), ("800k", 800), ("800000", 800)] {
            assert_eq!(text.parse(), Ok(Bitrate::kbps(kbps)), "{text}");
        }
        for text in ["", "M", "2 Mb", "-1M", "1k", "1e9", "99999M", "2 Mbit/s x"] {
            assert!(text.parse::<Bitrate>().is_err(), "{text}");
        }
        assert_eq!(Bitrate::kbps(2500).to_string(), "2.5 Mbit/s");
    }

    #[test]
    fn sizes_are_even_and_bounded() {
        assert_eq!("1280x720".parse(), Ok(Size::new(1280, 720)));
        for text in ["1280", "1281x720", "0x0", "9999x720", "axb", "1280x720x3"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
