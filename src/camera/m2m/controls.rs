//! Which controls of an encoder are set to what. Pure.

use crate::camera::abi::cid;
use crate::camera::device::{ControlInfo, EncoderInfo};
use crate::config::Profile;
use crate::media::units::Bitrate;

/// Pictures from one key frame to the next, when nobody asks for one: an hour and more. Not the largest number, as some
/// firmware counts in fewer bits; 0 means «only the first» to some drivers and «each» to others.
const LONG: i64 = 200_000;

/// A control that is to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `V4L2_CID_*`
    pub id: u32,
    /// The nearest that the driver takes.
    pub value: i64,
    /// For people.
    pub name: &'static str,
}

/// What is to be set, in this order, and what cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is to be set.
    pub settings: Vec<Setting>,
    /// What the driver has no control for, and nothing of the same effect.
    pub missing: Vec<&'static str>,
}

/// Plans an encoder's controls for a stream without B pictures, of one slice a picture, at a constant bitrate, whose key
/// frames come when they are asked for, each with its parameter sets. `level` is ten times the level.
pub fn plan(info: &EncoderInfo, profile: Profile, level: u8, bitrate: Bitrate) -> Plan {
    let mut plan = Plan::default();
    let mut set = |id: u32, value: i64, name: &'static str| {
        let value = info.control(id).and_then(|control| control.nearest(value));
        plan.settings.extend(value.map(|value| Setting { id, value, name }));
        value.is_some()
    };
    let mut missing = Vec::new();
    let mut need = |done: bool, name: &'static str| missing.extend((!done).then_some(name));
    // Rate control comes before its mode, the mode before the rate: some drivers hide what does not apply.
    set(cid::FRAME_RC_ENABLE, 1, "rate control");
    need(set(cid::BITRATE_MODE, 1, "constant bitrate"), "constant bitrate");
    need(set(cid::BITRATE, bitrate.bps().into(), "bitrate"), "bitrate");
    set(cid::B_FRAMES, 0, "no B pictures");
    let gop = set(cid::GOP_SIZE, LONG, "distance of key frames");
    need(set(cid::H264_I_PERIOD, LONG, "distance of I pictures") || gop, "distance of key frames");
    set(cid::HEADER_MODE, 1, "headers with the first picture");
    let repeated = set(cid::REPEAT_SEQ_HEADER, 1, "headers with each key frame");
    need(repeated || set(cid::PREPEND_SPSPPS_TO_IDR, 1, "headers with each key frame"), "headers with each key frame");
    set(cid::MULTI_SLICE_MODE, 0, "one slice");
    let profiles: &[(i64, &'static str)] = match profile {
        Profile::Baseline => &[(1, "constrained baseline"), (0, "baseline")],
        Profile::Main => &[(2, "main"), (1, "constrained baseline"), (0, "baseline")],
        Profile::High => &[(4, "high"), (2, "main"), (1, "constrained baseline"), (0, "baseline")],
    };
    need(profiles.iter().any(|(index, name)| set(cid::H264_PROFILE, *index, name)), "profile");
    // A driver that lacks the very level has a higher one that allows all of it.
    let levels = LEVELS.iter().filter(|(idc, _)| *idc >= level);
    need(levels.into_iter().any(|(_, index)| set(cid::H264_LEVEL, *index, "level")), "level");
    need(info.control(cid::FORCE_KEY_FRAME).is_some(), "forced key frames");
    plan.missing = missing;
    plan
}

/// What bitrate an encoder takes, when it is asked for one.
pub fn bitrate(info: &EncoderInfo, wanted: Bitrate) -> Option<Setting> {
    let value = info.control(cid::BITRATE).and_then(|control: &ControlInfo| control.nearest(wanted.bps().into()))?;
    Some(Setting { id: cid::BITRATE, value, name: "bitrate" })
}

/// `level_idc`, and its place in the menu `V4L2_MPEG_VIDEO_H264_LEVEL_*`.
const LEVELS: [(u8, i64); 19] = [
    (10, 0),
    (11, 2),
    (12, 3),
    (13, 4),
    (20, 5),
    (21, 6),
    (22, 7),
    (30, 8),
    (31, 9),
    (32, 10),
    (40, 11),
    (41, 12),
    (42, 13),
    (50, 14),
    (51, 15),
    (52, 16),
    (60, 17),
    (61, 18),
    (62, 19),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::device::{ControlKind, MenuItem, Planes};

    fn info(controls: &[(u32, i64, i64, i64)]) -> EncoderInfo {
        let control = |(id, min, max, step): &(u32, i64, i64, i64)| {
            let menu = matches!(*id, cid::BITRATE_MODE | cid::H264_PROFILE | cid::H264_LEVEL);
            let items = (*min..=*max).map(|index| MenuItem { index: index as u32, name: String::new() });
            ControlInfo {
                id: *id,
                name: String::new(),
                kind: if menu { ControlKind::Menu } else { ControlKind::Integer },
                min: *min,
                max: *max,
                step: *step,
                default: 0,
                flags: 0,
                menu: if menu { items.collect() } else { Vec::new() },
            }
        };
        let controls = controls.iter().map(control).collect();
        EncoderInfo { planes: Planes::Multi, takes: vec!["YU12".into()], sizes: None, controls }
    }

    fn pi() -> EncoderInfo {
        info(&[
            (cid::B_FRAMES, 0, 0, 1),
            (cid::GOP_SIZE, 0, i64::from(i32::MAX), 1),
            (cid::BITRATE_MODE, 0, 1, 1),
            (cid::BITRATE, 25_000, 25_000_000, 25_000),
            (cid::HEADER_MODE, 0, 1, 1),
            (cid::REPEAT_SEQ_HEADER, 0, 1, 1),
            (cid::FORCE_KEY_FRAME, 0, 0, 0),
            (cid::H264_I_PERIOD, 0, i64::from(i32::MAX), 1),
            (cid::H264_LEVEL, 0, 15, 1),
            (cid::H264_PROFILE, 0, 4, 1),
        ])
    }

    fn value(plan: &Plan, id: u32) -> Option<i64> {
        plan.settings.iter().find(|setting| setting.id == id).map(|setting| setting.value)
    }

    #[test]
    fn a_pi_takes_everything() {
        let all = plan(&pi(), Profile::Baseline, 31, Bitrate::kbps(2_010));
        assert_eq!(all.missing, Vec::<&str>::new());
        for (id, wanted) in [
            (cid::BITRATE_MODE, 1),
            (cid::BITRATE, 2_000_000),
            (cid::GOP_SIZE, LONG),
            (cid::H264_I_PERIOD, LONG),
            (cid::REPEAT_SEQ_HEADER, 1),
            (cid::H264_PROFILE, 1),
            (cid::H264_LEVEL, 9),
        ] {
            assert_eq!(value(&all, id), Some(wanted), "{id:x}");
        }
        assert_eq!(value(&all, cid::MULTI_SLICE_MODE), None);
        assert_eq!(value(&plan(&pi(), Profile::High, 52, Bitrate::kbps(90_000)), cid::H264_PROFILE), Some(4));
        let much = plan(&pi(), Profile::Main, 52, Bitrate::kbps(90_000));
        assert_eq!((value(&much, cid::BITRATE), value(&much, cid::H264_LEVEL)), (Some(25_000_000), None));
        assert_eq!(much.missing, ["level"]);
        assert_eq!(bitrate(&pi(), Bitrate::kbps(1)).map(|setting| setting.value), Some(25_000));
    }

    #[test]
    fn what_is_missing_is_named_unless_something_does_the_same() {
        let mut poor = info(&[(cid::H264_PROFILE, 0, 0, 1), (cid::PREPEND_SPSPPS_TO_IDR, 0, 1, 1)]);
        let made = plan(&poor, Profile::High, 31, Bitrate::kbps(1_000));
        assert_eq!(value(&made, cid::H264_PROFILE), Some(0));
        let missing = ["constant bitrate", "bitrate", "distance of key frames", "level", "forced key frames"];
        assert_eq!(made.missing, missing);
        poor.controls[1].flags = 0x1;
        assert!(plan(&poor, Profile::High, 31, Bitrate::kbps(1_000)).missing.contains(&"headers with each key frame"));
        assert_eq!(bitrate(&poor, Bitrate::kbps(1_000)), None);
    }
}
