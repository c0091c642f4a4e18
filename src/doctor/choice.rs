//! Which camera and which encoder would be used, and whether that is what this board can do best.

use super::finding::{Area, Finding};
use crate::board::Board;
use crate::camera::choose::{Plan, choose};
use crate::camera::device::{DeviceInfo, NodeKind};
use crate::camera::probe;
use crate::config::{Camera, Video};

/// Asks all devices, and judges.
pub fn examine(camera: &Camera, video: &Video, board: &Board) -> Vec<Finding> {
    judge(&probe::list(), camera, video, board)
}

/// What the devices of this board are good for.
pub fn judge(devices: &[DeviceInfo], camera: &Camera, video: &Video, board: &Board) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(encoder(devices, board));
    if *camera == Camera::Auto {
        let choice = choose(devices, video);
        findings.push(if choice.plan == Plan::TestCard {
            let shut = devices.iter().any(|device| matches!(device.node, NodeKind::Unreadable(_)));
            let fix = match shut {
                true => "let it be opened; `lunette probe` has each device with its reason",
                false => "plug a USB camera in; a CSI camera needs libcamera: [camera.gst]; `lunette probe` says more",
            };
            Finding::warn("choice", Area::Camera, choice.reason, fix)
        } else {
            Finding::ok("choice", Area::Camera, choice.reason)
        });
    }
    findings
}

/// Whether the encoder that the board has is there.
fn encoder(devices: &[DeviceInfo], board: &Board) -> Option<Finding> {
    let found = devices.iter().find(|device| device.node == NodeKind::Encoder);
    if let Some(device) = found {
        let takes = device.encoder.as_ref().map(|e| e.takes.join(", ")).unwrap_or_default();
        return Some(Finding::ok("encoder", Area::Devices, format!("{} encodes H.264 from {takes}", device.label())));
    }
    if board.hardware_encoder.is_empty() {
        return None;
    }
    let drivers = board.hardware_encoder.join(" or ");
    let text = format!("this board has a hardware encoder, but no device of its driver ({drivers}) is there");
    let fix = format!("sudo modprobe {}; dmesg says whether its firmware is missing", module(board));
    Some(Finding::warn("encoder", Area::Devices, text, fix))
}

/// The kernel module of the board's first driver.
fn module(board: &Board) -> &'static str {
    match board.hardware_encoder.first().map(String::as_str) {
        Some("bcm2835-codec") => "bcm2835-codec",
        Some("qcom-venus") => "venus-enc",
        Some("wave5-enc") => "wave5",
        Some("vsi_v4l2") => "vsiv4l2",
        _ => "its module",
    }
}
