//! Which camera, and how. Pure.

use std::fmt;
use std::path::{Path, PathBuf};

use super::device::{DeviceInfo, EncoderInfo, FormatInfo, NodeKind, SizeRange};
use super::lost::Lost;
use crate::config::{self, Encoder, Video};
use crate::media::units::{FrameRate, Size};

/// A raw format that an encoder can be fed with, as it is or converted.
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
    /// A device that gives pixels, and what encodes them.
    Raw(Target, RawFormat, Maker),
}

/// What makes H.264 of pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Maker {
    /// OpenH264.
    Software,
    /// A hardware encoder.
    Hardware(Box<Codec>),
}

/// A hardware encoder, and how it is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Codec {
    /// The node.
    pub path: PathBuf,
    /// Name and node, for people.
    pub label: String,
    /// Its name, for people.
    pub name: String,
    /// What it takes, and its controls.
    pub info: EncoderInfo,
    /// What it is fed with: the camera's format, or one that this is converted to.
    pub format: RawFormat,
    /// Whether software may take its place when it keeps failing.
    pub replaceable: bool,
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
            Self::Coded(target) | Self::Raw(target, ..) => target.path.display().to_string(),
        }
    }

    /// The device; neither the test card nor a pipeline has one.
    pub fn device(&self) -> Option<&Path> {
        match self {
            Self::TestCard | Self::Gst(_) => None,
            Self::Coded(target) | Self::Raw(target, ..) => Some(&target.path),
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
    let any = coded.or_else(|| cameras().find_map(|device| raw(device, devices, wanted).ok()));
    any.unwrap_or_else(|| {
        let nodes = devices.len();
        let no_encoder = |device| raw(device, devices, wanted).err().filter(|e| matches!(e, Lost::NoEncoder { .. }));
        if let Some(lost) = cameras().find_map(no_encoder) {
            return Choice { plan: Plan::TestCard, reason: format!("{lost}; showing the test card") };
        }
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

/// How a device that the user named is used: passed through when it gives H.264, else encoded. Encoders are found among
/// `others`.
///
/// # Errors
/// When it gives nothing that can be used, or nothing that can be encoded as the user wants it.
pub fn choose_for(device: &DeviceInfo, others: &[DeviceInfo], wanted: &Video) -> Result<Choice, Lost> {
    match &device.node {
        NodeKind::Capture | NodeKind::Pipeline(_) => {}
        NodeKind::Encoder => {
            let what = "an H.264 encoder, not a camera".to_owned();
            return Err(Lost::NotACamera { path: device.path.clone(), what });
        }
        NodeKind::Other(what) | NodeKind::Unreadable(what) => {
            return Err(Lost::NotACamera { path: device.path.clone(), what: what.clone() });
        }
    }
    coded(device, wanted).map_or_else(|| raw(device, others, wanted), Ok)
}

fn coded(device: &DeviceInfo, wanted: &Video) -> Option<Choice> {
    let format = formats(device).find(|format| format.fourcc == "H264")?;
    let (size, rate) = nearest(format, wanted);
    let target = Target { path: device.path.clone(), label: device.label(), size, rate };
    let reason = format!("{} gives H.264 {size} at {rate}; passed through", target.label);
    Some(Choice { plan: Plan::Coded(target), reason })
}

/// A format of a camera, with the size and the rate that are nearest to what is wanted.
#[derive(Clone, Copy, Debug)]
struct Mode {
    format: RawFormat,
    size: Size,
    rate: FrameRate,
}

/// Pixels through a hardware encoder where there is one that fits, else through the software encoder.
fn raw(device: &DeviceInfo, others: &[DeviceInfo], wanted: &Video) -> Result<Choice, Lost> {
    let unusable = || Lost::Format { path: device.path.clone(), has: device.fourccs() };
    let mut unfit = Vec::new();
    if wanted.encoder != Encoder::Software {
        for other in others {
            let Some(info) = &other.encoder else { continue };
            match through(device, info, wanted) {
                Ok((mode, format)) => {
                    let codec = codec(other, info, format, wanted);
                    let how = limits(info, mode.size, wanted.size).unwrap_or_default();
                    let by = format!("encoded by {}{how}", codec.label);
                    return Ok(choice(device, mode, Maker::Hardware(Box::new(codec)), &by));
                }
                Err(why) => unfit.push(format!("{} {why}", other.label())),
            }
        }
    }
    let unfit = unfit.join("; ");
    if wanted.encoder == Encoder::Hardware {
        let why = if unfit.is_empty() { "there is no hardware encoder".to_owned() } else { unfit };
        return Err(Lost::NoEncoder { path: device.path.clone(), why });
    }
    if !cfg!(feature = "openh264") {
        return Err(unusable());
    }
    let mode = best(modes(device, wanted, wanted.size), wanted, |_| true).ok_or_else(unusable)?;
    let by = match unfit.as_str() {
        "" => "encoded by openh264".to_owned(),
        unfit => format!("encoded by openh264, since {unfit}"),
    };
    Ok(choice(device, mode, Maker::Software, &by))
}

fn codec(device: &DeviceInfo, info: &EncoderInfo, format: RawFormat, wanted: &Video) -> Codec {
    Codec {
        path: device.path.clone(),
        label: device.label(),
        name: if device.card.is_empty() { device.driver.clone() } else { device.card.clone() },
        info: info.clone(),
        format,
        replaceable: wanted.encoder == Encoder::Auto && cfg!(feature = "openh264"),
    }
}

/// The hardware encoder for a pipeline's pixels, which have this size; `None`: software.
///
/// # Errors
/// When the user wants hardware, and there is none that takes them.
pub fn codec_for(size: Size, encoders: &[DeviceInfo], wanted: &Video) -> Result<Option<Codec>, Lost> {
    if wanted.encoder == Encoder::Software {
        return Ok(None);
    }
    let mut unfit = Vec::new();
    for device in encoders {
        let Some(info) = &device.encoder else { continue };
        match (converted(info), info.sizes) {
            (Ok(_), Some(sizes)) if !sizes.holds(size) => unfit.push(format!("{} {}", device.label(), takes(info))),
            (Ok(format), _) => return Ok(Some(codec(device, info, format, wanted))),
            (Err(why), _) => unfit.push(format!("{} {why}", device.label())),
        }
    }
    if wanted.encoder == Encoder::Auto {
        return Ok(None);
    }
    let why = if unfit.is_empty() { "there is no hardware encoder".to_owned() } else { unfit.join("; ") };
    Err(Lost::NoEncoder { path: format!("{size} of the GStreamer pipeline").into(), why })
}

fn choice(device: &DeviceInfo, mode: Mode, maker: Maker, by: &str) -> Choice {
    let Mode { format, size, rate } = mode;
    let target = Target { path: device.path.clone(), label: device.label(), size, rate };
    let reason = format!("{} gives {format} {size} at {rate}; {by}", target.label);
    Choice { plan: Plan::Raw(target, format, maker), reason }
}

/// What a camera gives that an encoder takes, and the format that the encoder is fed with.
fn through(device: &DeviceInfo, info: &EncoderInfo, wanted: &Video) -> Result<(Mode, RawFormat), String> {
    let converted = converted(info)?;
    let taken = |format: RawFormat| is_taken(info, format);
    let largest = |size: Size| {
        info.sizes.map_or(size, |sizes| Size::new(size.width.min(sizes.max.width), size.height.min(sizes.max.height)))
    };
    let fits = |mode: &Mode| info.sizes.is_none_or(|sizes| sizes.holds(mode.size));
    let usable = |mode: &Mode| mode.format != RawFormat::Mjpg || cfg!(feature = "openh264");
    let modes = modes(device, wanted, largest(wanted.size)).into_iter().filter(|mode| fits(mode) && usable(mode));
    let mode = best(modes.collect(), wanted, taken).ok_or_else(|| takes(info))?;
    Ok((mode, if taken(mode.format) { mode.format } else { converted }))
}

/// What pictures are converted to for an encoder.
fn converted(info: &EncoderInfo) -> Result<RawFormat, String> {
    let usable = |format: &RawFormat| is_taken(info, *format) && *format != RawFormat::Mjpg;
    RawFormat::ALL.into_iter().find(usable).ok_or_else(|| format!("takes {}", info.takes.join(", ")))
}

fn is_taken(info: &EncoderInfo, format: RawFormat) -> bool {
    info.takes.iter().any(|taken| taken.as_bytes() == format.fourcc())
}

/// What does not fit: sizes, where they are known.
fn takes(info: &EncoderInfo) -> String {
    match info.sizes {
        Some(SizeRange { min, max, .. }) => {
            format!("takes {}×{} to {}×{}", min.width, min.height, max.width, max.height)
        }
        None => format!("takes {}", info.takes.join(", ")),
    }
}

/// What to say when an encoder's limit made the picture smaller.
fn limits(info: &EncoderInfo, size: Size, wanted: Size) -> Option<String> {
    let max = info.sizes?.max;
    let limited = wanted.width > max.width || wanted.height > max.height;
    (limited && size != wanted).then(|| format!(", which takes up to {}×{}", max.width, max.height))
}

/// Each size of each format that is nearest to what is wanted, of those that are listed.
fn modes(device: &DeviceInfo, wanted: &Video, aim: Size) -> Vec<Mode> {
    let mut modes = Vec::new();
    for format in formats(device) {
        let Some(raw) = RawFormat::of(&format.fourcc) else { continue };
        if format.sizes.is_empty() {
            modes.push(Mode { format: raw, size: aim, rate: wanted.fps });
        }
        for sizes in &format.sizes {
            let rate = sizes.nearest_rate(wanted.fps.fps()).and_then(FrameRate::new).unwrap_or(wanted.fps);
            modes.push(Mode { format: raw, size: sizes.nearest(aim), rate });
        }
    }
    modes
}

/// The mode whose size is nearest; of these the one whose rate is enough, or highest; of these one that needs no conversion,
/// then the one that is the cheapest to convert.
fn best(modes: Vec<Mode>, wanted: &Video, direct: impl Fn(RawFormat) -> bool) -> Option<Mode> {
    let rank = |raw: RawFormat| RawFormat::ALL.iter().position(|known| *known == raw);
    modes.into_iter().min_by_key(|mode| {
        let missing = (wanted.fps.fps() - mode.rate.fps() - 0.5).max(0.0);
        let cost = (!direct(mode.format), rank(mode.format));
        (distance(mode.size, wanted.size), (missing * 100.0) as u64, cost)
    })
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
