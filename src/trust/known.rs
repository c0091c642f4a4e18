//! A viewer that a camera knows.

use serde::{Deserialize, Serialize};

use super::clock::UnixSeconds;
use super::envelope::Reason;
use super::id::ViewerId;
use super::key::Point;
use super::role::Role;
use super::roll::How;

/// Characters in what a viewer is called.
pub const LABEL: usize = 64;

/// A viewer that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// What verifies its requests.
    pub key: Point,
    /// What it is called: at most [`LABEL`] characters, none of them for control.
    pub label: String,
    /// What it may do.
    pub role: Role,
    /// When it was paired, if the time was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<UnixSeconds>,
    /// When it was heard last, if the time was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<UnixSeconds>,
    /// When its access ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixSeconds>,
    /// Who invited it; nobody did when it came by a secret of the camera's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ViewerId>,
}

impl Known {
    /// Its id.
    pub fn id(&self) -> ViewerId {
        ViewerId::of_key(self.key.bytes())
    }

    /// How it came in.
    pub fn how(&self) -> How {
        self.by.map_or(How::Window, How::Grant)
    }

    /// Whether it has access now.
    ///
    /// # Errors
    /// `expired`; `clock` when its access has an end and the time is not known.
    pub fn judge(&self, wall: Option<UnixSeconds>) -> Result<(), Reason> {
        match (self.until, wall) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Reason::Clock),
            (Some(until), Some(now)) if now >= until => Err(Reason::Expired),
            (Some(_), Some(_)) => Ok(()),
        }
    }
}

/// Whether a label is one that [`clean`] leaves as it is.
pub fn is_clean(label: &str) -> bool {
    clean(label) == label
}

/// A label that can be printed anywhere: no control characters, none that turn the direction of the text, not too long.
pub fn clean(label: &str) -> String {
    let turns = |c| matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let kept: String = label.trim().chars().filter(|c| !c.is_control() && !turns(*c)).take(LABEL).collect();
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_short_line() {
        assert_eq!(clean(" Anna's\n\u{202e} phone\u{7}\t"), "Anna's phone");
        assert_eq!(clean("Küche – 台所"), "Küche – 台所");
        assert_eq!(clean(&"ä".repeat(1000)).chars().count(), LABEL);
        assert!(is_clean("Küche") && !is_clean("Küche\u{1b}[2J") && !is_clean("\u{61c}x"));
        assert_eq!(clean("\u{2066}\u{feff} "), "");
    }
}
