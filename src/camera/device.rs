//! What a V4L2 device says about itself. Plain data: no I/O here.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::steer::Steering;
use crate::media::units::Size;

/// One `/dev/video*` node.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
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
    #[serde(default)]
    pub formats: Vec<FormatInfo>,
    /// What it encodes, and how it can be steered. Only of a [`NodeKind::Encoder`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderInfo>,
    /// How it is steered, where it gives H.264 itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steering: Option<Steering>,
    /// What Lunette would do with it, or why nothing. For people.
    #[serde(default)]
    pub plan: String,
}

/// What a node is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// It gives pictures.
    Capture,
    /// It would, if something else set up the media pipeline around it.
    Pipeline(String),
    /// It makes H.264 of raw pictures: a stateful memory-to-memory encoder.
    Encoder,
    /// Something else: metadata, output, another codec.
    Other(String),
    /// It could not be asked; the text says why, and what helps.
    Unreadable(String),
}

/// A stateful memory-to-memory encoder that gives H.264.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct EncoderInfo {
    /// Which of V4L2's two ways of naming buffers it goes.
    pub planes: Planes,
    /// The raw formats that it takes, in the driver's order: `YU12`, `NV12`.
    pub takes: Vec<String>,
    /// The smallest picture, the largest, and the step between. `None` when the driver does not say.
    #[serde(default)]
    pub sizes: Option<SizeRange>,
    /// Its controls, in the driver's order.
    #[serde(default)]
    pub controls: Vec<ControlInfo>,
}

/// V4L2's two ways of naming buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Planes {
    /// `V4L2_CAP_VIDEO_M2M`
    Single,
    /// `V4L2_CAP_VIDEO_M2M_MPLANE`
    Multi,
}

/// The sizes that an encoder takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct SizeRange {
    /// The smallest.
    pub min: Dimensions,
    /// The largest.
    pub max: Dimensions,
    /// From one size to the next; 1 or more.
    pub step: Dimensions,
}

/// A control, as the driver describes it (VIDIOC_QUERYCTRL).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ControlInfo {
    /// `V4L2_CID_…`
    pub id: u32,
    /// The driver's words.
    pub name: String,
    /// What its value is.
    pub kind: ControlKind,
    /// The smallest value.
    #[serde(default)]
    pub min: i64,
    /// The largest.
    #[serde(default)]
    pub max: i64,
    /// From one value to the next.
    #[serde(default)]
    pub step: i64,
    /// What it is unless it was set.
    #[serde(default)]
    pub default: i64,
    /// `V4L2_CTRL_FLAG_…`
    #[serde(default)]
    pub flags: u32,
    /// The values that a menu has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub menu: Vec<MenuItem>,
}

/// What the value of a control is (`enum v4l2_ctrl_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the kernel's")]
pub enum ControlKind {
    Integer,
    Boolean,
    Menu,
    Button,
    Integer64,
    String,
    Bitmask,
    IntegerMenu,
    Other,
}

/// One value of a menu.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct MenuItem {
    /// The value.
    pub index: u32,
    /// The driver's words for it; a number in a menu of integers.
    pub name: String,
}

/// A pixel format of a device.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
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

impl EncoderInfo {
    /// A control that can be set.
    pub fn control(&self, id: u32) -> Option<&ControlInfo> {
        self.controls.iter().find(|control| control.id == id && control.is_usable())
    }
}

impl ControlInfo {
    /// Whether it can be set: not disabled, read-only or inactive.
    pub fn is_usable(&self) -> bool {
        self.flags & (0x1 | 0x4 | 0x10) == 0
    }

    /// The nearest value that it takes. `None`: a menu without this item.
    pub fn nearest(&self, value: i64) -> Option<i64> {
        match self.kind {
            ControlKind::Menu | ControlKind::IntegerMenu => {
                self.menu.iter().map(|item| i64::from(item.index)).find(|index| *index == value)
            }
            _ => {
                let (min, step) = (self.min, self.step.max(1));
                let clamped = value.clamp(min, self.max.max(min));
                Some(min + clamped.saturating_sub(min) / step * step)
            }
        }
    }
}

impl SizeRange {
    /// Whether it holds a size.
    pub fn holds(&self, size: Size) -> bool {
        let fits = |value: u32, min: u32, max: u32, step: u32| {
            (min..=max).contains(&value) && (value - min).is_multiple_of(step.max(1))
        };
        fits(size.width, self.min.width, self.max.width, self.step.width)
            && fits(size.height, self.min.height, self.max.height, self.step.height)
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
