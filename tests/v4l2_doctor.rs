//! `lunette doctor` on the kernel's own drivers: a camera and an encoder that work, are denied, are busy.
//!
//! Runs as root in the virtual machine of tests/v4l2, with vivid and vh264.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

const LUNETTE: &str = env!("CARGO_BIN_EXE_lunette");

/// The node of this driver.
fn node(driver: &str) -> PathBuf {
    let output = Command::new(LUNETTE).args(["probe", "--json"]).output().unwrap();
    let devices: Value = serde_json::from_slice(&output.stdout).unwrap();
    let device = devices.as_array().unwrap().iter().find(|device| device["driver"] == driver);
    device.unwrap_or_else(|| panic!("no {driver}: {devices:#}"))["path"].as_str().unwrap().into()
}

/// What it finds, and the exit code.
fn doctor(mut command: Command, camera: &str) -> (Vec<Value>, i32) {
    let state = tempfile::tempdir().unwrap();
    command.args(["doctor", "--json", "--camera", camera, "--state"]).arg(state.path().join("none"));
    let output = command.output().unwrap();
    let sheet: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (sheet["findings"].as_array().unwrap().clone(), output.status.code().unwrap())
}

fn of<'a>(findings: &'a [Value], id: &str) -> Vec<(&'a str, &'a str)> {
    let these = findings.iter().filter(|f| f["id"] == id);
    these.map(|f| (f["verdict"].as_str().unwrap(), f["text"].as_str().unwrap())).collect()
}

#[test]
fn cameras_and_encoders_are_told_as_they_are() {
    let (camera, encoder) = (node("vivid"), node("vh264"));
    let (camera, encoder) = (camera.to_str().unwrap(), encoder.to_str().unwrap());

    let (findings, code) = doctor(Command::new(LUNETTE), camera);
    let words = format!("{encoder} (vh264 “vh264-encoder”) encodes H.264 from YU12, NV12, YUYV");
    assert_eq!(of(&findings, "encoder"), [("ok", words.as_str())]);
    let watched = of(&findings, "camera");
    assert!(
        code == 0 && watched[0].0 == "ok" && watched[0].1.starts_with(&format!("{camera} (vivid), H.264 by ")),
        "{watched:?}"
    );
    assert_eq!((of(&findings, "nodes")[0].0, of(&findings, "profile")[0].0), ("ok", "ok"), "{findings:#?}");

    // An encoder is no camera.
    let (findings, code) = doctor(Command::new(LUNETTE), encoder);
    assert_eq!((code, of(&findings, "camera")[0].0), (1, "fail"), "{findings:#?}");

    // Somebody else streams; it says so once it does.
    let mut other = Command::new("v4l2-ctl")
        .args(["-d", camera, "--stream-mmap", "--stream-count=0", "--verbose"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("v4l2-ctl, of Debian's package v4l-utils");
    let mut lines = BufReader::new(other.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("VIDIOC_STREAMON")), "v4l2-ctl did not stream");
    let (findings, code) = doctor(Command::new(LUNETTE), camera);
    other.kill().unwrap();
    other.wait().unwrap();
    let busy = of(&findings, "camera");
    assert!(code == 0 && busy[0].0 == "warn" && busy[0].1.contains("used by another program"), "{busy:?}");

    // Root without its rights is somebody whom the node's mode keeps out.
    fs::set_permissions(camera, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", "--", LUNETTE]);
    let (findings, code) = doctor(command, "auto");
    fs::set_permissions(camera, fs::Permissions::from_mode(0o660)).unwrap();
    let (denied, instead) = (of(&findings, "nodes"), of(&findings, "choice"));
    assert!(code == 1 && denied[0].0 == "fail" && denied[0].1.contains("permission denied"), "{denied:?}");
    assert!(instead[0].0 == "warn" && instead[0].1.contains("permission denied"), "{instead:?}");
}
