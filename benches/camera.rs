//! What the test card and the software encoder cost: `cargo bench --bench camera`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use lunette::camera::choose::RawFormat;
use lunette::camera::convert::{Converter, Layout};
use lunette::camera::openh264::Encoder;
use lunette::camera::picture::I420;
use lunette::camera::shrink::Shrinker;
use lunette::camera::testcard::Card;
use lunette::media::rtp::Burst;
use lunette::media::units::{Bitrate, FrameRate, MediaTime, Size};

const PICTURES: u64 = 300;

fn main() {
    println!(
        "{:>10} {:>9} {:>11} {:>14} {:>10} {:>16}",
        "size", "draw, ms", "encode, ms", "packetize, ms", "halve, ms", "encode half, ms"
    );
    for (width, height, kbps) in [(640, 480, 800), (1280, 720, 2000), (1920, 1080, 4000)] {
        let rate = FrameRate::new(30.0).unwrap();
        let size = Size::new(width, height);
        let mut card = Card::new(size, rate);
        let mut encoder = Encoder::open(rate, Bitrate::kbps(kbps)).unwrap();
        let mut shrinker = Shrinker::new(Size::new(width / 2, height / 2));
        let mut low = Encoder::open(rate, Bitrate::kbps(kbps / 5)).unwrap();
        let mut spent = [Duration::ZERO; 5];
        for n in 0..PICTURES {
            let at = Duration::from_secs_f64(n as f64 / 30.0);
            let start = Instant::now();
            let picture = card.render(at, n);
            let drawn = Instant::now();
            let unit = encoder.encode(picture, MediaTime::since_start(at)).unwrap();
            let encoded = Instant::now();
            if let Some(unit) = unit {
                std::hint::black_box(Burst::packetize(&unit.data));
            }
            let packetized = Instant::now();
            shrinker.shrink(picture);
            let halved = Instant::now();
            std::hint::black_box(low.encode(shrinker.picture(), MediaTime::since_start(at)).unwrap());
            let moments = [start, drawn, encoded, packetized, halved, Instant::now()];
            let steps = moments.windows(2).map(|pair| pair[1] - pair[0]);
            spent.iter_mut().zip(steps).for_each(|(sum, step)| *sum += step);
        }
        let each = spent.map(|sum| sum.as_secs_f64() * 1e3 / PICTURES as f64);
        let [draw, encode, packetize, halve, encode_half] = each;
        println!(
            "{:>10} {draw:>9.3} {encode:>11.3} {packetize:>14.4} {halve:>10.3} {encode_half:>16.3}",
            size.to_string()
        );
    }
    println!("\n{:>10} {:>12} {:>22}", "1280×720", "to I420, ms", "of full range, ms");
    let size = Size::new(1280, 720);
    for format in [RawFormat::Yu12, RawFormat::Nv12, RawFormat::Yuyv] {
        let each = [false, true].map(|full_range| {
            let layout = Layout { format, size, stride: 0, full_range };
            let (mut picture, mut converter) = (I420::black(size), Converter::new(layout));
            let buffer = vec![77; 1280 * 720 * 2];
            let start = Instant::now();
            for _ in 0..PICTURES {
                converter.read(std::hint::black_box(&buffer), &mut picture).unwrap();
            }
            start.elapsed().as_secs_f64() * 1e3 / PICTURES as f64
        });
        println!("{:>10} {:>12.3} {:>22.3}", format.to_string(), each[0], each[1]);
    }
}
