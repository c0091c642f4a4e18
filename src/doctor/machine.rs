//! The machine: its clock, its power, its heat. Reading is thin; what it means is judged by pure functions.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::finding::{Area, Finding};
use crate::clock::{NEVER_BEFORE, Sync, sync};

/// From here on processors slow down; Raspberry Pis do at 80 °C (raspberrypi.com, config.txt, `temp_limit`,
/// `temp_soft_limit`).
const HOT: f64 = 80.0;

/// Reads what there is to read below `root`, and judges it.
pub fn examine(root: &Path, now: SystemTime) -> Vec<Finding> {
    let mut findings = vec![clock(now, sync(root))];
    findings.extend(throttled(root).map(power));
    // Old kernels have no such file; the driver of the voltage alone says less.
    if !findings.iter().any(|f| f.id == "power") {
        findings.extend(low_voltage(root).map(voltage));
    }
    findings.extend(hottest(root).map(heat));
    findings
}

/// Is it set? A certificate cannot be checked with a clock that is years behind.
pub fn clock(now: SystemTime, sync: Sync) -> Finding {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if since.as_secs() < NEVER_BEFORE {
        let text = "the clock is not set: it is before 2026, and TLS certificates will seem not yet valid";
        return Finding::fail(
            "clock",
            Area::Clock,
            text,
            "let it be set: sudo timedatectl set-ntp true, and a network",
        );
    }
    match sync {
        Sync::Done => Finding::ok("clock", Area::Clock, "set, and kept by systemd-timesyncd"),
        Sync::Waiting => Finding::warn(
            "clock",
            Area::Clock,
            "systemd-timesyncd has not reached a time server since the boot",
            "is there a network, and is UDP port 123 open? timedatectl timesync-status says more",
        ),
        Sync::Unknown(who) => Finding::ok("clock", Area::Clock, format!("set, and kept by {who}")),
        Sync::Nothing => Finding::note("clock", Area::Clock, "set; nothing that keeps it was found")
            .with_fix("sudo apt install systemd-timesyncd"),
    }
}

/// The firmware's word on power and heat, bit by bit (raspberrypi.com, vcgencmd, `get_throttled`).
pub fn power(bits: u32) -> Finding {
    let now =
        [(0, "the voltage is too low"), (1, "the processor is slowed down"), (2, "it is throttled"), (3, "it is hot")];
    let then = [
        (16, "the voltage was too low"),
        (17, "the processor was slowed down"),
        (18, "it was throttled"),
        (19, "it was hot"),
    ];
    let said = |of: &[(u32, &'static str)]| {
        of.iter().filter(|(bit, _)| bits >> bit & 1 != 0).map(|(_, text)| *text).collect::<Vec<_>>()
    };
    let fix = if bits & 0x1_0001 != 0 {
        "take the power supply made for this board, and a short cable"
    } else {
        "give it air: a heat sink, a fan, a larger case"
    };
    match (said(&now), said(&then)) {
        (now, _) if !now.is_empty() => Finding::fail("power", Area::Power, format!("now: {}", now.join(", ")), fix),
        (_, then) if !then.is_empty() => {
            Finding::warn("power", Area::Power, format!("since the boot: {}", then.join(", ")), fix)
        }
        _ => Finding::ok("power", Area::Power, "never too low, never throttled since the boot"),
    }
}

/// The kernel's word on the voltage (drivers/hwmon/raspberrypi-hwmon.c).
pub fn voltage(too_low: bool) -> Finding {
    if too_low {
        let fix = "take the power supply made for this board, and a short cable";
        return Finding::fail("power", Area::Power, "the voltage is too low", fix);
    }
    Finding::ok("power", Area::Power, "the voltage is not too low")
}

/// In °C.
pub fn heat(celsius: f64) -> Finding {
    let text = format!("{celsius:.0} °C");
    if celsius < HOT {
        return Finding::ok("temperature", Area::Power, text);
    }
    let text = format!("{text}: at {HOT:.0} °C boards slow down");
    Finding::warn("temperature", Area::Power, text, "give it air: a heat sink, a fan, a larger case")
}

/// Hexadecimal, without 0x (Raspberry Pi's kernel, drivers/firmware/raspberrypi.c). Its place has the bus address in it,
/// from one board to the next.
fn throttled(root: &Path) -> Option<u32> {
    let driver = entries(&root.join("sys/bus/platform/drivers/raspberrypi-firmware"));
    let places = driver.into_iter().chain([root.join("sys/devices/platform/soc/soc:firmware")]);
    let bits = places.filter_map(|folder| text(&folder.join("get_throttled")));
    bits.filter_map(|bits| u32::from_str_radix(bits.trim_start_matches("0x"), 16).ok()).next()
}

fn low_voltage(root: &Path) -> Option<bool> {
    let sensors = entries(&root.join("sys/class/hwmon"));
    let sensor = sensors.into_iter().find(|s| text(&s.join("name")).is_some_and(|name| name == "rpi_volt"))?;
    Some(text(&sensor.join("in0_lcrit_alarm"))? == "1")
}

/// Of all zones, in °C.
fn hottest(root: &Path) -> Option<f64> {
    let zones = entries(&root.join("sys/class/thermal")).into_iter();
    let millis = zones.filter_map(|zone| text(&zone.join("temp"))?.parse::<f64>().ok());
    // Sensors that are off say absurd things.
    let celsius = millis.map(|m| m / 1000.0).filter(|c| (-40.0..150.0).contains(c));
    celsius.max_by(f64::total_cmp)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::doctor::finding::Verdict::{self, Fail, Note, Ok, Warn};

    fn tree(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/boards").join(name)
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn said(findings: &[Finding]) -> Vec<(&'static str, Verdict, &str)> {
        findings.iter().map(|f| (f.id, f.verdict, f.text.as_str())).collect()
    }

    #[test]
    fn boards_are_read_from_their_files() {
        assert_eq!(
            said(&examine(&tree("pi-4-well"), now())),
            [
                ("clock", Ok, "set, and kept by systemd-timesyncd"),
                ("power", Ok, "never too low, never throttled since the boot"),
                ("temperature", Ok, "49 °C"),
            ]
        );
        assert_eq!(
            said(&examine(&tree("pi-zero-2-w-weak"), now())),
            [
                ("clock", Warn, "systemd-timesyncd has not reached a time server since the boot"),
                ("power", Fail, "now: the voltage is too low, it is throttled"),
                ("temperature", Warn, "82 °C: at 80 °C boards slow down"),
            ]
        );
        assert_eq!(
            said(&examine(&tree("pi-5-mainline"), now())),
            [
                ("clock", Ok, "set, and kept by chrony"),
                ("power", Fail, "the voltage is too low"),
                ("temperature", Ok, "61 °C")
            ]
        );
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(said(&examine(empty.path(), now())), [("clock", Note, "set; nothing that keeps it was found")]);
    }

    #[test]
    fn every_bit_has_its_meaning() {
        for (bits, verdict, words, fix) in [
            (0, Ok, "never", ""),
            (0x1, Fail, "now: the voltage is too low", "supply"),
            (0x2, Fail, "now: the processor is slowed down", "air"),
            (0x4, Fail, "now: it is throttled", "air"),
            (0x8, Fail, "now: it is hot", "air"),
            (0x1_0000, Warn, "since the boot: the voltage was too low", "supply"),
            (0x2_0000, Warn, "since the boot: the processor was slowed down", "air"),
            (0x8_0000, Warn, "since the boot: it was hot", "air"),
            (0x5_0005, Fail, "now: the voltage is too low, it is throttled", "supply"),
            (0x5_0000, Warn, "since the boot: the voltage was too low, it was throttled", "supply"),
            (0xfff0_fff0, Ok, "never", ""),
        ] {
            let finding = power(bits);
            assert_eq!(finding.verdict, verdict, "{bits:x}");
            assert!(finding.text.starts_with(words), "{bits:x}: {}", finding.text);
            assert!(finding.fix.unwrap_or_default().contains(fix), "{bits:x}");
        }
    }

    #[test]
    fn a_clock_that_was_never_set_is_seen() {
        let at = |s| SystemTime::UNIX_EPOCH + Duration::from_secs(s);
        assert_eq!(clock(at(0), Sync::Done).verdict, Fail);
        assert_eq!(clock(at(NEVER_BEFORE - 1), Sync::Nothing).verdict, Fail);
        assert_eq!(clock(at(NEVER_BEFORE), Sync::Done).verdict, Ok);
        assert_eq!(clock(SystemTime::UNIX_EPOCH - Duration::from_secs(1), Sync::Done).verdict, Fail);
    }

    #[test]
    fn nonsense_in_a_file_is_no_reading() {
        let root = tempfile::tempdir().unwrap();
        let zone = root.path().join("sys/class/thermal/thermal_zone0");
        let firmware = root.path().join("sys/devices/platform/soc/soc:firmware");
        for folder in [&zone, &firmware] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(zone.join("temp"), "-274000").unwrap();
        fs::write(firmware.join("get_throttled"), "no").unwrap();
        assert_eq!(examine(root.path(), now()).len(), 1, "the clock alone");
    }
}
