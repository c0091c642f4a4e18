//! Writes the test card as an H.264 file, for tools that play a camera:
//! `cargo run --example h264_clip -- OUT.h264 [SECONDS [WIDTHxHEIGHT [FPS [BITRATE]]]]`
//!
//! Annex B, constrained baseline, an access unit delimiter in front of each picture, a key frame every 30 pictures. The
//! stamps (docs/test-card.md) count from 0: picture `n` has `n · 1000 / fps`, rounded down.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use lunette::camera::openh264::Encoder;
use lunette::camera::testcard::Card;
use lunette::media::units::{Bitrate, FrameRate, MediaTime, Size};

const GOP: u64 = 30;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().context("usage: h264_clip OUT.h264 [SECONDS [WIDTHxHEIGHT [FPS [BITRATE]]]]")?;
    let seconds: u64 = args.next().map_or(Ok(10), |text| text.parse()).context("SECONDS")?;
    let size: Size = args.next().unwrap_or("640x480".into()).parse()?;
    let fps: f64 = args.next().map_or(Ok(30.0), |text| text.parse()).context("FPS")?;
    let rate = FrameRate::new(fps).context("FPS is from 1 to 120")?;
    let bitrate: Bitrate = args.next().unwrap_or("1M".into()).parse()?;

    let mut out = BufWriter::new(File::create(&path).with_context(|| path.clone())?);
    let mut card = Card::new(size, rate);
    let mut encoder = Encoder::open(rate, bitrate)?;
    let pictures = (seconds as f64 * fps) as u64;
    for n in 0..pictures {
        let at = Duration::from_millis((n as f64 * 1000.0 / fps) as u64);
        if n % GOP == 0 {
            encoder.force_key();
        }
        let unit = encoder.encode(card.render(at, n), MediaTime::since_start(at))?.context("a picture was left out")?;
        // primary_pic_type 0: I slices only; 1: I and P (ITU-T H.264, 7.4.2.4).
        let delimiter = if unit.key { 0x10 } else { 0x30 };
        out.write_all(&[0, 0, 0, 1, 9, delimiter])?;
        out.write_all(&unit.data)?;
    }
    out.flush()?;
    println!("{path}: {pictures} pictures of {size} at {rate}, a key frame every {GOP}");
    Ok(())
}
