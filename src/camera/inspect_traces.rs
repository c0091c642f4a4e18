//! What drivers answer, from tests/data/devices: are their nodes taken for what they are?

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::*;

#[test]
fn the_nodes_of_known_drivers_are_told_apart() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/devices");
    let mut told = 0;
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let trace: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        // A recording has no capabilities; what they were taken for is in it.
        let devices = trace["devices"].as_array().into_iter().flatten();
        for (device, caps) in devices.filter_map(|device| Some((device, device["device_caps"].as_str()?))) {
            let device_caps = u32::from_str_radix(caps.trim_start_matches("0x"), 16).unwrap();
            let caps = Capability { capabilities: cap::DEVICE_CAPS, device_caps, ..Default::default() };
            let info: DeviceInfo = serde_json::from_value(device.clone()).unwrap();
            let name = format!("{}: {}", file.display(), info.label());
            match &info.encoder {
                // Its formats say that it is one, once its capabilities let them be asked for.
                Some(encoder) => {
                    assert_eq!((info.node, planes(&caps)), (NodeKind::Encoder, Some(encoder.planes)), "{name}")
                }
                None => assert_eq!(kind(&caps, &info.driver), info.node, "{name}"),
            }
            told += 1;
        }
    }
    assert!(told > 40, "only {told} nodes");
}
