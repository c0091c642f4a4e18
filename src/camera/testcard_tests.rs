use super::*;

const RATE: f64 = 30.0;

fn card(w: u32, h: u32) -> Card {
    Card::new(Size::new(w, h), FrameRate::new(RATE).unwrap())
}

#[test]
fn a_stamp_is_read_as_it_was_written_at_every_size() {
    for (w, h) in [(320, 240), (322, 242), (640, 480), (1280, 720), (1920, 1080), (64, 64), (3840, 2160)] {
        let mut card = card(w, h);
        for ms in [0, 1, 0xffff_ffff, 0x1_0000_0000, 1_763_870_400_123, 0xa5a5_5a5a] {
            let picture = card.render(Duration::from_millis(ms), 7);
            let read = read_stamp(&picture.y, picture.stride(), picture.size());
            assert_eq!(read, Some(ms as u32), "{w}×{h} {ms}");
        }
    }
}

#[test]
fn a_damaged_stamp_is_not_read() {
    let mut card = card(320, 240);
    let mut picture = card.render(Duration::from_millis(1_763_870_400_123), 0).clone();
    let size = picture.size();
    for row in picture.y.chunks_exact_mut(320).take(16) {
        row[80..88].iter_mut().for_each(|p| *p = WHITE + BLACK - *p);
    }
    assert_eq!(read_stamp(&picture.y, 320, size), None);
    assert_eq!(read_stamp(&[128; 320 * 240], 320, size), None, "grey");
    assert_eq!(read_stamp(&picture.y[..5000], 320, size), None, "short");
    assert_eq!(read_stamp(&[], 0, Size::new(0, 0)), None, "nothing");
}

#[test]
fn a_picture_follows_from_time_and_number_alone() {
    let (mut one, mut other) = (card(640, 480), card(640, 480));
    for ms in [5, 999, 61_000, 3_599_999] {
        one.render(Duration::from_millis(ms), ms);
    }
    let wall = Duration::from_millis(1_763_870_400_123);
    assert_eq!(one.render(wall, 42), other.render(wall, 42));
    assert_ne!(one.render(wall, 42).clone(), *other.render(wall + Duration::from_millis(33), 43));
}

#[test]
fn text_moves_and_colour_are_there() {
    let mut card = card(320, 240);
    let picture = card.render(Duration::from_millis(0), 0);
    let lit = |rows: Range<usize>| picture.y[rows.start * 320..rows.end * 320].contains(&WHITE);
    assert!(lit(134..162), "clock");
    assert!(lit(165..240), "lines");
    assert!(picture.u.iter().any(|&u| u < 60) && picture.v.iter().any(|&v| v > 200), "bars");
}
