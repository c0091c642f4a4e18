//! How pixels lie in a buffer, and copies from one layout to another. Pure.

use crate::camera::choose::RawFormat;
use crate::camera::picture::I420;
use crate::media::units::Size;

/// How the pixels of a picture lie in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The pixel format; never JPEG.
    pub format: RawFormat,
    /// What is seen of the picture.
    pub size: Size,
    /// Bytes from one row to the next, of luma where planes are apart.
    pub stride: usize,
    /// Rows of luma before chroma begins; as many as are seen, or some more.
    pub rows: usize,
}

/// A rectangle of bytes in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plane {
    start: usize,
    stride: usize,
    width: usize,
    rows: usize,
}

impl Layout {
    /// The planes, luma first.
    fn planes(&self) -> Vec<Plane> {
        let (w, h) = (self.size.width as usize, self.size.height as usize);
        let plane = |start, stride, width, rows| Plane { start, stride, width, rows };
        let chroma = self.stride * self.rows;
        match self.format {
            RawFormat::Mjpg => Vec::new(),
            RawFormat::Yuyv => vec![plane(0, self.stride, w.next_multiple_of(2) * 2, h)],
            RawFormat::Nv12 => {
                vec![plane(0, self.stride, w, h), plane(chroma, self.stride, w.next_multiple_of(2), h.div_ceil(2))]
            }
            RawFormat::Yu12 => {
                let (half, w, h, rows) = (self.stride.div_ceil(2), w.div_ceil(2), h.div_ceil(2), self.rows.div_ceil(2));
                let luma = plane(0, self.stride, self.size.width as usize, self.size.height as usize);
                vec![luma, plane(chroma, half, w, h), plane(chroma + half * rows, half, w, h)]
            }
        }
    }

    /// Bytes from the first to the last that is seen.
    pub fn bytes(&self) -> usize {
        let ends = self.planes().into_iter().filter(|plane| plane.rows > 0);
        ends.map(|plane| plane.start + plane.stride * (plane.rows - 1) + plane.width).max().unwrap_or(0)
    }

    /// Copies a picture of the same format and size row by row. `false`: one of the buffers is too short, and nothing was
    /// copied.
    pub fn copy(&self, from: &[u8], to: &Self, into: &mut [u8]) -> bool {
        if from.len() < self.bytes() || into.len() < to.bytes() || (self.format, self.size) != (to.format, to.size) {
            return false;
        }
        for (source, target) in self.planes().into_iter().zip(to.planes()) {
            for row in 0..source.rows {
                let (at, to) = (source.start + row * source.stride, target.start + row * target.stride);
                into[to..to + target.width].copy_from_slice(&from[at..at + source.width]);
            }
        }
        true
    }

    /// Writes a picture of the same size. `false`: it does not fit, and nothing was written.
    pub fn write(&self, picture: &I420, into: &mut [u8]) -> bool {
        if into.len() < self.bytes() || picture.size() != self.size {
            return false;
        }
        let (w, half) = (picture.stride(), picture.stride() / 2);
        let luma = |row: usize| &picture.y[row * w..][..w];
        let chroma = |row: usize| picture.u[row * half..][..half].iter().zip(&picture.v[row * half..][..half]);
        match (self.format, self.planes().as_slice()) {
            (RawFormat::Yu12, [y, u, v]) => {
                y.fill(into, |row, to| to.copy_from_slice(luma(row)));
                u.fill(into, |row, to| to.copy_from_slice(&picture.u[row * half..][..half]));
                v.fill(into, |row, to| to.copy_from_slice(&picture.v[row * half..][..half]));
            }
            (RawFormat::Nv12, [y, uv]) => {
                y.fill(into, |row, to| to.copy_from_slice(luma(row)));
                uv.fill(into, |row, to| {
                    for (pair, (u, v)) in to.chunks_exact_mut(2).zip(chroma(row)) {
                        pair.copy_from_slice(&[*u, *v]);
                    }
                });
            }
            (RawFormat::Yuyv, [all]) => all.fill(into, |row, to| {
                let pixels = luma(row).chunks_exact(2).zip(chroma(row / 2));
                for (four, (y, (u, v))) in to.chunks_exact_mut(4).zip(pixels) {
                    four.copy_from_slice(&[y[0], *u, y[1], *v]);
                }
            }),
            _ => return false,
        }
        true
    }
}

impl Plane {
    /// Fills each row.
    fn fill(&self, buffer: &mut [u8], mut fill: impl FnMut(usize, &mut [u8])) {
        for row in 0..self.rows {
            fill(row, &mut buffer[self.start + row * self.stride..][..self.width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::convert::{self, Converter};

    const SIZE: Size = Size::new(6, 4);

    fn picture() -> I420 {
        let mut picture = I420::black(SIZE);
        for (n, byte) in picture.y.iter_mut().enumerate() {
            *byte = n as u8 + 20;
        }
        (picture.u, picture.v) = ((100..106).collect(), (200..206).collect());
        picture
    }

    fn layouts(format: RawFormat) -> [Layout; 2] {
        let row = if format == RawFormat::Yuyv { 12 } else { 6 };
        [(row, 4), (row + 10, 6)].map(|(stride, rows)| Layout { format, size: SIZE, stride, rows })
    }

    #[test]
    fn a_picture_survives_every_layout() {
        for format in [RawFormat::Yu12, RawFormat::Nv12, RawFormat::Yuyv] {
            let [tight, padded] = layouts(format);
            let (mut a, mut b, mut c) = (vec![0; 200], vec![0; 200], vec![0; tight.bytes()]);
            assert!(tight.write(&picture(), &mut a) && padded.write(&picture(), &mut b));
            assert!(padded.copy(&b, &tight, &mut c), "{format}");
            assert_eq!(c, a[..tight.bytes()], "{format}: padded and back");
            let layout = convert::Layout { format, size: SIZE, stride: tight.stride, full_range: false };
            let mut read = I420::black(SIZE);
            Converter::new(layout).read(&c, &mut read).unwrap();
            assert!(read == picture(), "{format}: as it is read elsewhere");
        }
    }

    #[test]
    fn what_is_too_short_is_not_touched() {
        let [tight, padded] = layouts(RawFormat::Yu12);
        assert_eq!((tight.bytes(), padded.bytes()), (36, 16 * 6 + 8 * 3 + 8 + 3));
        let mut short = vec![7; padded.bytes() - 1];
        assert!(!padded.write(&picture(), &mut short) && !tight.copy(&[1; 36], &padded, &mut short));
        assert!(!tight.copy(&[1; 35], &tight, &mut [0; 36]));
        assert!(!tight.copy(&[1; 36], &layouts(RawFormat::Nv12)[0], &mut [0; 36]), "another format");
        assert!(short.iter().all(|byte| *byte == 7));
    }
}
