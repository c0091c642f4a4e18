//! Asks a V4L2 device what it is and what it gives.

use std::io;
use std::path::Path;

use super::abi::{self, Capability, FmtDesc, Fract, FrmIvalEnum, FrmSizeEnum, cap};
use super::coded::means;
use super::device::{ControlInfo, ControlKind, DeviceInfo, Dimensions, EncoderInfo, FormatInfo, MenuItem};
use super::device::{NodeKind, Planes, SizeInfo, SizeRange};
use super::lost::Lost;
use super::steer::Steering;
use super::sys::Node;
use crate::media::units::Size;

/// More than any device lists; a driver that never ends a list must not hang us.
const MOST: u32 = 256;

/// Drivers of image processors: they capture only what a program feeds them with.
const PROCESSORS: [&str; 2] = ["bcm2835-isp", "pispbe"];

/// Asks one device what it is.
///
/// # Errors
/// When it cannot be opened or asked.
pub fn inspect(path: &Path) -> Result<DeviceInfo, Lost> {
    let node = Node::open(path).map_err(|error| Lost::from_errno(path, "open", error))?;
    let mut caps = Capability::default();
    node.call(abi::QUERYCAP, &mut caps).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOTTY) => Lost::NotACamera { path: path.to_owned(), what: "not a video device".to_owned() },
        _ => Lost::from_errno(path, "VIDIOC_QUERYCAP", error),
    })?;
    let driver = text(&caps.driver);
    let mut kind = kind(&caps, &driver);
    let encoder = planes(&caps).and_then(|planes| encoder(&node, planes));
    if encoder.is_some() {
        kind = NodeKind::Encoder;
    }
    let formats = if matches!(kind, NodeKind::Capture | NodeKind::Pipeline(_)) { formats(&node) } else { Vec::new() };
    let coded = formats.iter().any(|format| format.fourcc == "H264");
    Ok(DeviceInfo {
        path: path.to_owned(),
        driver,
        card: text(&caps.card),
        bus: text(&caps.bus_info),
        node: kind,
        formats,
        encoder,
        steering: coded.then(|| Steering::by(means(&node, path))),
        plan: String::new(),
    })
}

/// Asks one device whether it is a hardware encoder.
pub fn inspect_encoder(path: &Path) -> Option<DeviceInfo> {
    let node = Node::open(path).ok()?;
    let mut caps = Capability::default();
    node.call(abi::QUERYCAP, &mut caps).ok()?;
    let encoder = encoder(&node, planes(&caps)?)?;
    let (driver, card, bus) = (text(&caps.driver), text(&caps.card), text(&caps.bus_info));
    let (path, node, formats, plan) = (path.to_owned(), NodeKind::Encoder, Vec::new(), String::new());
    Some(DeviceInfo { path, driver, card, bus, node, formats, encoder: Some(encoder), steering: None, plan })
}

/// The capabilities of the node, not those of the whole device.
fn flags(caps: &Capability) -> u32 {
    if caps.capabilities & cap::DEVICE_CAPS != 0 { caps.device_caps } else { caps.capabilities }
}

/// Whether it is a memory-to-memory device that streams, and how it names buffers.
fn planes(caps: &Capability) -> Option<Planes> {
    let has = |any: u32| flags(caps) & any != 0;
    // Some old drivers say it by both directions.
    let both = |one: u32, other: u32| has(one) && has(other);
    match () {
        () if !has(cap::STREAMING) => None,
        () if has(cap::VIDEO_M2M_MPLANE) || both(cap::VIDEO_CAPTURE_MPLANE, cap::VIDEO_OUTPUT_MPLANE) => {
            Some(Planes::Multi)
        }
        () if has(cap::VIDEO_M2M) || both(cap::VIDEO_CAPTURE, cap::VIDEO_OUTPUT) => Some(Planes::Single),
        () => None,
    }
}

/// What an encoder takes, if it gives H.264 and takes raw pictures. A decoder has it the other way round; a scaler takes
/// and gives raw pictures.
fn encoder(node: &Node, planes: Planes) -> Option<EncoderInfo> {
    let (output, capture) = match planes {
        Planes::Single => (abi::VIDEO_OUTPUT, abi::VIDEO_CAPTURE),
        Planes::Multi => (abi::VIDEO_OUTPUT_MPLANE, abi::VIDEO_CAPTURE_MPLANE),
    };
    let gives = descriptions(node, capture);
    let takes = descriptions(node, output).into_iter().filter(|desc| desc.flags & abi::FMT_COMPRESSED == 0);
    let takes: Vec<String> = takes.map(|desc| fourcc(desc.pixelformat)).collect();
    if takes.is_empty() || !gives.iter().any(|desc| desc.pixelformat == *b"H264") {
        return None;
    }
    let sizes = sizes(node, *b"H264");
    let range = sizes.iter().max_by_key(|size| u64::from(size.max.width) * u64::from(size.max.height));
    let range = range.map(|size| SizeRange { min: size.min, max: size.max, step: size.step });
    Some(EncoderInfo { planes, takes, sizes: range, controls: controls(node) })
}

/// All controls, without the names of their groups.
fn controls(node: &Node) -> Vec<ControlInfo> {
    let mut last = 0;
    let all = std::iter::from_fn(|| {
        let mut query = abi::QueryCtrl { id: last | abi::CTRL_NEXT, ..Default::default() };
        node.call(abi::QUERYCTRL, &mut query).ok()?;
        // A driver that gives the same one again would do so for ever.
        (query.id > last).then(|| last = query.id)?;
        Some(query)
    });
    let all: Vec<abi::QueryCtrl> = all.take(MOST as usize).filter(|query| query.kind != abi::ctrl::CLASS).collect();
    all.iter().map(|query| control(node, query)).collect()
}

fn control(node: &Node, query: &abi::QueryCtrl) -> ControlInfo {
    let kind = match query.kind {
        abi::ctrl::INTEGER => ControlKind::Integer,
        abi::ctrl::BOOLEAN => ControlKind::Boolean,
        abi::ctrl::MENU => ControlKind::Menu,
        abi::ctrl::BUTTON => ControlKind::Button,
        abi::ctrl::INTEGER64 => ControlKind::Integer64,
        abi::ctrl::STRING => ControlKind::String,
        abi::ctrl::BITMASK => ControlKind::Bitmask,
        abi::ctrl::INTEGER_MENU => ControlKind::IntegerMenu,
        _ => ControlKind::Other,
    };
    ControlInfo {
        id: query.id,
        name: text(&query.name),
        kind,
        min: query.minimum.into(),
        max: query.maximum.into(),
        step: query.step.into(),
        default: query.default_value.into(),
        flags: query.flags,
        menu: menu(node, query, kind),
    }
}

/// The items of a menu; those between that the driver leaves out are not there.
fn menu(node: &Node, query: &abi::QueryCtrl, kind: ControlKind) -> Vec<MenuItem> {
    if !matches!(kind, ControlKind::Menu | ControlKind::IntegerMenu) {
        return Vec::new();
    }
    let range = u32::try_from(query.minimum).unwrap_or(0)..=u32::try_from(query.maximum).unwrap_or(0).min(MOST);
    let item = |index| {
        let mut menu = abi::QueryMenu { id: query.id, index, ..Default::default() };
        node.call(abi::QUERYMENU, &mut menu).ok()?;
        let number = menu.name.first_chunk().map_or(0, |bytes| i64::from_ne_bytes(*bytes));
        let name = if kind == ControlKind::IntegerMenu { number.to_string() } else { text(&menu.name) };
        Some(MenuItem { index, name })
    };
    range.filter_map(item).collect()
}

fn kind(caps: &Capability, driver: &str) -> NodeKind {
    let has = |any: u32| flags(caps) & any != 0;
    let other = |what: &str| NodeKind::Other(what.to_owned());
    if has(cap::VIDEO_M2M | cap::VIDEO_M2M_MPLANE) {
        other("a codec or converter, not a camera")
    } else if PROCESSORS.contains(&driver) {
        other("an image processor, not a camera")
    } else if has(cap::VIDEO_CAPTURE) && has(cap::STREAMING) {
        if has(cap::IO_MC) {
            NodeKind::Pipeline("part of a media pipeline, which something else must set up (libcamera)".to_owned())
        } else {
            NodeKind::Capture
        }
    } else if has(cap::VIDEO_CAPTURE) {
        other("captures by read() only, which is not supported")
    } else if has(cap::VIDEO_CAPTURE_MPLANE) {
        other("captures in several planes, which is not supported")
    } else if has(cap::META_CAPTURE) {
        other("metadata, no pictures")
    } else if has(cap::VIDEO_OUTPUT | cap::VIDEO_OUTPUT_MPLANE) {
        other("shows pictures, gives none")
    } else {
        other("gives no pictures")
    }
}

fn formats(node: &Node) -> Vec<FormatInfo> {
    let format = |desc: FmtDesc| FormatInfo {
        fourcc: fourcc(desc.pixelformat),
        description: text(&desc.description),
        compressed: desc.flags & abi::FMT_COMPRESSED != 0,
        sizes: sizes(node, desc.pixelformat),
    };
    descriptions(node, abi::VIDEO_CAPTURE).into_iter().map(format).collect()
}

/// The formats of one of a node's two directions.
fn descriptions(node: &Node, kind: u32) -> Vec<FmtDesc> {
    list(|index| {
        let mut desc = FmtDesc { index, kind, ..Default::default() };
        node.call(abi::ENUM_FMT, &mut desc).map(|()| desc)
    })
}

fn sizes(node: &Node, pixel_format: [u8; 4]) -> Vec<SizeInfo> {
    let ranges = list(|index| {
        let mut range = FrmSizeEnum { index, pixel_format, ..Default::default() };
        node.call(abi::ENUM_FRAMESIZES, &mut range).map(|()| range)
    });
    let size = |range: FrmSizeEnum| {
        let [a, b, c, d, e, f] = range.values;
        let (min, max, step) = match range.kind {
            abi::DISCRETE => (Size::new(a, b), Size::new(a, b), Size::new(1, 1)),
            _ => (Size::new(a, d), Size::new(b, e), Size::new(c.max(1), f.max(1))),
        };
        let (rates, any_rate_between) = rates(node, pixel_format, max);
        let [min, max, step] = [min, max, step].map(Dimensions::from);
        SizeInfo { min, max, step, rates, any_rate_between }
    };
    ranges.into_iter().map(size).collect()
}

/// The rates of a size, the fastest first, and whether all between are possible.
fn rates(node: &Node, pixel_format: [u8; 4], size: Size) -> (Vec<f64>, bool) {
    let intervals = list(|index| {
        let (width, height) = (size.width, size.height);
        let mut interval = FrmIvalEnum { index, pixel_format, width, height, ..Default::default() };
        node.call(abi::ENUM_FRAMEINTERVALS, &mut interval).map(|()| interval)
    });
    let range = intervals.first().is_some_and(|interval| interval.kind != abi::DISCRETE);
    let count = if range { 2 } else { 1 };
    let fractions = intervals.iter().flat_map(|interval| &interval.intervals[..count]);
    let fps = |interval: &Fract| f64::from(interval.denominator) / f64::from(interval.numerator);
    let mut rates: Vec<f64> = fractions.map(fps).filter(|fps| fps.is_finite() && *fps > 0.0).collect();
    rates.sort_by(|a, b| b.total_cmp(a));
    rates.dedup();
    (rates, range)
}

/// Asks for one item after the other until the driver says that there are no more.
fn list<T>(ask: impl Fn(u32) -> io::Result<T>) -> Vec<T> {
    (0..MOST).map_while(|index| ask(index).ok()).collect()
}

/// A driver's text: up to the first zero, whatever its encoding.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// Four characters; big-endian variants have the highest bit set, which is shown as the kernel does.
fn fourcc(code: [u8; 4]) -> String {
    let plain = code.map(|byte| byte & 0x7f);
    let name = String::from_utf8_lossy(&plain).trim_end().to_owned();
    if code[3] & 0x80 != 0 { format!("{name}-BE") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drivers_say_is_taken_as_it_comes() {
        assert_eq!(text(b"HD Webcam\0\0junk"), "HD Webcam");
        assert_eq!(text(&[b'C', 0xc3]), "C\u{fffd}", "cut in the middle of a character");
        assert_eq!(text(&[0; 16]), "");
        assert_eq!(
            (fourcc(*b"H264"), fourcc(*b"Y16\xa0"), fourcc(*b"Y8  ")),
            ("H264".into(), "Y16-BE".into(), "Y8".into())
        );
    }

    #[test]
    fn nodes_are_told_apart_by_their_capabilities() {
        let say = |device_caps: u32, driver: &str| {
            let capabilities = cap::DEVICE_CAPS | cap::VIDEO_CAPTURE | cap::STREAMING;
            kind(&Capability { capabilities, device_caps, ..Default::default() }, driver)
        };
        let capture = cap::VIDEO_CAPTURE | cap::STREAMING;
        assert_eq!(say(capture, "uvcvideo"), NodeKind::Capture);
        assert!(matches!(say(capture | cap::IO_MC, "rkisp1"), NodeKind::Pipeline(_)));
        for (flags, driver, what) in [
            (cap::META_CAPTURE | cap::STREAMING, "uvcvideo", "metadata"),
            (cap::VIDEO_M2M_MPLANE | cap::STREAMING, "bcm2835-codec", "codec"),
            (cap::VIDEO_M2M | cap::STREAMING, "vicodec", "codec"),
            (capture, "bcm2835-isp", "image processor"),
            (cap::VIDEO_OUTPUT | cap::STREAMING, "vivid", "shows"),
            (cap::VIDEO_CAPTURE, "old", "read()"),
            (cap::VIDEO_CAPTURE_MPLANE | cap::STREAMING, "qcom-camss", "planes"),
            (0, "radio", "no pictures"),
        ] {
            assert!(matches!(say(flags, driver), NodeKind::Other(text) if text.contains(what)), "{what}");
        }
        let old = Capability { capabilities: capture, ..Default::default() };
        assert_eq!(kind(&old, "old"), NodeKind::Capture, "without device_caps");
    }
}

#[cfg(test)]
#[path = "inspect_traces.rs"]
mod traces;
