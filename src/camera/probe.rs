//! Which video devices there are, for `auto` and for `lunette probe`.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::choose::{Maker, Plan, RawFormat, choose, choose_for};
use super::device::{DeviceInfo, FormatInfo, NodeKind, SizeInfo};
use super::v4l2;
use crate::config::Video;

/// The video nodes in `/dev` at one moment. Another device, another owner or another permission makes it differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes(Vec<(PathBuf, u64, i64, i64)>);

/// Looks at `/dev`; opens nothing.
pub fn nodes() -> Nodes {
    let mut nodes = Vec::new();
    for entry in fs::read_dir("/dev").into_iter().flatten().flatten() {
        if number(&entry.path()).is_some()
            && let Ok(meta) = entry.metadata()
        {
            nodes.push((entry.path(), meta.ino(), meta.ctime(), meta.ctime_nsec()));
        }
    }
    nodes.sort_by_key(|(path, ..)| number(path));
    Nodes(nodes)
}

/// 4 for `/dev/video4`.
fn number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()
}

/// All video nodes, by number, each with what Lunette would do with it by default. A node that may not be opened is
/// there too, with what helps.
pub fn list() -> Vec<DeviceInfo> {
    let mut devices: Vec<DeviceInfo> = nodes().0.into_iter().map(|(path, ..)| ask(&path)).collect();
    explain(&mut devices, &Video::default());
    devices
}

/// The hardware encoders among the video nodes, by number. Cheaper than [`list`].
pub fn encoders() -> Vec<DeviceInfo> {
    nodes().0.into_iter().filter_map(|(path, ..)| v4l2::inspect_encoder(&path)).collect()
}

fn ask(path: &Path) -> DeviceInfo {
    v4l2::inspect(path).unwrap_or_else(|lost| DeviceInfo {
        path: path.to_owned(),
        driver: String::new(),
        card: String::new(),
        bus: String::new(),
        node: NodeKind::Unreadable(lost.to_string()),
        formats: Vec::new(),
        encoder: None,
        steering: None,
        plan: String::new(),
    })
}

/// Fills in the plans.
fn explain(devices: &mut [DeviceInfo], wanted: &Video) {
    let chosen = choose(devices, wanted).plan;
    let others = devices.to_vec();
    for device in devices {
        let plan = choose_for(device, &others, wanted).map(|choice| choice.plan);
        let words = match &plan {
            Ok(Plan::Coded(_)) => "H.264, passed through".to_owned(),
            Ok(Plan::Raw(_, format, Maker::Software)) => format!("{format}, encoded by openh264"),
            Ok(Plan::Raw(_, format, Maker::Hardware(codec))) => format!("{format}, encoded by {}", codec.label),
            Ok(Plan::TestCard | Plan::Gst(_)) => String::new(),
            Err(lost) => lost.to_string(),
        };
        // The node's name stands above already.
        let path = device.path.display().to_string();
        let bare = |text: &str| text.strip_prefix(&path).unwrap_or(text).trim_start_matches([':', ' ']).to_owned();
        let words = bare(&words);
        device.plan = match &device.node {
            NodeKind::Other(what) => format!("not used: {what}"),
            NodeKind::Unreadable(why) => format!("not used: {}", bare(why)),
            NodeKind::Pipeline(what) => format!("only when configured ({words}): {what}"),
            NodeKind::Encoder => "encodes in hardware".to_owned(),
            NodeKind::Capture if plan.is_err() => format!("not used: it {words}"),
            NodeKind::Capture if chosen.device() == Some(&device.path) => format!("chosen by `auto`: {words}"),
            NodeKind::Capture => format!("when configured: {words}"),
        };
    }
}

/// The same for people.
pub fn probe_table(devices: &[DeviceInfo]) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    for device in devices {
        let label = if device.driver.is_empty() { device.path.display().to_string() } else { device.label() };
        let _ = writeln!(out, "{label}");
        if !device.bus.is_empty() {
            let _ = writeln!(out, "  at      {}", device.bus);
        }
        let (usable, others): (Vec<_>, Vec<_>) = device.formats.iter().partition(|format| is_usable(format));
        for (n, format) in usable.iter().enumerate() {
            let _ = writeln!(out, "  {}{}", if n == 0 { "gives   " } else { "        " }, describe(format));
        }
        if !others.is_empty() {
            let names: Vec<&str> = others.iter().map(|format| format.fourcc.as_str()).collect();
            let _ = writeln!(out, "  unused  {}", shorten(&names, ", "));
        }
        if let Some(steering) = device.steering {
            let _ = writeln!(out, "  control {steering}");
        }
        let _ = writeln!(out, "  plan    {}\n", device.plan);
    }
    if devices.is_empty() {
        out.push_str("There is no /dev/video*. Is a camera plugged in? `auto` shows the test card.\n");
        out.push_str("A CSI camera on Raspberry Pi OS is not a V4L2 camera; it needs libcamera.\n");
    }
    out
}

fn is_usable(format: &FormatInfo) -> bool {
    format.fourcc == "H264" || RawFormat::of(&format.fourcc).is_some()
}

/// `YUYV  640×480 at 30, 15 fps; 1280×720 at 10 fps`.
fn describe(format: &FormatInfo) -> String {
    let sizes: Vec<String> = format.sizes.iter().map(describe_size).collect();
    let sizes: Vec<&str> = sizes.iter().map(String::as_str).collect();
    format!("{:<5} {}", format.fourcc, shorten(&sizes, "; ")).trim_end().to_owned()
}

fn describe_size(size: &SizeInfo) -> String {
    let (min, max) = (size.min, size.max);
    let mut text = format!("{}×{}", min.width, min.height);
    if min != max {
        let _ = write!(text, " to {}×{}", max.width, max.height);
    }
    let rates: Vec<String> = size.rates.iter().map(|rate| format!("{}", (rate * 100.0).round() / 100.0)).collect();
    let _ = match rates.as_slice() {
        [] => Ok(()),
        [first, .., last] if size.any_rate_between || rates.len() > 3 => write!(text, " at {first} to {last} fps"),
        _ => write!(text, " at {} fps", rates.join(", ")),
    };
    text
}

/// The first eight, and how many more there are.
fn shorten(items: &[&str], between: &str) -> String {
    const SHOWN: usize = 8;
    let shown = items[..items.len().min(SHOWN)].join(between);
    match items.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}{between}and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::steer::{Means, Steering};
    use crate::media::units::Size;

    fn device(number: u32, node: NodeKind, formats: &[(&str, &[SizeInfo])]) -> DeviceInfo {
        let format = |(fourcc, sizes): &(&str, &[SizeInfo])| FormatInfo {
            fourcc: (*fourcc).to_owned(),
            description: String::new(),
            compressed: false,
            sizes: sizes.to_vec(),
        };
        DeviceInfo {
            path: format!("/dev/video{number}").into(),
            driver: "uvcvideo".into(),
            card: "HD Webcam".into(),
            bus: "usb-0000:01:00.0-1.2".into(),
            node,
            formats: formats.iter().map(format).collect(),
            encoder: None,
            steering: None,
            plan: String::new(),
        }
    }

    fn examples() -> Vec<DeviceInfo> {
        let (vga, hd) = (Size::new(640, 480), Size::new(1280, 720));
        let single = |size, rates: &[f64]| SizeInfo::single(size, rates.to_vec());
        let range = SizeInfo {
            min: vga.into(),
            max: hd.into(),
            step: Size::new(2, 2).into(),
            rates: vec![59.94, 1.0],
            any_rate_between: true,
        };
        let denied = "/dev/video9: permission denied; add Lunette's user to the group `video`".to_owned();
        let unreadable = DeviceInfo { driver: String::new(), bus: String::new(), ..device(9, NodeKind::Capture, &[]) };
        vec![
            device(
                0,
                NodeKind::Capture,
                &[("YUYV", &[single(vga, &[30.0, 15.0]), single(hd, &[10.0])]), ("MJPG", &[single(hd, &[30.0])])],
            ),
            device(1, NodeKind::Other("metadata, no pictures".into()), &[]),
            DeviceInfo {
                steering: Some(Steering::by(Means::default())),
                ..device(2, NodeKind::Capture, &[("H264", &[range])])
            },
            device(3, NodeKind::Capture, &[("RG10", &[])]),
            device(4, NodeKind::Pipeline("part of a media pipeline".into()), &[("NV12", &[])]),
            DeviceInfo { node: NodeKind::Unreadable(denied), ..unreadable },
        ]
    }

    #[test]
    fn the_table_is_what_people_read() {
        let mut devices = examples();
        explain(&mut devices, &Video::default());
        assert_eq!(
            probe_table(&devices),
            "\
/dev/video0 (uvcvideo “HD Webcam”)
  at      usb-0000:01:00.0-1.2
  gives   YUYV  640×480 at 30, 15 fps; 1280×720 at 10 fps
          MJPG  1280×720 at 30 fps
  plan    when configured: MJPG, encoded by openh264

/dev/video1 (uvcvideo “HD Webcam”)
  at      usb-0000:01:00.0-1.2
  plan    not used: metadata, no pictures

/dev/video2 (uvcvideo “HD Webcam”)
  at      usb-0000:01:00.0-1.2
  gives   H264  640×480 to 1280×720 at 59.94 to 1 fps
  control key frames by re-opening the stream if it begins with one, else by waiting; bitrate as the camera likes; \
            key-frame interval as the camera likes
  plan    chosen by `auto`: H.264, passed through

/dev/video3 (uvcvideo “HD Webcam”)
  at      usb-0000:01:00.0-1.2
  unused  RG10
  plan    not used: it gives RG10; Lunette needs H.264, YUYV, NV12, YU12 or MJPEG

/dev/video4 (uvcvideo “HD Webcam”)
  at      usb-0000:01:00.0-1.2
  gives   NV12
  plan    only when configured (NV12, encoded by openh264): part of a media pipeline

/dev/video9
  plan    not used: permission denied; add Lunette's user to the group `video`

"
        );
        assert!(probe_table(&[]).contains("/dev/video*"));
    }

    #[test]
    fn devices_are_json() {
        let mut devices = examples();
        explain(&mut devices, &Video::default());
        let json = serde_json::to_value(&devices).unwrap();
        assert_eq!(json[0]["node"], "capture");
        assert_eq!(json[1]["node"]["other"], "metadata, no pictures");
        let mode = &json[0]["formats"][0]["sizes"][1];
        assert_eq!((&mode["max"]["width"], &mode["rates"][0]), (&1280.into(), &10.0.into()));
        assert_eq!(json[2]["steering"]["key_frames"], "reopen");
        assert_eq!(json[2]["plan"], "chosen by `auto`: H.264, passed through");
    }

    #[test]
    fn nodes_go_by_number() {
        assert_eq!(number(Path::new("/dev/video10")), Some(10));
        assert_eq!(number(Path::new("/dev/videoX")), None);
        assert_eq!(number(Path::new("/dev/video")), None);
        assert_eq!(nodes(), nodes());
    }
}
