//! Reading a topic's levels fast: where a level ends and a word that stands for its text.

/// A level's text, as much of it as fits a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    /// The length in bytes.
    pub(super) len: usize,
    /// Up to eight bytes: the text itself, little-endian and zero-padded, so that equal length and word mean equal
    /// text. More: a mix of its first and last eight, and the texts must be compared.
    pub(super) word: u64,
}

/// A level longer than this needs its text compared.
pub(super) const EXACT: usize = 8;

const SLASHES: u64 = 0x2f2f_2f2f_2f2f_2f2f;
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Where the first `/` among eight bytes stands, as the number of bytes before it; 8 when there is none.
#[inline]
const fn first_slash(word: u64) -> usize {
    let zero_at_slash = word ^ SLASHES;
    // The lowest bit set marks the first zero byte; higher ones may be wrong and are not looked at.
    let found = zero_at_slash.wrapping_sub(LOW) & !zero_at_slash & HIGH;
    (found.trailing_zeros() / 8) as usize
}

#[inline]
fn eight(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The bytes from `at` to the end, fewer than eight, zero-padded.
#[inline]
fn tail(bytes: &[u8], at: usize) -> u64 {
    let left = bytes.len().saturating_sub(at);
    match bytes.last_chunk() {
        // One load that ends with the topic; what precedes `at` is shifted out.
        Some(_) if left == 0 => 0,
        Some(chunk) => u64::from_le_bytes(*chunk) >> (8 * (8 - left)),
        None => bytes.iter().skip(at).rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The level of `topic` that begins at `start`.
#[inline]
pub(super) fn token(topic: &[u8], start: usize) -> Token {
    let Some(word) = eight(topic, start) else {
        let left = topic.len().saturating_sub(start);
        let word = tail(topic, start);
        let len = first_slash(word).min(left);
        return Token { len, word: word & !(u64::MAX << (8 * len)) };
    };
    let len = first_slash(word);
    if len < 8 {
        return Token { len, word: word & !(u64::MAX << (8 * len)) };
    }
    match topic.get(start + 8) {
        None | Some(b'/') => Token { len: 8, word },
        Some(_) => long_token(topic, start, word),
    }
}

fn long_token(topic: &[u8], start: usize, first: u64) -> Token {
    let mut end = start + 8;
    while let Some(word) = eight(topic, end) {
        let found = first_slash(word);
        end += found;
        if found < 8 {
            break;
        }
    }
    let rest = topic.get(end..).unwrap_or_default();
    if rest.len() < 8 {
        end += rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    }
    let last = eight(topic, end - 8).unwrap_or_default();
    Token { len: end - start, word: fold(first, last ^ 0x9e37_79b9_7f4a_7c15) }
}

/// Multiplies and folds both halves of the product together: every bit of the result depends on all of both.
#[inline]
pub(super) const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tokens_cut_a_topic_where_split_does(topic in "[a-c/é]{0,40}") {
            let (mut start, bytes) = (0, topic.as_bytes());
            for level in topic.split('/') {
                let found = token(bytes, start);
                prop_assert_eq!(found.len, level.len());
                // The same text gives the same word wherever it stands.
                prop_assert_eq!(found, token(level.as_bytes(), 0));
                if level.len() <= EXACT {
                    let padded = level.bytes().rev().fold(0, |word, byte| word << 8 | u64::from(byte));
                    prop_assert_eq!(found.word, padded);
                }
                start += level.len() + 1;
            }
            prop_assert_eq!(start, bytes.len() + 1);
        }
    }
}
