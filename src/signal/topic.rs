//! The topics of docs/signaling.md.

use crate::trust::{CameraId, ViewerId};

pub(super) fn status(camera: &CameraId) -> String {
    format!("lunette/1/{camera}/status")
}

pub(super) fn challenge(camera: &CameraId) -> String {
    format!("lunette/1/{camera}/challenge")
}

/// Where the fleet keeps servers for this camera.
pub(super) fn ice(camera: &CameraId) -> String {
    format!("lunette/1/{camera}/ice")
}

pub(super) fn request(camera: &CameraId) -> String {
    format!("lunette/1/{camera}/req")
}

pub(super) fn response(camera: &CameraId, viewer: &ViewerId) -> String {
    format!("lunette/1/{camera}/res/{viewer}")
}
