//! The level of an H.264 stream: how much a decoder must be able to do (ITU-T H.264, table A-1).

use super::units::{Bitrate, FrameRate, Size};

/// A row of table A-1.
struct Limits {
    /// Ten times the level; level 1b has a number of its own and is left out, as no camera needs it.
    level: u8,
    /// Macroblocks a second.
    rate: u64,
    /// Macroblocks a picture.
    picture: u64,
    /// 1000 bits a second, in the baseline and main profiles.
    kbps: u32,
}

const fn row(level: u8, rate: u64, picture: u64, kbps: u32) -> Limits {
    Limits { level, rate, picture, kbps }
}

const TABLE: [Limits; 19] = [
    row(10, 1_485, 99, 64),
    row(11, 3_000, 396, 192),
    row(12, 6_000, 396, 384),
    row(13, 11_880, 396, 768),
    row(20, 11_880, 396, 2_000),
    row(21, 19_800, 792, 4_000),
    row(22, 20_250, 1_620, 4_000),
    row(30, 40_500, 1_620, 10_000),
    row(31, 108_000, 3_600, 14_000),
    row(32, 216_000, 5_120, 20_000),
    row(40, 245_760, 8_192, 20_000),
    row(41, 245_760, 8_192, 50_000),
    row(42, 522_240, 8_704, 50_000),
    row(50, 589_824, 22_080, 135_000),
    row(51, 983_040, 36_864, 240_000),
    row(52, 2_073_600, 36_864, 240_000),
    row(60, 4_177_920, 139_264, 240_000),
    row(61, 8_355_840, 139_264, 480_000),
    row(62, 16_711_680, 139_264, 800_000),
];

/// The lowest level that allows pictures of this size, so many in a second, at this bitrate: `level_idc`, ten times the
/// level. The highest where none does.
pub fn level(size: Size, rate: FrameRate, bitrate: Bitrate) -> u8 {
    let (across, down) = (u64::from(size.width.div_ceil(16)), u64::from(size.height.div_ceil(16)));
    let picture = across * down;
    // A driver's rate is a fraction: 30.0003 pictures a second are 30.
    let second = (picture as f64 * (rate.fps() * 100.0).round() / 100.0).ceil() as u64;
    let fits = |row: &&Limits| {
        // Neither side longer than the root of eight pictures' macroblocks (A.3.1, items f and g).
        let longest = across.max(down);
        second <= row.rate
            && picture <= row.picture
            && longest * longest <= 8 * row.picture
            && bitrate.bps() <= row.kbps.saturating_mul(1000)
    };
    TABLE.iter().find(fits).map_or(62, |row| row.level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_table_a_1() {
        for (w, h, fps, kbps, wanted) in [
            (176, 144, 15.0, 64, 10),
            (320, 240, 10.0, 192, 11),
            (320, 240, 30.0, 700, 13),
            (320, 240, 30.0, 1_000, 20),
            (640, 480, 30.0, 2_000, 30),
            (720, 576, 25.0, 2_000, 30),
            (1280, 720, 30.0, 2_000, 31),
            (1280, 720, 30.0003, 2_000, 31),
            (1280, 720, 30.0, 15_000, 32),
            (1280, 720, 60.0, 4_000, 32),
            (1920, 1080, 30.0, 4_000, 40),
            (1920, 1080, 30.0, 25_000, 41),
            (1920, 1080, 60.0, 8_000, 42),
            (3840, 2160, 30.0, 20_000, 51),
            (3840, 2160, 60.0, 20_000, 52),
            (3840, 64, 30.0, 1_000, 40),
            (16_000, 16_000, 30.0, 1_000, 62),
        ] {
            let (size, rate) = (Size::new(w, h), FrameRate::new(fps).unwrap());
            assert_eq!(level(size, rate, Bitrate::kbps(kbps)), wanted, "{size} at {rate}, {kbps} kbit/s");
        }
    }
}
