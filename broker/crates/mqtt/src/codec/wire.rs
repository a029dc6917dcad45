//! The primitive types of MQTT on the wire: integers, strings, binary data, variable byte integers (specification 1.5).

use super::{DecodeError, EncodeError};

/// The largest value of a variable byte integer [MQTT-1.5.5-1].
pub(super) const MAX_VARINT: usize = 268_435_455;

/// Bytes of a packet that were not read yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The packet must end here.
    #[inline]
    pub(super) const fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A packet identifier, which is never 0 [MQTT-2.2.1-3].
    #[inline]
    pub(super) fn packet_id(&mut self) -> Result<u16, DecodeError> {
        match self.u16()? {
            0 => Err(DecodeError::PacketIdZero),
            id => Ok(id),
        }
    }

    /// A variable byte integer in its shortest form [MQTT-1.5.5-1].
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u32, DecodeError> {
        let read = read_varint(self.rest)?.ok_or(DecodeError::Truncated)?;
        if !read.minimal {
            return Err(DecodeError::IntegerNotMinimal);
        }
        self.take(read.width)?;
        Ok(read.value)
    }

    /// Binary data: two bytes of length, then that many bytes.
    #[inline]
    pub(super) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// A UTF-8 string: well-formed, so without surrogates [MQTT-1.5.4-1], and without U+0000 [MQTT-1.5.4-2]. A
    /// U+FEFF is an ordinary character and stays [MQTT-1.5.4-3].
    #[inline]
    pub(super) fn string(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.binary()?;
        if bytes.contains(&0) {
            return Err(DecodeError::NulCharacter);
        }
        core::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)
    }
}

/// A variable byte integer as it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Varint {
    pub(super) value: u32,
    /// Bytes that it takes, 1 to 4.
    pub(super) width: usize,
    /// False if fewer bytes could say the same.
    pub(super) minimal: bool,
}

/// Reads a variable byte integer at the start of `bytes`; `None` if `bytes` ends within it.
#[inline]
pub(super) fn read_varint(bytes: &[u8]) -> Result<Option<Varint>, DecodeError> {
    if let Some(&first) = bytes.first()
        && first < 0x80
    {
        return Ok(Some(Varint { value: u32::from(first), width: 1, minimal: true }));
    }
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            // Only a last group of zero adds nothing to the value.
            return Ok(Some(Varint { value, width: index + 1, minimal: byte != 0 }));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(DecodeError::IntegerTooLong) }
}

/// Bytes that `value` takes as a variable byte integer.
#[inline]
pub(super) const fn varint_len(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

/// The bytes of `value` as a variable byte integer, and how many of them count.
#[inline]
pub(super) const fn varint_bytes(value: usize) -> ([u8; 4], usize) {
    let width = varint_len(value);
    let mut bytes = [0; 4];
    let mut index = 0;
    while index < width {
        // Truncation is the point: seven bits at a time.
        bytes[index] = (value >> (7 * index)) as u8 & 0x7f | if index + 1 < width { 0x80 } else { 0 };
        index += 1;
    }
    (bytes, width)
}

/// Appends `value`, which must not exceed [`MAX_VARINT`], as a variable byte integer.
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, value: usize) {
    let (bytes, width) = varint_bytes(value);
    out.extend_from_slice(&bytes[..width]);
}

/// Appends binary data or the bytes of a string behind their length.
#[inline]
pub(super) fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), EncodeError> {
    let length = u16::try_from(bytes.len()).map_err(|_| EncodeError::FieldTooLong(bytes.len()))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends what `write` appends, behind its own length as a variable byte integer.
pub(super) fn put_measured(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    // The length is known last; it gets the room of its longest form and the content moves down to the real one.
    // These are the small and rare packets; PUBLISH computes its length instead.
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let length = out.len() - start - 4;
    if length > MAX_VARINT {
        return Err(EncodeError::PacketTooLong(length));
    }
    let (bytes, width) = varint_bytes(length);
    out[start..start + width].copy_from_slice(&bytes[..width]);
    out.copy_within(start + 4.., start + width);
    out.truncate(start + width + length);
    Ok(())
}

/// Appends a packet: its first byte, its remaining length, and the body that `write` appends. On failure `out` is as
/// it was.
pub(super) fn put_packet(
    out: &mut Vec<u8>,
    first: u8,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.push(first);
    let result = put_measured(out, write);
    if result.is_err() {
        out.truncate(start);
    }
    result
}
