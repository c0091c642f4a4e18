//! Six words that stand for a key, for people to compare.

use ring::digest::{Context, SHA256};

use super::key::Point;

/// The English list of BIP-39, 2048 words (MIT; Trezor's `mnemonic`).
const LIST: &str = include_str!("words.txt");
/// How many words: 66 bits.
const WORDS: usize = 6;

/// The words of a key, with spaces between.
pub fn words(point: &Point) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(b"lunette/1 words\0");
    hash.update(point.bytes());
    let hash = hash.finish();
    let bits = hash.as_ref().iter().take(16).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let number = |i: usize| (bits >> (128 - 11 * (i + 1))) as usize & 0x7ff;
    let words: Vec<_> = (0..WORDS).filter_map(|i| LIST.lines().nth(number(i))).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::key::SigningKey;
    use super::*;

    #[test]
    fn the_list_has_a_word_for_each_number() {
        let words: Vec<_> = LIST.lines().collect();
        assert_eq!(words.len(), 2048);
        assert_eq!((words[0], words[2047]), ("abandon", "zoo"));
        assert!(words.is_sorted() && words.iter().all(|w| w.bytes().all(|c| c.is_ascii_lowercase())));
    }

    #[test]
    fn a_key_has_six_words_and_another_key_others() {
        let key = || words(&SigningKey::generate().expect("a key").point());
        let (a, b) = (key(), key());
        assert_eq!(a.split(' ').count(), 6, "{a}");
        assert_ne!(a, b);
    }
}
