//! A smaller copy of a picture, for the low stream.

use super::picture::I420;
use crate::media::units::Size;

/// Makes smaller copies, each pixel the mean of those it stands for.
#[derive(Debug)]
pub struct Shrinker {
    picture: I420,
    /// Sums of one row of the copy.
    sums: Vec<u32>,
}

impl Shrinker {
    /// For copies of this size.
    pub fn new(size: Size) -> Self {
        let picture = I420::black(size);
        Self { sums: vec![0; picture.stride()], picture }
    }

    /// The copy's size.
    pub fn size(&self) -> Size {
        self.picture.size()
    }

    /// The last copy.
    pub fn picture(&self) -> &I420 {
        &self.picture
    }

    /// Makes a copy. Of a picture that is smaller, each pixel stands in several places.
    pub fn shrink(&mut self, from: &I420) {
        let (w, h) = (from.stride(), from.size().height as usize);
        let to = &mut self.picture;
        let (to_w, to_h) = (to.stride(), to.size().height as usize);
        plane((&from.y, w, h), (&mut to.y, to_w, to_h), &mut self.sums);
        plane((&from.u, w / 2, h / 2), (&mut to.u, to_w / 2, to_h / 2), &mut self.sums);
        plane((&from.v, w / 2, h / 2), (&mut to.v, to_w / 2, to_h / 2), &mut self.sums);
    }
}

/// Samples, width and height of a plane.
type Plane<T> = (T, usize, usize);

fn plane((from, w, h): Plane<&[u8]>, (to, to_w, to_h): Plane<&mut [u8]>, sums: &mut [u32]) {
    for (y, to) in to.chunks_exact_mut(to_w).enumerate() {
        let rows = part(y, h, to_h);
        let sums = &mut sums[..to_w];
        sums.fill(0);
        for row in from[rows.start * w..rows.end * w].chunks_exact(w) {
            add(row, sums);
        }
        let mut columns = 0;
        for (x, (to, sum)) in to.iter_mut().zip(&*sums).enumerate() {
            // Of the same width from column to column, but for sizes that do not divide.
            if x == 0 || !w.is_multiple_of(to_w) {
                columns = part(x, w, to_w).len();
            }
            let count = (columns * rows.len()) as u32;
            *to = ((sum + count / 2) / count) as u8;
        }
    }
}

/// Adds a row's samples to the sums of the columns that stand for them.
fn add(row: &[u8], sums: &mut [u32]) {
    if row.len() == 2 * sums.len() {
        // The usual case, in a form that compiles to vector instructions.
        for (pair, sum) in row.chunks_exact(2).zip(sums) {
            *sum += u32::from(pair[0]) + u32::from(pair[1]);
        }
        return;
    }
    let (w, to_w) = (row.len(), sums.len());
    for (x, sum) in sums.iter_mut().enumerate() {
        *sum += row[part(x, w, to_w)].iter().map(|&sample| u32::from(sample)).sum::<u32>();
    }
}

/// Which of `from` samples the sample `n` of `to` stands for: at least one.
fn part(n: usize, from: usize, to: usize) -> std::ops::Range<usize> {
    let start = (n * from / to).min(from.saturating_sub(1));
    start..((n + 1) * from / to).clamp(start + 1, from.max(start + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_is_the_mean_of_its_part() {
        let mut from = I420::black(Size::new(8, 4));
        from.y.iter_mut().enumerate().for_each(|(n, y)| *y = n as u8);
        from.u.copy_from_slice(&[10, 20, 30, 40, 50, 60, 70, 80]);
        let mut shrinker = Shrinker::new(Size::new(4, 2));
        shrinker.shrink(&from);
        let to = shrinker.picture();
        assert_eq!(to.y, [5, 7, 9, 11, 21, 23, 25, 27], "the mean of four, rounded");
        assert_eq!(to.u, [35, 55]);
        assert_eq!(to.v, [128, 128]);
    }

    #[test]
    fn any_size_becomes_any_other() {
        let sizes = [(2, 2), (4, 6), (64, 64), (66, 50), (320, 180), (322, 182)].map(|(w, h)| Size::new(w, h));
        for from in sizes {
            let mut picture = I420::black(from);
            picture.y.fill(99);
            picture.u.fill(50);
            for to in sizes {
                let mut shrinker = Shrinker::new(to);
                shrinker.shrink(&picture);
                let small = shrinker.picture();
                assert_eq!(small.size(), to);
                assert!(small.y.iter().all(|&y| y == 99) && small.u.iter().all(|&u| u == 50), "{from} to {to}");
            }
        }
    }
}
