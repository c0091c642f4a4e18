//! What drivers answer, as data: is the choice right on boards that nobody here has?
//!
//! tests/data/devices has a file for each driver; docs/boards.md says how to add one.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use lunette::board;
use lunette::camera::choose::choose;
use lunette::camera::device::{ControlKind, DeviceInfo, EncoderInfo, NodeKind};
use lunette::config::Config;
use serde::Deserialize;

/// What a driver answers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Trace {
    /// The output of `lunette probe --json`, as it is.
    Plain(Vec<DeviceInfo>),
    /// The same, and where it is from.
    Told { source: String, recorded: String, devices: Vec<DeviceInfo> },
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/devices")
}

fn trace(name: &str) -> Vec<DeviceInfo> {
    let path = folder().join(format!("{name}.json"));
    let text = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    match serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())) {
        Trace::Plain(devices) => devices,
        Trace::Told { source, recorded, devices } => {
            assert!(!source.is_empty() && (recorded.starts_with("yes") || recorded.starts_with("no")), "{name}");
            devices
        }
    }
}

fn all() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path());
    let mut names: Vec<_> = files.map(|f| f.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The nodes of several drivers on one board; a second driver's `/dev/video0` comes after the nodes of the first.
fn nodes(names: &[&str]) -> Vec<DeviceInfo> {
    let mut nodes: Vec<DeviceInfo> = Vec::new();
    let mut taken = HashSet::new();
    for name in names {
        for mut device in trace(name) {
            let mut number: u32 = device.path.to_str().unwrap().trim_start_matches("/dev/video").parse().unwrap();
            while !taken.insert(number) {
                number += 1;
            }
            device.path = format!("/dev/video{number}").into();
            nodes.push(device);
        }
    }
    nodes.sort_by_key(|d| d.path.to_str().unwrap().trim_start_matches("/dev/video").parse::<u32>().unwrap());
    nodes
}

#[test]
fn the_choice_is_right_on_every_board() {
    const MJPG: &str = "uvcvideo “USB Camera”) gives MJPG 1280×720 at 30 fps; encoded by ";
    const NOTHING: &str = "V4L2 nodes gives anything that can be used; showing the test card";
    // The board, what is on it, what is said of the camera, and of what encodes it.
    let table: &[(&str, &[&str], &str, &str)] = &[
        // A CSI camera is left to libcamera, though its pipeline lists formats that could be encoded.
        ("raspberrypi,model-zero-2-w", &["bcm2835-codec", "bcm2835-isp", "unicam"], NOTHING, ""),
        (
            "raspberrypi,3-model-b-plus",
            &["bcm2835-codec", "bcm2835-isp", "uvc-webcam"],
            MJPG,
            "11 (bcm2835-codec “bcm2835-codec-encode”)",
        ),
        (
            "raspberrypi,4-model-b",
            &["bcm2835-codec", "unicam", "uvc-webcam"],
            MJPG,
            "11 (bcm2835-codec “bcm2835-codec-encode”)",
        ),
        (
            "raspberrypi,4-model-b",
            &["bcm2835-codec", "bcm2835-isp", "uvc-c920"],
            "C920”) gives H.264 640×480 at 30 fps; passed through",
            "",
        ),
        ("raspberrypi,5-model-b", &["rp1-cfe", "pispbe"], NOTHING, ""),
        ("raspberrypi,5-model-b", &["rp1-cfe", "pispbe", "uvc-webcam"], MJPG, "openh264"),
        ("rockchip,rk3588", &["hantro-rk3588", "rkvdec"], NOTHING, ""),
        // Its encoder among the decoders gives JPEG.
        ("rockchip,rk3588", &["hantro-rk3588", "rkvdec", "uvc-webcam"], MJPG, "openh264"),
        ("nvidia,p3767-0005", &["uvc-webcam"], MJPG, "openh264"),
        ("fsl,imx8mp", &["vsi_v4l2", "uvc-webcam"], MJPG, "(vsi_v4l2 “vsi_v4l2enc”)"),
        ("fsl,imx8mp", &["hantro-imx8mp", "uvc-webcam"], MJPG, "openh264"),
        ("fsl,imx8qm", &["amphion", "uvc-webcam"], MJPG, "(amphion-vpu “amphion vpu encoder”)"),
        ("ti,am62a7", &["wave5", "uvc-webcam"], MJPG, "(wave5-enc)"),
        ("qcom,qcm6490", &["qcom-venus", "uvc-webcam"], MJPG, "(qcom-venus “Qualcomm Venus video encoder”)"),
        ("qcom,sm8550", &["iris", "uvc-webcam"], MJPG, "(iris_driver “Iris Encoder”)"),
        ("allwinner,sun50i-h618", &["cedrus", "uvc-webcam"], "gives YUYV 640×480 at 30 fps; encoded by ", "openh264"),
        ("a PC", &["uvc-h264"], "gives H.264 1280×720 at 30 fps; passed through", ""),
        ("a PC", &["vivid-vh264"], "(vivid) gives YU12 1280×720 at 30 fps; encoded by ", "(vh264 “vh264-encoder”)"),
        ("a PC", &[], "there is no /dev/video*; showing the test card", ""),
    ];
    let mut used: HashSet<&str> = HashSet::new();
    for (compatible, names, camera, encoder) in table {
        used.extend(names.iter());
        let board = board::find(&[(*compatible).to_owned()]);
        let video = Config::parse(&board.defaults().text).unwrap().video;
        let choice = choose(&nodes(names), &video);
        let reason = &choice.reason;
        assert!(reason.contains(camera) && reason.ends_with(encoder), "{compatible} with {names:?}: {reason}");
    }
    let unused: Vec<_> = all().into_iter().filter(|name| !used.contains(name.as_str())).collect();
    assert!(unused.is_empty(), "no board has {unused:?}");
}

#[test]
fn a_board_s_encoder_is_the_driver_s() {
    let drivers = |name: &str| -> HashSet<String> {
        trace(name).into_iter().filter(|d| d.node == NodeKind::Encoder).map(|d| d.driver).collect()
    };
    let encoders: HashSet<String> = all().iter().flat_map(|name| drivers(name)).collect();
    for (file, text) in board::files() {
        for driver in board::Board::parse(text).unwrap().hardware_encoder {
            assert!(encoders.contains(&driver), "{file}: no trace has an encoder of {driver}");
        }
    }
}

/// What the docs and the boards' files say of encoders, seen in their controls.
#[test]
fn encoders_can_do_what_is_said_of_them() {
    const FORCE_KEY_FRAME: u32 = 0x0099_09e5;
    const REPEAT_HEADERS: u32 = 0x0099_09e2;
    const BITRATE: u32 = 0x0099_09cf;
    const PROFILE: u32 = 0x0099_0a6b;
    let control = |encoder: &EncoderInfo, id: u32| encoder.controls.iter().find(|c| c.id == id).cloned();
    let encoder = |name: &str| trace(name).into_iter().find_map(|d| d.encoder).unwrap();
    let can = |name: &str| {
        let encoder = encoder(name);
        let constrained = control(&encoder, PROFILE).is_some_and(|c| c.menu.iter().any(|item| item.index == 1));
        let has = |id| control(&encoder, id).is_some();
        (has(FORCE_KEY_FRAME), has(REPEAT_HEADERS), has(BITRATE), constrained)
    };
    assert_eq!(can("bcm2835-codec"), (true, true, true, true));
    assert_eq!(can("qcom-venus"), (true, false, true, true));
    assert_eq!(can("wave5"), (false, false, true, true));
    assert_eq!(can("amphion"), (true, false, true, false));
    assert_eq!(can("vsi_v4l2"), (true, true, true, true));
    assert_eq!(can("vivid-vh264"), (true, true, true, true));

    let pi = encoder("bcm2835-codec");
    assert_eq!(control(&pi, REPEAT_HEADERS).unwrap().default, 0, "it must be set");
    let bitrate = control(&pi, BITRATE).unwrap();
    assert_eq!(
        (bitrate.kind, bitrate.min, bitrate.max, bitrate.step),
        (ControlKind::Integer, 25_000, 25_000_000, 25_000)
    );
    // The virtual one is modelled on it: its controls are the same where both have them.
    let vh264 = encoder("vivid-vh264");
    for id in [FORCE_KEY_FRAME, REPEAT_HEADERS, BITRATE] {
        assert_eq!(control(&vh264, id), control(&pi, id), "{id:x}");
    }
}
