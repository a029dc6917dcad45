//! Topic names and topic filters (specification 4.7 and 4.8.2).

/// What a topic name or filter breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It has no character [MQTT-4.7.3-1].
    #[error("must not be empty")]
    Empty,
    /// It is longer than 65535 bytes [MQTT-4.7.3-3].
    #[error("must not exceed 65535 bytes")]
    TooLong,
    /// It holds U+0000 [MQTT-4.7.3-2].
    #[error("must not contain u+0000")]
    NulCharacter,
    /// A topic name holds `+` or `#` [MQTT-4.7.0-1].
    #[error("must not contain the wildcards + and #")]
    Wildcard,
    /// `#` is not the whole last level [MQTT-4.7.1-1].
    #[error("must have # only as its whole last level")]
    MultiLevelWildcard,
    /// `+` is not a whole level [MQTT-4.7.1-2].
    #[error("must have + only as a whole level")]
    SingleLevelWildcard,
    /// The share name is empty or holds `+` or `#` [MQTT-4.8.2-1], [MQTT-4.8.2-2].
    #[error("must have a share name without + and # behind $share/")]
    ShareName,
    /// No topic filter follows the share name [MQTT-4.8.2-2].
    #[error("must have a topic filter behind the share name")]
    ShareFilter,
}

const SHARE: &str = "$share/";

/// Checks a topic name: what a PUBLISH or a will may be sent to.
///
/// # Errors
/// [`TopicError`] if it is empty, too long, or holds a wildcard or U+0000.
pub fn validate_topic_name(name: &str) -> Result<(), TopicError> {
    check_length(name)?;
    if is_plain(name.as_bytes()) {
        return Ok(());
    }
    Err(if name.contains('\0') { TopicError::NulCharacter } else { TopicError::Wildcard })
}

/// True if `bytes` holds none of NUL, `+` and `#`. Bytes of a longer UTF-8 sequence are never one of them.
#[inline]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    // Eight bytes at a time: a byte of `word ^ pattern` is zero where the pattern's character stands, and
    // `(x - LOW) & !x & HIGH` is non-zero exactly if `x` has a zero byte.
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    #[inline]
    const fn zero(word: u64) -> u64 {
        word.wrapping_sub(LOW) & !word
    }
    #[inline]
    const fn special(word: u64) -> u64 {
        (zero(word) | zero(word ^ (LOW * b'+' as u64)) | zero(word ^ (LOW * b'#' as u64))) & HIGH
    }
    let Some(last) = bytes.last_chunk::<8>() else {
        return !bytes.iter().any(|byte| matches!(byte, 0 | b'+' | b'#'));
    };
    // The last word may overlap the one before it, which costs less than a tail byte by byte.
    let mut found = special(u64::from_le_bytes(*last));
    for word in bytes.as_chunks::<8>().0 {
        found |= special(u64::from_le_bytes(*word));
    }
    found == 0
}

/// Checks a topic filter as a SUBSCRIBE or UNSUBSCRIBE carries it, `$share/name/filter` included. The rules for shared
/// subscriptions hold in every protocol version, because brokers serve them to MQTT 3.1.1 clients too.
///
/// # Errors
/// [`TopicError`] that names the rule.
pub fn validate_topic_filter(filter: &str) -> Result<(), TopicError> {
    check_length(filter)?;
    split_share(filter).map(|_| ())
}

/// Splits `$share/name/filter` into `(Some(name), filter)`; any other filter is `(None, filter)`. The filter returned is
/// a valid one: it is checked on the way.
///
/// # Errors
/// [`TopicError`] if the share name is missing or has a wildcard, or the filter is not valid.
pub fn split_share(filter: &str) -> Result<(Option<&str>, &str), TopicError> {
    let Some(shared) = filter.strip_prefix(SHARE) else {
        check_filter(filter)?;
        return Ok((None, filter));
    };
    let (name, inner) = shared.split_once('/').unwrap_or((shared, ""));
    if name.is_empty() || !is_plain(name.as_bytes()) {
        return Err(TopicError::ShareName);
    }
    if inner.is_empty() {
        return Err(TopicError::ShareFilter);
    }
    check_filter(inner)?;
    Ok((Some(name), inner))
}

fn check_length(text: &str) -> Result<(), TopicError> {
    match text.len() {
        0 => Err(TopicError::Empty),
        1..=65535 => Ok(()),
        _ => Err(TopicError::TooLong),
    }
}

/// Checks the wildcards of a filter without a share prefix.
fn check_filter(filter: &str) -> Result<(), TopicError> {
    check_length(filter)?;
    if is_plain(filter.as_bytes()) {
        return Ok(());
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('\0') {
            return Err(TopicError::NulCharacter);
        }
        if level.contains('#') && (level.len() > 1 || levels.peek().is_some()) {
            return Err(TopicError::MultiLevelWildcard);
        }
        if level.contains('+') && level.len() > 1 {
            return Err(TopicError::SingleLevelWildcard);
        }
    }
    Ok(())
}

/// Whether a topic name matches a topic filter, by the letter of the specification: the truth that faster structures are
/// tested against. Both must be valid, and the filter without a share prefix.
///
/// A filter that begins with a wildcard never matches a name that begins with `$` [MQTT-4.7.2-1].
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = topic.split('/');
    for level in filter.split('/') {
        if level == "#" {
            // The parent level too: `sport/#` matches `sport`, and here all of its levels are used up.
            return true;
        }
        match names.next() {
            Some(name) if level == "+" || level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}
