//! The test card: a moving picture that says when it was made, for people and for programs (docs/test-card.md).
//!
//! Pure: a picture follows from size, rate, wall time and frame number. Only what changes is drawn again, so that a
//! picture costs microseconds.

use std::ops::Range;
use std::time::Duration;

use time::OffsetDateTime;

use super::font::{CELL, glyph};
use super::picture::{BLACK, I420, WHITE};
use crate::media::units::{FrameRate, Size};

/// Cells in the stamp row.
const CELLS: usize = 40;

/// How long the moving block takes from the left edge to the right.
const SWEEP_MS: u64 = 4000;

/// Draws the test card. It owns the one picture that it draws on.
#[derive(Debug)]
pub struct Card {
    picture: I420,
    stamp: Vec<u8>,
    ramp: Ramp,
    snow: Snow,
    clock: Line,
    day: Line,
    count: Line,
}

/// A band of grey, from black to white, and the white block that runs over it.
#[derive(Debug)]
struct Ramp {
    top: usize,
    rows: usize,
    background: Vec<u8>,
    line: Vec<u8>,
}

/// A window of noise, new in each picture: it makes the encoder spend what it is given, and shows how much that is.
#[derive(Debug)]
struct Snow {
    columns: Range<usize>,
    rows: Range<usize>,
}

/// A line of text. Remembers what it shows, so that only characters that differ are drawn.
#[derive(Debug)]
struct Line {
    x: usize,
    y: usize,
    scale: usize,
    shown: String,
}

impl Card {
    /// Draws what never changes: colour bars, title, size and rate.
    pub fn new(size: Size, rate: FrameRate) -> Self {
        let mut picture = I420::black(size);
        let (w, h) = (picture.stride(), picture.size().height as usize);
        let bars_end = h * 42 / 100;
        draw_bars(&mut picture, stamp_rows(h)..bars_end);
        let ramp = Ramp::new(w, bars_end, h * 10 / 100);

        // The clock's 12 characters take nine tenths of the width; the three lines below it share the rest.
        let big = (w / 80).max(1);
        let clock_y = bars_end + h * 10 / 100 + h * 4 / 100;
        let small = (big / 2).min(h / 100).max(1);
        let left = w.saturating_sub(12 * CELL.0 * big) / 2;
        let pitch = h.saturating_sub(clock_y + CELL.1 * big) / 3;
        let lines = clock_y + CELL.1 * big + pitch.saturating_sub(CELL.1 * small) / 2;
        let line = |n: usize| Line::new(left, lines + n * pitch, small);

        line(0).show(&mut picture, "Lunette test card");
        let facts = format!("{}×{} {}", size.width, size.height, rate);
        line(1).show(&mut picture, &facts);
        let day = line(2);
        let count = Line::new(left + 12 * CELL.0 * small, day.y, small);
        let snow = Snow {
            columns: w * 82 / 100..w * 95 / 100,
            rows: lines..(lines + 2 * pitch + CELL.1 * small).min(h).max(lines),
        };
        Self { stamp: vec![BLACK; w], ramp, snow, clock: Line::new(left, clock_y, big), day, count, picture }
    }

    /// Draws the picture of the moment `wall` (since 1970-01-01 UTC).
    pub fn render(&mut self, wall: Duration, frame: u64) -> &I420 {
        let ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        self.draw_stamp(ms as u32);
        self.ramp.draw(&mut self.picture, ms);
        self.snow.draw(&mut self.picture, frame);
        let at = i64::try_from(wall.as_secs()).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
        let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let clock = format!("{:02}:{:02}:{:02}.{:03}", at.hour(), at.minute(), at.second(), ms % 1000);
        self.clock.show(&mut self.picture, &clock);
        let day = format!("{:04}-{:02}-{:02}Z", at.year(), u8::from(at.month()), at.day());
        self.day.show(&mut self.picture, &day);
        self.count.show(&mut self.picture, &format!("#{:06}", frame % 1_000_000));
        &self.picture
    }

    fn draw_stamp(&mut self, ms: u32) {
        let w = self.picture.stride();
        for (k, white) in stamp_cells(ms).into_iter().enumerate() {
            self.stamp[k * w / CELLS..(k + 1) * w / CELLS].fill(if white { WHITE } else { BLACK });
        }
        let rows = stamp_rows(self.picture.size().height as usize);
        for row in self.picture.y.chunks_exact_mut(w).take(rows) {
            row.copy_from_slice(&self.stamp);
        }
    }
}

/// Rows that the stamp takes at the top of a picture of this height.
pub fn stamp_rows(height: usize) -> usize {
    if height >= 480 { 32 } else { 16 }
}

/// The stamp's cells from left to right; `true` is white.
fn stamp_cells(ms: u32) -> [bool; CELLS] {
    let check = (0..8).fold(0, |sum, n| sum ^ (ms >> (4 * n) & 0xf));
    let mut cells = [false; CELLS];
    (cells[0], cells[38]) = (true, true);
    for (bit, cell) in cells[2..34].iter_mut().enumerate() {
        *cell = ms >> (31 - bit) & 1 == 1;
    }
    for (bit, cell) in cells[34..38].iter_mut().enumerate() {
        *cell = check >> (3 - bit) & 1 == 1;
    }
    cells
}

/// Reads the stamp of a decoded picture: Unix milliseconds modulo 2³².
///
/// `luma` has `stride` bytes a row. `None` when the frame cells or the check cells do not fit: this is no test card, or
/// it is damaged.
pub fn read_stamp(luma: &[u8], stride: usize, size: Size) -> Option<u32> {
    let (w, rows) = (size.width as usize, stamp_rows(size.height as usize));
    if w < CELLS || stride < w || luma.len() < (rows - 1) * stride + w {
        return None;
    }
    // The mean over the middle of each cell; its edges are blurred by the encoder.
    let mut mean = [0u32; CELLS];
    for (k, mean) in mean.iter_mut().enumerate() {
        let (from, to) = (k * w / CELLS, (k + 1) * w / CELLS);
        let inset = (to - from) / 4;
        let middle = from + inset..to - inset;
        let lines = rows / 4..rows - rows / 4;
        let samples = (lines.len() * middle.len()) as u32;
        *mean =
            lines.map(|y| luma[y * stride..][middle.clone()].iter().map(|&p| u32::from(p)).sum::<u32>()).sum::<u32>()
                / samples;
    }
    if mean[0] < mean[1] + 64 {
        return None;
    }
    let threshold = (mean[0] + mean[1]) / 2;
    let cells = mean.map(|m| m > threshold);
    let ms = cells[2..34].iter().fold(0, |ms, &white| ms << 1 | u32::from(white));
    (stamp_cells(ms) == cells).then_some(ms)
}

/// Seven bars at 75 % (ITU-R BT.471), as Y, Cb, Cr of BT.601.
fn draw_bars(picture: &mut I420, rows: Range<usize>) {
    const BARS: [(u8, u8, u8); 7] = [
        (180, 128, 128),
        (162, 44, 142),
        (131, 156, 44),
        (112, 72, 58),
        (84, 184, 198),
        (65, 100, 212),
        (35, 212, 114),
    ];
    let w = picture.stride();
    // Even edges, so that a chroma sample belongs to one bar.
    let edge = |k: usize| k * (w / 2) / BARS.len();
    for y in rows.start / 2..rows.end / 2 {
        for (k, (luma, u, v)) in BARS.into_iter().enumerate() {
            let columns = edge(k)..edge(k + 1);
            picture.u[y * (w / 2)..][columns.clone()].fill(u);
            picture.v[y * (w / 2)..][columns.clone()].fill(v);
            for line in [2 * y, 2 * y + 1] {
                picture.y[line * w..][2 * columns.start..2 * columns.end].fill(luma);
            }
        }
    }
}

impl Ramp {
    fn new(width: usize, top: usize, rows: usize) -> Self {
        let span = usize::from(WHITE - BLACK);
        let background: Vec<u8> = (0..width).map(|x| BLACK + (x * span / width.max(1)) as u8).collect();
        Self { top, rows, line: background.clone(), background }
    }

    fn draw(&mut self, picture: &mut I420, ms: u64) {
        let w = picture.stride();
        let block = w / 16;
        let x = (ms % SWEEP_MS) as usize * (w - block) / SWEEP_MS as usize;
        self.line.copy_from_slice(&self.background);
        self.line[x..x + block].fill(WHITE);
        // A black rim keeps it visible over the bright end.
        self.line[x..x + block / 8].fill(BLACK);
        self.line[x + block - block / 8..x + block].fill(BLACK);
        for row in picture.y.chunks_exact_mut(w).skip(self.top).take(self.rows) {
            row.copy_from_slice(&self.line);
        }
    }
}

impl Snow {
    fn draw(&self, picture: &mut I420, frame: u64) {
        // xorshift64; any state but 0 will do.
        let mut state = frame.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let w = picture.stride();
        for row in picture.y.chunks_exact_mut(w).take(self.rows.end).skip(self.rows.start) {
            for pixels in row[self.columns.clone()].chunks_mut(8) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let noise = ((state & 0x3f3f_3f3f_3f3f_3f3f) + 0x6060_6060_6060_6060).to_le_bytes();
                pixels.copy_from_slice(&noise[..pixels.len()]);
            }
        }
    }
}

impl Line {
    fn new(x: usize, y: usize, scale: usize) -> Self {
        Self { x, y, scale, shown: String::new() }
    }

    /// Shows a text as long as the one before. What lies outside of the picture is left out.
    fn show(&mut self, picture: &mut I420, text: &str) {
        let mut shown = self.shown.chars();
        for (n, c) in text.chars().enumerate() {
            if shown.next() != Some(c) {
                draw_glyph(picture, self.x + n * CELL.0 * self.scale, self.y, self.scale, c);
            }
        }
        self.shown.replace_range(.., text);
    }
}

fn draw_glyph(picture: &mut I420, x: usize, y: usize, scale: usize, c: char) {
    let (w, h) = (picture.stride(), picture.size().height as usize);
    let (columns, rows) = (CELL.0 * scale, CELL.1 * scale);
    if x + columns > w || y + rows > h {
        return;
    }
    for (n, bits) in glyph(c).into_iter().enumerate() {
        let start = (y + n * scale) * w + x;
        let line = &mut picture.y[start..start + columns];
        line.fill(BLACK);
        for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
            line[column * scale..(column + 1) * scale].fill(WHITE);
        }
        for copy in 1..scale {
            picture.y.copy_within(start..start + columns, start + copy * w);
        }
    }
}

#[cfg(test)]
#[path = "testcard_tests.rs"]
mod tests;
