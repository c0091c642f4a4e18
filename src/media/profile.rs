//! `profile-level-id`: which H.264 a stream is, what a viewer says it decodes, and which of these fits best.

use std::fmt;
use std::str::FromStr;

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

/// A profile, told from its number and its constraint flags together (RFC 6184, table 5; ITU-T H.264, A.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    Extended,
    ConstrainedHigh,
    ProgressiveHigh,
    High,
    High10,
    High10Intra,
    High422,
    High422Intra,
    High444,
    High444Intra,
    Cavlc444Intra,
    Unknown,
}

/// What is wrong with a `profile-level-id` in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileLevelIdError {
    /// Too long or too short.
    #[error("a profile-level-id has six hex digits, not {0} characters")]
    Length(usize),
    /// Not a number.
    #[error("“{0}” in a profile-level-id is not a hex digit")]
    Digit(char),
}

/// The choice among what a viewer offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its place in the list of offers.
    pub index: usize,
    /// Whether the profile is that of the stream. Levels are not compared: receivers decode above the one they name.
    pub exact: bool,
}

impl ProfileLevelId {
    /// The profile, its constraint flags considered.
    pub fn class(self) -> Profile {
        let set = |n: u8| self.constraints & 0x80 >> n != 0;
        match self.profile {
            0x42 if set(1) => Profile::ConstrainedBaseline,
            0x42 => Profile::Baseline,
            0x4d if set(0) => Profile::ConstrainedBaseline,
            0x4d => Profile::Main,
            0x58 if set(0) && set(1) => Profile::ConstrainedBaseline,
            0x58 if set(0) => Profile::Baseline,
            0x58 => Profile::Extended,
            0x64 if set(4) && set(5) => Profile::ConstrainedHigh,
            0x64 if set(4) => Profile::ProgressiveHigh,
            0x64 => Profile::High,
            0x6e if set(3) => Profile::High10Intra,
            0x6e => Profile::High10,
            0x7a if set(3) => Profile::High422Intra,
            0x7a => Profile::High422,
            0xf4 if set(3) => Profile::High444Intra,
            0xf4 => Profile::High444,
            0x2c => Profile::Cavlc444Intra,
            _ => Profile::Unknown,
        }
    }

    /// The profile's name, for people.
    pub fn profile_name(self) -> &'static str {
        self.class().name()
    }
}

impl Profile {
    /// The name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConstrainedBaseline => "Constrained Baseline",
            Self::Baseline => "Baseline",
            Self::Main => "Main",
            Self::Extended => "Extended",
            Self::ConstrainedHigh => "Constrained High",
            Self::ProgressiveHigh => "Progressive High",
            Self::High => "High",
            Self::High10 => "High 10",
            Self::High10Intra => "High 10 Intra",
            Self::High422 => "High 4:2:2",
            Self::High422Intra => "High 4:2:2 Intra",
            Self::High444 => "High 4:4:4 Predictive",
            Self::High444Intra => "High 4:4:4 Intra",
            Self::Cavlc444Intra => "CAVLC 4:4:4 Intra",
            Self::Unknown => "unknown profile",
        }
    }

    /// What to try, in this order, for a stream of this profile that the viewer does not list. First what includes the
    /// stream's tools, then what shares most of them: decoders do more than they list.
    fn instead(self) -> &'static [Self] {
        use Profile::*;
        match self {
            ConstrainedBaseline => &[Baseline, Main, ConstrainedHigh, ProgressiveHigh, High],
            Baseline => &[ConstrainedBaseline, Main, ConstrainedHigh, ProgressiveHigh, High],
            Main => &[High, ProgressiveHigh, ConstrainedHigh, ConstrainedBaseline, Baseline],
            Extended => &[Main, High, Baseline, ConstrainedBaseline],
            ConstrainedHigh => &[ProgressiveHigh, High, Main, ConstrainedBaseline, Baseline],
            ProgressiveHigh => &[High, ConstrainedHigh, Main, ConstrainedBaseline, Baseline],
            High => &[ProgressiveHigh, ConstrainedHigh, Main, ConstrainedBaseline, Baseline],
            _ => {
                &[High444, High422, High10, High, ProgressiveHigh, ConstrainedHigh, Main, ConstrainedBaseline, Baseline]
            }
        }
    }
}

/// The offer that fits a stream best: one of the stream's own profile, else the nearest. Among equals one whose level
/// suffices, then the one that the viewer named first. `None` only where nothing is offered.
pub fn nearest(wanted: ProfileLevelId, offered: &[ProfileLevelId]) -> Option<Match> {
    let class = wanted.class();
    let known = |p: &ProfileLevelId| p.class() == class && (class != Profile::Unknown || p.profile == wanted.profile);
    let distance = |p: &ProfileLevelId| match class.instead().iter().position(|c| *c == p.class()) {
        _ if known(p) => 0,
        Some(place) => place + 1,
        None => usize::MAX,
    };
    let (index, best) = offered.iter().enumerate().min_by_key(|(_, p)| (distance(p), p.level < wanted.level))?;
    Some(Match { index, exact: known(best) })
}

impl fmt::Display for ProfileLevelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}", self.profile, self.constraints, self.level)
    }
}

impl FromStr for ProfileLevelId {
    type Err = ProfileLevelIdError;

    fn from_str(hex: &str) -> Result<Self, ProfileLevelIdError> {
        let len = hex.chars().count();
        if len != 6 {
            return Err(ProfileLevelIdError::Length(len));
        }
        let mut value = 0;
        for c in hex.chars() {
            value = value << 4 | c.to_digit(16).ok_or(ProfileLevelIdError::Digit(c))?;
        }
        let [_, profile, constraints, level] = value.to_be_bytes();
        Ok(Self { profile, constraints, level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(hex: &str) -> ProfileLevelId {
        hex.parse().unwrap()
    }

    #[test]
    fn text_is_read_and_written() {
        assert_eq!(id("42E01f"), ProfileLevelId { profile: 0x42, constraints: 0xe0, level: 31 });
        assert_eq!(id("42E01f").to_string(), "42e01f");
        for (text, error) in [
            ("", ProfileLevelIdError::Length(0)),
            ("42e01", ProfileLevelIdError::Length(5)),
            ("42e01f0", ProfileLevelIdError::Length(7)),
            ("42e0+f", ProfileLevelIdError::Digit('+')),
            ("42e01é", ProfileLevelIdError::Digit('é')),
        ] {
            assert_eq!(text.parse::<ProfileLevelId>(), Err(error), "{text}");
        }
    }

    #[test]
    fn names_follow_table_5() {
        for (hex, name) in [
            ("42e01f", "Constrained Baseline"),
            ("42c028", "Constrained Baseline"),
            ("4d801f", "Constrained Baseline"),
            ("58c01f", "Constrained Baseline"),
            ("42001f", "Baseline"),
            ("428028", "Baseline"),
            ("58801f", "Baseline"),
            ("4d001f", "Main"),
            ("4d4028", "Main"),
            ("58001f", "Extended"),
            ("640028", "High"),
            ("640828", "Progressive High"),
            ("640c28", "Constrained High"),
            ("6e0028", "High 10"),
            ("6e1028", "High 10 Intra"),
            ("7a0028", "High 4:2:2"),
            ("7a1028", "High 4:2:2 Intra"),
            ("f4001f", "High 4:4:4 Predictive"),
            ("f4101f", "High 4:4:4 Intra"),
            ("2c101f", "CAVLC 4:4:4 Intra"),
            ("00001f", "unknown profile"),
        ] {
            assert_eq!(id(hex).profile_name(), name, "{hex}");
        }
    }

    #[test]
    fn the_nearest_offer_is_chosen() {
        let chromium = ["42001f", "42e01f", "4d001f", "f4001f"];
        for (wanted, offered, index, exact) in [
            ("42e01f", &chromium[..], 1, true),
            ("42c028", &chromium, 1, true),
            ("420028", &chromium, 0, true),
            ("4d4028", &chromium, 2, true),
            ("640028", &chromium, 2, false),
            ("640c28", &["42e01f", "640c1f", "64001f"], 1, true),
            ("640028", &["42e01f", "640c1f", "64001f"], 2, true),
            ("640028", &["42e01f", "4d001f", "640c1f"], 2, false),
            ("640028", &["42001f", "42e01f"], 1, false),
            ("640028", &["f4001f"], 0, false),
            ("640828", &["640c1f", "64001f"], 1, false),
            ("4d0028", &["42e01f", "64001f"], 1, false),
            ("42e01f", &["64001f", "42001f"], 1, false),
            ("42e01f", &["64001f"], 0, false),
            ("42e028", &["42e01f", "42e034", "42e034"], 1, true),
            ("42e028", &["42e01f", "42e00d"], 0, true),
            ("77001f", &["88001f", "42e01f", "77001f"], 2, true),
        ] {
            let offered: Vec<_> = offered.iter().map(|o| id(o)).collect();
            assert_eq!(nearest(id(wanted), &offered), Some(Match { index, exact }), "{wanted} {offered:?}");
        }
        assert_eq!(nearest(id("42e01f"), &[]), None);
    }
}
