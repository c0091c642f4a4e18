//! What a V4L2 device says about itself. Plain data: no I/O here.

use std::path::PathBuf;

use serde::Serialize;

use crate::media::units::Size;

/// One `/dev/video*` node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceInfo {
    /// The node.
    pub path: PathBuf,
    /// The kernel driver: `uvcvideo`, `vivid`.
    pub driver: String,
    /// The device's name.
    pub card: String,
    /// Where it is plugged in: `usb-0000:01:00.0-1.2`.
    pub bus: String,
    /// What the node is for.
    pub node: NodeKind,
    /// What it can give. Empty unless it captures.
    pub formats: Vec<FormatInfo>,
    /// What Lunette would do with it, or why nothing. For people.
    pub plan: String,
}

/// What a node is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// It gives pictures.
    Capture,
    /// Something else: metadata, output, a codec.
    Other(String),
    /// It could not be asked; the text says why, and what helps.
    Unreadable(String),
}

/// A pixel format of a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FormatInfo {
    /// Four characters: `H264`, `YUYV`.
    pub fourcc: String,
    /// The driver's words.
    pub description: String,
    /// Whether the driver calls it compressed.
    pub compressed: bool,
    /// The sizes, each with its rates. Empty when the driver does not list them; any may then be tried.
    pub sizes: Vec<SizeInfo>,
}

/// A size, or a range of sizes, with its rates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SizeInfo {
    /// The smallest.
    pub min: Dimensions,
    /// The largest; the same for a single size.
    pub max: Dimensions,
    /// From one size to the next; 1 or more.
    pub step: Dimensions,
    /// Pictures per second: single rates, the fastest first.
    pub rates: Vec<f64>,
    /// Whether every rate between the first and the last is possible.
    pub any_rate_between: bool,
}

/// Width and height, as a device has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Dimensions {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl From<Size> for Dimensions {
    fn from(size: Size) -> Self {
        Self { width: size.width, height: size.height }
    }
}

impl DeviceInfo {
    /// Name and node, for people: `/dev/video0 (uvcvideo “HD Webcam”)`.
    pub fn label(&self) -> String {
        if self.card.is_empty() || self.card == self.driver {
            format!("{} ({})", self.path.display(), self.driver)
        } else {
            format!("{} ({} “{}”)", self.path.display(), self.driver, self.card)
        }
    }

    /// Its formats, for people: `YUYV, MJPG`.
    pub fn fourccs(&self) -> String {
        let all: Vec<&str> = self.formats.iter().map(|format| format.fourcc.as_str()).collect();
        if all.is_empty() { "no format".to_owned() } else { all.join(", ") }
    }
}

impl SizeInfo {
    /// A single size.
    pub fn single(size: Size, rates: Vec<f64>) -> Self {
        Self { min: size.into(), max: size.into(), step: Size::new(1, 1).into(), rates, any_rate_between: false }
    }

    /// The nearest that it has.
    pub fn nearest(&self, wanted: Size) -> Size {
        let fit = |wanted: u32, min: u32, max: u32, step: u32| {
            let (max, step) = (max.max(min), step.max(1));
            min + (wanted.clamp(min, max) - min) / step * step
        };
        Size::new(
            fit(wanted.width, self.min.width, self.max.width, self.step.width),
            fit(wanted.height, self.min.height, self.max.height, self.step.height),
        )
    }

    /// The rate that is nearest to the wanted one, a faster one sooner than a slower one. `None` when it lists none.
    pub fn nearest_rate(&self, wanted: f64) -> Option<f64> {
        let (fastest, slowest) = (*self.rates.first()?, *self.rates.last()?);
        if self.any_rate_between && slowest <= fastest {
            return Some(wanted.clamp(slowest, fastest));
        }
        let enough = self.rates.iter().copied().filter(|rate| *rate >= wanted - 0.5);
        enough.min_by(f64::total_cmp).or(Some(fastest))
    }
}
