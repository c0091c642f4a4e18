//! Which camera, and how. Pure.

use std::fmt;
use std::path::{Path, PathBuf};

use super::device::{DeviceInfo, FormatInfo, NodeKind};
use super::lost::Lost;
use crate::config::{self, Video};
use crate::media::units::{FrameRate, Size};

/// A raw format that the software encoder can be fed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawFormat {
    /// Planar 4:2:0 with interleaved chroma.
    Nv12,
    /// Planar 4:2:0.
    Yu12,
    /// Packed 4:2:2.
    Yuyv,
    /// One JPEG a picture.
    Mjpg,
}

/// What is to be opened.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// The test card.
    TestCard,
    /// A GStreamer pipeline.
    Gst(config::Gst),
    /// A device that gives H.264.
    Coded(Target),
    /// A device that gives pixels.
    Raw(Target, RawFormat),
}

/// A device, and what is asked of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The node.
    pub path: PathBuf,
    /// Name and node, for people.
    pub label: String,
    /// The nearest size that it lists.
    pub size: Size,
    /// The nearest rate that it lists for this size; what was wanted when it lists none.
    pub rate: FrameRate,
}

/// A plan, with its reason in one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What to open.
    pub plan: Plan,
    /// Why, for the log.
    pub reason: String,
}

impl RawFormat {
    /// In order of preference, where size and rate are the same: the cheapest to convert first.
    pub const ALL: [Self; 4] = [Self::Yu12, Self::Nv12, Self::Yuyv, Self::Mjpg];

    /// V4L2's name.
    pub const fn fourcc(self) -> [u8; 4] {
        *match self {
            Self::Nv12 => b"NV12",
            Self::Yu12 => b"YU12",
            Self::Yuyv => b"YUYV",
            Self::Mjpg => b"MJPG",
        }
    }

    /// The format of this name. JPEG is what some drivers call MJPG.
    pub fn of(fourcc: &str) -> Option<Self> {
        match fourcc {
            "JPEG" => Some(Self::Mjpg),
            _ => Self::ALL.into_iter().find(|format| format.fourcc() == fourcc.as_bytes()),
        }
    }
}

impl fmt::Display for RawFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fourcc().escape_ascii().fmt(f)
    }
}

impl Plan {
    /// What is opened, for people.
    pub fn name(&self) -> String {
        match self {
            Self::TestCard => "the test card".to_owned(),
            Self::Gst(_) => "the GStreamer pipeline".to_owned(),
            Self::Coded(target) | Self::Raw(target, _) => target.path.display().to_string(),
        }
    }

    /// The device; neither the test card nor a pipeline has one.
    pub fn device(&self) -> Option<&Path> {
        match self {
            Self::TestCard | Self::Gst(_) => None,
            Self::Coded(target) | Self::Raw(target, _) => Some(&target.path),
        }
    }
}

/// A GStreamer pipeline, as configured.
pub fn pipeline(gst: &config::Gst) -> Choice {
    let what =
        gst.preset.map_or("a GStreamer pipeline".to_owned(), |preset| format!("GStreamer's {}", preset.as_str()));
    Choice { plan: Plan::Gst(gst.clone()), reason: format!("showing {what}, as configured") }
}

/// What `auto` takes: the first device that gives H.264, else the first that gives raw pictures, else the test card. Parts
/// of media pipelines are left alone.
pub fn choose(devices: &[DeviceInfo], wanted: &Video) -> Choice {
    let cameras = || devices.iter().filter(|device| device.node == NodeKind::Capture);
    let coded = cameras().find_map(|device| coded(device, wanted));
    let any = coded.or_else(|| cameras().find_map(|device| raw(device, wanted)));
    any.unwrap_or_else(|| {
        let nodes = devices.len();
        let why = match devices.iter().find_map(|device| match &device.node {
            NodeKind::Unreadable(why) => Some(why),
            _ => None,
        }) {
            Some(why) => why.clone(),
            None if nodes == 0 => "there is no /dev/video*".to_owned(),
            None if nodes == 1 => "the one V4L2 node gives nothing that can be used".to_owned(),
            None => format!("none of {nodes} V4L2 nodes gives anything that can be used"),
        };
        Choice { plan: Plan::TestCard, reason: format!("{why}; showing the test card") }
    })
}

/// How a device that the user named is used: passed through when it gives H.264, else encoded.
///
/// # Errors
/// When it gives nothing that can be used.
pub fn choose_for(device: &DeviceInfo, wanted: &Video) -> Result<Choice, Lost> {
    coded(device, wanted).or_else(|| raw(device, wanted)).ok_or_else(|| match &device.node {
        NodeKind::Capture | NodeKind::Pipeline(_) => Lost::Format { path: device.path.clone(), has: device.fourccs() },
        NodeKind::Encoder => {
            Lost::NotACamera { path: device.path.clone(), what: "an H.264 encoder, not a camera".to_owned() }
        }
        NodeKind::Other(what) => Lost::NotACamera { path: device.path.clone(), what: what.clone() },
        NodeKind::Unreadable(why) => Lost::NotACamera { path: device.path.clone(), what: why.clone() },
    })
}

fn coded(device: &DeviceInfo, wanted: &Video) -> Option<Choice> {
    let format = formats(device).find(|format| format.fourcc == "H264")?;
    let (size, rate) = nearest(format, wanted);
    let target = Target { path: device.path.clone(), label: device.label(), size, rate };
    let reason = format!("{} gives H.264 {size} at {rate}; passed through", target.label);
    Some(Choice { plan: Plan::Coded(target), reason })
}

/// The format whose size is nearest; of these the one whose rate is enough, or highest; of these the cheapest.
fn raw(device: &DeviceInfo, wanted: &Video) -> Option<Choice> {
    if !cfg!(feature = "openh264") {
        return None;
    }
    let rank = |raw: RawFormat| RawFormat::ALL.iter().position(|known| *known == raw);
    let usable = formats(device).filter_map(|format| Some((RawFormat::of(&format.fourcc)?, nearest(format, wanted))));
    let (raw, (size, rate)) = usable.min_by_key(|(raw, (size, rate))| {
        let missing = (wanted.fps.fps() - rate.fps() - 0.5).max(0.0);
        (distance(*size, wanted.size), (missing * 100.0) as u64, rank(*raw))
    })?;
    let target = Target { path: device.path.clone(), label: device.label(), size, rate };
    let reason = format!("{} gives {raw} {size} at {rate}; encoded by openh264", target.label);
    Some(Choice { plan: Plan::Raw(target, raw), reason })
}

fn formats(device: &DeviceInfo) -> impl Iterator<Item = &FormatInfo> {
    device.formats.iter().filter(|_| matches!(device.node, NodeKind::Capture | NodeKind::Pipeline(_)))
}

fn nearest(format: &FormatInfo, wanted: &Video) -> (Size, FrameRate) {
    let best = format.sizes.iter().min_by_key(|sizes| distance(sizes.nearest(wanted.size), wanted.size));
    let rate = best.and_then(|sizes| sizes.nearest_rate(wanted.fps.fps())).and_then(FrameRate::new);
    (best.map_or(wanted.size, |sizes| sizes.nearest(wanted.size)), rate.unwrap_or(wanted.fps))
}

/// How far a size is from another: the pixels that lie in one of them only.
fn distance(a: Size, b: Size) -> u64 {
    let common = Size::new(a.width.min(b.width), a.height.min(b.height));
    a.pixels() + b.pixels() - 2 * common.pixels()
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
