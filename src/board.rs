//! Which board this is, and what is known of it.
//!
//! A board is a file in `board/`, found by the strings that its device tree calls itself (Linux,
//! Documentation/devicetree/usage-model.rst, "compatible"). Its defaults lie under everything that the user says.
//! docs/boards.md has the same for people, and how to add one.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::config::{Config, Defaults};
use crate::media::units::Bitrate;

// `FILES`: name and content of each file in `board/`.
include!(concat!(env!("OUT_DIR"), "/boards.rs"));

/// A device tree's root names a handful of strings.
const MOST: u64 = 4096;

/// A board, as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// For people.
    pub name: String,
    /// What the device tree's root may call itself. Empty: what is taken when nothing else fits.
    pub compatible: Vec<String>,
    /// The drivers that encode H.264 on it. Empty: openh264 does.
    pub hardware_encoder: Vec<String>,
    /// Below this the hardware encoder has been seen to fail.
    #[serde(default)]
    pub bitrate_floor: Option<Bitrate>,
    /// On what Lunette was run.
    pub tested_on: TestedOn,
    /// Traps, for people.
    pub notes: Vec<String>,
    /// Where all this is from.
    pub sources: Vec<String>,
    /// A config that lies under the user's.
    #[serde(default)]
    pub defaults: toml::Table,
}

/// On what Lunette was run for a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TestedOn {
    /// Nothing: what is said of it comes from sources alone.
    #[serde(rename = "nothing")]
    Nothing,
    /// An emulated processor.
    #[serde(rename = "emulation")]
    Emulation,
    /// A virtual machine with the kernel's virtual devices.
    #[serde(rename = "VM")]
    Vm,
    /// The board itself.
    #[serde(rename = "board")]
    Board,
}

impl TestedOn {
    /// As in the files and in docs/boards.md.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Emulation => "emulation",
            Self::Vm => "VM",
            Self::Board => "board",
        }
    }
}

impl Board {
    /// Reads a file of `board/`.
    ///
    /// # Errors
    /// When it is not as [`Board`] wants it.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The layer under the user's config.
    pub fn defaults(&self) -> Defaults {
        Defaults { name: format!("board defaults ({})", self.name), text: self.defaults.to_string() }
    }

    /// What is legal, but bad on this board; a line each.
    pub fn warnings(&self, config: &Config) -> Vec<String> {
        let Some(floor) = self.bitrate_floor else { return Vec::new() };
        let (name, bitrates) = (&self.name, config.video.bitrates());
        let low = Some(("[video.low]", bitrates.low)).filter(|_| config.video.low.enabled);
        let streams = [("[video]", bitrates.main)].into_iter().chain(low);
        let warning = |(table, bitrate)| {
            format!("{table} bitrate of {bitrate}: the encoder of a {name} has been seen to fail below {floor}")
        };
        streams.filter(|(_, bitrate)| *bitrate < floor).map(warning).collect()
    }
}

/// Name and content of each file in `board/`, in the order of their names.
pub fn files() -> &'static [(&'static str, &'static str)] {
    FILES
}

/// The board that this process runs on.
pub fn this() -> &'static Board {
    static THIS: LazyLock<Board> = LazyLock::new(|| find(&compatible(Path::new("/"))));
    &THIS
}

/// The board that calls itself so. Device trees put the most specific first, and so it wins.
pub fn find(compatible: &[String]) -> Board {
    // A test reads each, so that none is left out here.
    let boards = || FILES.iter().filter_map(|(_, text)| Board::parse(text).ok());
    let named = |name: &String| boards().find(|board| board.compatible.contains(name));
    let found = compatible.iter().find_map(named).or_else(|| boards().find(|board| board.compatible.is_empty()));
    found.unwrap_or_else(|| Board {
        name: "any other machine".to_owned(),
        compatible: Vec::new(),
        hardware_encoder: Vec::new(),
        bitrate_floor: None,
        tested_on: TestedOn::Nothing,
        notes: Vec::new(),
        sources: Vec::new(),
        defaults: toml::Table::new(),
    })
}

/// What the device tree calls the machine whose files are below `root`; nothing where there is none, as on a PC.
pub fn compatible(root: &Path) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = File::open(root.join("proc/device-tree/compatible")).and_then(|f| f.take(MOST).read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    // Each ends with a zero.
    bytes.split(|&b| b == 0).filter(|s| !s.is_empty()).map(|s| String::from_utf8_lossy(s).into_owned()).collect()
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
