//! H.264 byte streams: NAL units in Annex B form, and what their headers say.

use std::fmt;
use std::str::FromStr;

/// A NAL unit without its start code: header byte, then payload with emulation prevention bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nal<'a>(pub &'a [u8]);

/// `profile-level-id` of RFC 6184, section 8.1: profile_idc, constraint flags, level_idc, as they stand in an SPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProfileLevelId {
    /// 0x42 baseline, 0x4d main, 0x64 high.
    pub profile: u8,
    /// constraint_set0_flag is the highest bit.
    pub constraints: u8,
    /// Ten times the level; 0x1f is 3.1.
    pub level: u8,
}

impl fmt::Display for ProfileLevelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}", self.profile, self.constraints, self.level)
    }
}

impl FromStr for ProfileLevelId {
    type Err = ();

    fn from_str(_hex: &str) -> Result<Self, ()> {
        Err(())
    }
}

/// The NAL units of an Annex B byte stream, in order; start codes, leading zeros and trailing zeros are left out.
pub fn nal_units(_stream: &[u8]) -> impl Iterator<Item = Nal<'_>> {
    std::iter::empty()
}
