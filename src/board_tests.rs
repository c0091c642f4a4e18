use super::*;
use std::collections::HashSet;

use crate::config::Sources;

fn boards() -> Vec<Board> {
    files().iter().map(|(file, text)| Board::parse(text).unwrap_or_else(|e| unreachable!("{file}: {e}"))).collect()
}

fn named(strings: &[&str]) -> String {
    find(&strings.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).name
}

#[test]
fn every_file_is_a_board_with_good_defaults() {
    assert!(boards().len() >= 11);
    let mut seen = HashSet::new();
    for board in boards() {
        assert!(seen.insert(board.name.clone()), "{} is there twice", board.name);
        for name in &board.compatible {
            assert!(seen.insert(name.clone()), "{name} stands for two boards");
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lunette.toml");
        std::fs::write(&file, "").unwrap();
        let sources = Sources { defaults: Some(board.defaults()), file: Some(file), ..Sources::default() };
        let loaded = Config::load(&sources).unwrap_or_else(|e| unreachable!("{e}"));
        assert_eq!(loaded.warnings, [""; 0], "{}", board.name);
        let defaults = loaded.config;
        assert_eq!(board.warnings(&defaults), [""; 0], "{} warns of its own defaults", board.name);
        assert!(!board.sources.is_empty(), "{}: where is it from?", board.name);
    }
    assert_eq!(boards().iter().filter(|board| board.compatible.is_empty()).count(), 1, "one takes what is left");
}

#[test]
fn the_most_specific_name_wins() {
    // As the device trees of Linux 6.12 and of Raspberry Pi's 6.12 have them.
    for (strings, name) in [
        (&["raspberrypi,model-zero-2-w", "brcm,bcm2837"][..], "Raspberry Pi Zero 2 W"),
        (&["raspberrypi,3-model-b-plus", "brcm,bcm2837"], "Raspberry Pi 3B+"),
        (&["raspberrypi,3-model-a-plus", "brcm,bcm2837"], "Raspberry Pi 3B+"),
        (&["raspberrypi,4-model-b", "brcm,bcm2711"], "Raspberry Pi 4B, CM4"),
        (&["raspberrypi,5-compute-module", "brcm,bcm2712"], "Raspberry Pi 5, CM5"),
        (&["radxa,rock-5b", "rockchip,rk3588"], "RK3588"),
        (&["xunlong,orangepi-5", "rockchip,rk3588s"], "RK3588"),
        (&["nvidia,p3768-0000+p3767-0005", "nvidia,p3767-0005", "nvidia,tegra234"], "Jetson Orin Nano"),
        (&["nvidia,p3768-0000+p3767-0000", "nvidia,p3767-0000", "nvidia,tegra234"], "any other machine"),
        (&["fsl,imx8mp-evk", "fsl,imx8mp"], "i.MX8MP"),
        (&["ti,am62a7-sk", "ti,am62a7"], "TI AM62A"),
        (&["qcom,qcs6490-rb3gen2", "qcom,qcm6490"], "Qualcomm (venus, iris)"),
        (&["xunlong,orangepi-zero3", "allwinner,sun50i-h618"], "Allwinner H618"),
        (&["acme,unheard-of"], "any other machine"),
        (&[], "any other machine"),
    ] {
        assert_eq!(named(strings), name, "{strings:?}");
    }
}

#[test]
fn a_device_tree_is_read_from_its_file() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("proc/device-tree/compatible");
    assert_eq!(compatible(root.path()), [""; 0], "a PC has none");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    for (bytes, strings) in [
        (&b"raspberrypi,4-model-b\0brcm,bcm2711\0"[..], &["raspberrypi,4-model-b", "brcm,bcm2711"][..]),
        (b"one", &["one"]),
        (b"\0\0a\0", &["a"]),
        (b"", &[]),
    ] {
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(compatible(root.path()), strings);
    }
    std::fs::write(&file, vec![0xff; 1 << 20]).unwrap();
    assert!(compatible(root.path()).concat().len() <= 3 * MOST as usize);
}

#[test]
fn the_user_has_the_last_word() {
    let board = find(&["allwinner,sun50i-h618".to_owned()]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lunette.toml");
    std::fs::write(&file, "[video]\nfps = 10").unwrap();
    let sources = Sources { defaults: Some(board.defaults()), file: Some(file), ..Sources::default() };
    let video = Config::load(&sources).unwrap().config.video;
    assert_eq!((video.size.to_string(), video.fps.fps(), video.bitrate), ("640×480".into(), 10.0, Bitrate::kbps(1000)));
}

#[test]
fn a_mistake_in_a_board_is_said_to_be_there() {
    let mut board = find(&["brcm,bcm2711".to_owned()]);
    board.defaults = toml::from_str("[video]\nfps = 500").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lunette.toml");
    std::fs::write(&file, "").unwrap();
    let sources = Sources { defaults: Some(board.defaults()), file: Some(file), ..Sources::default() };
    let error = Config::load(&sources).unwrap_err().to_string();
    assert!(error.starts_with("board defaults (Raspberry Pi 4B, CM4): 500 is not a frame rate"), "{error}");
}

#[test]
fn a_bitrate_below_the_floor_is_said() {
    let board = find(&["raspberrypi,model-zero-2-w".to_owned()]);
    let warnings = |toml: &str| board.warnings(&Config::parse(toml).unwrap());
    let low = "[video.low] bitrate of 400 kbit/s: the encoder of a Raspberry Pi Zero 2 W has been seen to fail below 1 Mbit/s";
    assert_eq!(warnings("[video]\nbitrate = '2M'"), [low], "by default a fifth");
    assert_eq!(
        warnings("[video]\nbitrate = '500k'\nlow.enabled = false"),
        [low.replace(".low", "").replace("400", "500")]
    );
    assert_eq!(warnings("[video]\nlow.bitrate = '1M'"), [""; 0]);
}

#[test]
fn the_docs_say_of_each_on_what_it_was_tested() {
    let docs = include_str!("../docs/boards.md");
    for board in boards() {
        let row = docs.lines().find(|line| line.starts_with(&format!("| {} |", board.name)));
        let row = row.unwrap_or_else(|| unreachable!("docs/boards.md has no row for {}", board.name));
        let last = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default().trim();
        assert_eq!(last, board.tested_on.as_str(), "docs/boards.md: {}", board.name);
        let video = Config::parse(&board.defaults.to_string()).unwrap().video;
        let defaults = format!("| {}, {}, {} |", video.size, video.fps, video.bitrate);
        assert!(row.contains(&defaults), "docs/boards.md: {}: {defaults}", board.name);
        for driver in &board.hardware_encoder {
            assert!(row.contains(driver.as_str()), "docs/boards.md: {}: {driver}", board.name);
        }
    }
    let rows = docs.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| board |"));
    assert_eq!(rows.count(), boards().len(), "docs/boards.md has a row that no board has");
}
