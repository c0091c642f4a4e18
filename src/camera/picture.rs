//! A raw picture, the only form in which pixels reach the software encoder.

use crate::media::units::Size;

/// Luma of black and of white in limited range (ITU-R BT.601, section 2.5.3).
pub const BLACK: u8 = 16;
/// See [`BLACK`].
pub const WHITE: u8 = 235;

/// A planar 4:2:0 picture, 8 bits, limited range (luma 16–235, chroma 16–240), BT.601 matrix.
///
/// The planes have no padding: `y` is width × height, `u` and `v` are a quarter of that.
#[derive(Clone, PartialEq, Eq)]
pub struct I420 {
    size: Size,
    /// Luma.
    pub y: Vec<u8>,
    /// Blue difference.
    pub u: Vec<u8>,
    /// Red difference.
    pub v: Vec<u8>,
}

impl I420 {
    /// The size that a picture has: an odd width or height is cut to the even number below; nothing is smaller than 2×2.
    pub fn even(size: Size) -> Size {
        Size::new((size.width & !1).max(2), (size.height & !1).max(2))
    }

    /// A black picture of the [even](Self::even) size.
    pub fn black(size: Size) -> Self {
        let size = Self::even(size);
        let pixels = size.pixels() as usize;
        Self { size, y: vec![BLACK; pixels], u: vec![128; pixels / 4], v: vec![128; pixels / 4] }
    }

    /// Width and height, both even.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Bytes in a row of luma; a row of chroma has half as many.
    pub fn stride(&self) -> usize {
        self.size.width as usize
    }
}

impl std::fmt::Debug for I420 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "I420({})", self.size)
    }
}
