use proptest::prelude::*;

use super::*;

const SIZE: Size = Size::new(6, 4);

fn layout(format: RawFormat, stride: usize) -> Layout {
    Layout { format, size: SIZE, stride, full_range: false }
}

fn luma(x: usize, y: usize) -> u8 {
    (20 + 30 * x + y) as u8
}

/// Rows of `stride` bytes with the given ones at their beginning, the last one without its padding.
fn rows(stride: usize, rows: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut used = 0;
    for row in rows {
        buffer.resize(buffer.len().next_multiple_of(stride), 0xee);
        buffer.extend(&row);
        used = buffer.len();
    }
    buffer.truncate(used);
    buffer
}

fn convert(layout: Layout, buffer: &[u8]) -> Result<I420, ConvertError> {
    let mut picture = I420::black(layout.size);
    let mut converter = Converter::new(layout);
    converter.read(buffer, &mut picture)?;
    converter.finish(&mut picture)?;
    Ok(picture)
}

fn assert_luma(picture: &I420) {
    let expected: Vec<u8> = (0..4).flat_map(|y| (0..6).map(move |x| luma(x, y))).collect();
    assert_eq!(picture.y, expected);
}

#[test]
fn yuyv_with_and_without_padding() {
    for stride in [12, 13, 16, 64] {
        let row =
            |y: usize| (0..6).flat_map(|x| [luma(x, y), (100 + 10 * (x / 2) + y + 100 * (x % 2)) as u8]).collect();
        let buffer = rows(stride, (0..4).map(row));
        let picture = convert(layout(RawFormat::Yuyv, stride), &buffer).unwrap();
        assert_luma(&picture);
        assert_eq!(picture.u, [101, 111, 121, 103, 113, 123], "mean of two rows, rounded up; stride {stride}");
        assert_eq!(picture.v, [201, 211, 221, 203, 213, 223]);
        for cut in [0, 1, buffer.len() - 1] {
            assert!(matches!(
                convert(layout(RawFormat::Yuyv, stride), &buffer[..cut]),
                Err(ConvertError::Short { .. })
            ));
        }
    }
    let unpadded = convert(layout(RawFormat::Yuyv, 0), &[7; 48]).unwrap();
    assert!(unpadded.y.iter().chain(&unpadded.u).all(|&p| p == 7), "a driver that does not tell its stride");
}

#[test]
fn planar_formats_with_and_without_padding() {
    for stride in [6, 8, 64] {
        let lumas = || (0..4).map(|y| (0..6).map(|x| luma(x, y)).collect());
        let (u, v) = ([1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]);
        let chroma = (0..2).map(|y| (0..3).flat_map(|x| [u[3 * y + x], v[3 * y + x]]).collect());
        let nv12 = rows(stride, lumas().chain(chroma));
        let mut yu12 = rows(stride, lumas());
        yu12.resize(4 * stride, 0);
        yu12.extend(rows(stride / 2, u.chunks(3).chain(v.chunks(3)).map(<[u8]>::to_vec)));
        for (format, buffer) in [(RawFormat::Nv12, nv12), (RawFormat::Yu12, yu12)] {
            let picture = convert(layout(format, stride), &buffer).unwrap();
            assert_luma(&picture);
            assert_eq!((picture.u.as_slice(), picture.v.as_slice()), (&u[..], &v[..]), "{format:?}, stride {stride}");
            let short = convert(layout(format, stride), &buffer[..buffer.len() - 1]);
            assert!(matches!(short, Err(ConvertError::Short { .. })), "{format:?}");
        }
    }
}

#[test]
fn full_range_becomes_limited() {
    let full = Layout { full_range: true, ..layout(RawFormat::Yu12, 6) };
    let ends = |luma: u8, chroma: u8| {
        let mut buffer = [luma; 36];
        buffer[24..].fill(chroma);
        let picture = convert(full, &buffer).unwrap();
        (picture.y[0], picture.u[0], picture.v[5])
    };
    assert_eq!(ends(0, 0), (16, 16, 16));
    assert_eq!(ends(255, 255), (235, 240, 240));
    assert_eq!(ends(128, 128), (126, 128, 128));
}

/// A grey JPEG of 16×16 in 4:2:0 with luma 130, by ImageMagick's encoder, without its Huffman tables.
fn jpeg_without_tables(width: u8, height: u8) -> Vec<u8> {
    let mut jpeg = vec![0xff, 0xd8];
    for table in 0..2 {
        jpeg.extend([0xff, 0xdb, 0, 67, table]);
        jpeg.extend([1; 64]);
    }
    jpeg.extend([0xff, 0xc0, 0, 17, 8, 0, height, 0, width, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    jpeg.extend([0xff, 0xda, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]);
    // Luma DC of 16 = 8 · (130 - 128): category 5 (code 110), bits 10000; then the end of the block (1010). The next
    // three differ by 0 (code 00, then 1010); chroma is 0 (code 00, then 00), twice. Padded with ones.
    let bits = format!("110100001010{}{}", "001010".repeat(3), "0000".repeat(2));
    let bits = format!("{bits:1<40}");
    jpeg.extend(bits.as_bytes().chunks(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | (bit - b'0'))));
    jpeg.extend([0xff, 0xd9]);
    jpeg
}

#[test]
fn jpeg_of_webcams_is_decoded_without_huffman_tables() {
    let layout = Layout { format: RawFormat::Mjpg, size: Size::new(16, 16), stride: 0, full_range: false };
    let mut jpeg = jpeg_without_tables(16, 16);
    jpeg.extend([0; 100]);
    let picture = convert(layout, &jpeg).unwrap();
    assert!(picture.y.iter().all(|&y| y == 128), "{:?}", &picture.y[..4]);
    assert!(picture.u.iter().chain(&picture.v).all(|&c| c == 128));
}

#[test]
fn a_broken_jpeg_is_an_error() {
    let layout = Layout { format: RawFormat::Mjpg, size: Size::new(16, 16), stride: 0, full_range: false };
    let jpeg = jpeg_without_tables(16, 16);
    assert!(matches!(convert(layout, &jpeg[..jpeg.len() - 2]), Err(ConvertError::TruncatedJpeg(_))));
    assert!(matches!(convert(layout, &jpeg[1..]), Err(ConvertError::TruncatedJpeg(_))));
    assert!(matches!(convert(layout, &[]), Err(ConvertError::TruncatedJpeg(0))));
    assert!(matches!(convert(layout, &[0xff, 0xd8, 0xff, 0xd9]), Err(ConvertError::Jpeg(_))));
    let other = jpeg_without_tables(16, 8);
    assert!(matches!(convert(layout, &other), Err(ConvertError::JpegSize(..) | ConvertError::Jpeg(_))));
}

proptest! {
    #[test]
    fn no_buffer_is_a_panic(
        format in prop::sample::select(RawFormat::ALL.to_vec()),
        (width, height) in (1u32..40, 1u32..40),
        stride in 0usize..100,
        full_range: bool,
        buffer in prop::collection::vec(any::<u8>(), 0..6000),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let layout = Layout { format, size: Size::new(width, height), stride, full_range };
        let _ = convert(layout, &buffer);
        let mut jpeg = jpeg_without_tables(16, 16);
        for (at, byte) in damage {
            let at = at.index(jpeg.len());
            jpeg[at] = byte;
        }
        let _ = convert(Layout { format: RawFormat::Mjpg, size: Size::new(16, 16), ..layout }, &jpeg);
    }
}
