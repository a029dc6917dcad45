//! A level of a topic, or a whole exact filter: text that is mostly short and compared as bytes.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A level of a topic.
pub(crate) type Level = Text<22>;

/// A whole topic.
pub(crate) type Topic = Text<38>;

/// Up to `INLINE` bytes in place, longer ones shared. Copying a flat list copies up to 16 keys: in
/// place they cost a `memcpy`, not a reference count and a cache miss each.
#[derive(Clone)]
pub(crate) enum Text<const INLINE: usize> {
    Inline(u8, [u8; INLINE]),
    Shared(Arc<[u8]>),
}

impl<const INLINE: usize> Text<INLINE> {
    pub(crate) fn new(text: &str) -> Self {
        const { assert!(INLINE <= u8::MAX as usize) };
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Self::Inline(text.len() as u8, bytes)
            }
            None => Self::Shared(text.as_bytes().into()),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            // The length is at most INLINE; `min` lets the compiler see it.
            Self::Inline(len, bytes) => &bytes[..usize::from(*len).min(INLINE)],
            Self::Shared(bytes) => bytes,
        }
    }
}

impl<const INLINE: usize> Borrow<[u8]> for Text<INLINE> {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<const INLINE: usize> PartialEq for Text<INLINE> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const INLINE: usize> Eq for Text<INLINE> {}

impl<const INLINE: usize> PartialOrd for Text<INLINE> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const INLINE: usize> Ord for Text<INLINE> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

/// As the bytes hash, which [`Borrow`] demands.
impl<const INLINE: usize> Hash for Text<INLINE> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl<const INLINE: usize> std::fmt::Debug for Text<INLINE> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn text_of_any_length_is_its_bytes() {
        let hasher = foldhash::quality::RandomState::default();
        for len in 0..70 {
            let string = "ä".repeat(len / 2) + if len % 2 == 1 { "x" } else { "" };
            let text = Level::new(&string);
            assert_eq!(text.as_bytes(), string.as_bytes());
            assert_eq!(matches!(text, Level::Inline(..)), string.len() <= 22);
            assert_eq!(hasher.hash_one(&text), hasher.hash_one(string.as_bytes()));
            let longer = Level::new(&(string + "y"));
            assert!(text < longer && text != longer);
        }
    }
}
