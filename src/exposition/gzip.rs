//! A gzip stream in two parts, each of which is compressed only when it changes itself.
//!
//! Deflate blocks that end on a byte boundary can be concatenated, and CRCs can be combined.

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};

/// The gzip header: deflate, no name, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The second part of a stream.
#[derive(Debug)]
pub(super) struct Ending {
    /// The compressed part, without the trailer.
    bytes: Vec<u8>,
    /// CRC and length of the plain text.
    crc: Crc,
}

impl Ending {
    pub(super) fn new(plain: &[u8]) -> Self {
        let mut bytes = Vec::new();
        deflate(plain, FlushCompress::Finish, &mut bytes);
        let mut crc = Crc::new();
        crc.update(plain);
        Self { bytes, crc }
    }
}

/// The first part of a stream; [`Opening::close`] completes it.
#[derive(Debug)]
pub(super) struct Opening {
    /// The header and the compressed part.
    pub(super) bytes: Bytes,
    /// CRC and length of the plain text.
    crc: Crc,
}

impl Opening {
    pub(super) fn new(plain: &[u8]) -> Self {
        let mut bytes = HEADER.to_vec();
        deflate(plain, FlushCompress::Sync, &mut bytes);
        let mut crc = Crc::new();
        crc.update(plain);
        Self { bytes: bytes.into(), crc }
    }

    /// The second part and the trailer of the stream.
    pub(super) fn close(&self, ending: &Ending) -> Bytes {
        let mut crc = Crc::new();
        crc.combine(&self.crc);
        crc.combine(&ending.crc);
        let mut bytes = Vec::with_capacity(ending.bytes.len() + 8);
        bytes.extend_from_slice(&ending.bytes);
        bytes.extend_from_slice(&crc.sum().to_le_bytes());
        // The format keeps the length modulo 2^32, and so does `Crc`.
        bytes.extend_from_slice(&crc.amount().to_le_bytes());
        bytes.into()
    }
}

fn deflate(plain: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    // The fastest level: a scrape waits for it, and exposition text compresses well at any level.
    let mut compress = Compress::new(Compression::fast(), false);
    loop {
        let consumed = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        // Never zero: a flush is complete once it leaves spare capacity.
        out.reserve((plain.len() - consumed) / 8 + 256);
        let spare = out.capacity() - out.len();
        let before = compress.total_out();
        // Compression into memory fails only through misuse, which the tests would show.
        let status = compress.compress_vec(&plain[consumed..], out, flush);
        let written = usize::try_from(compress.total_out() - before).unwrap_or(usize::MAX);
        if !matches!(status, Ok(flate2::Status::Ok)) || (written < spare && compress.total_in() == plain.len() as u64) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    fn unzip(parts: &[&[u8]]) -> Vec<u8> {
        let stream = parts.concat();
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&stream[..]).read_to_end(&mut plain).expect("a valid gzip stream");
        plain
    }

    #[test]
    fn a_large_part_decompresses_completely() {
        let lines: Vec<_> = (0..200_000).map(|i| format!("balance{{account=\"{i}\"}} {}\n", i * 7919)).collect();
        let text = lines.concat();
        let opening = Opening::new(text.as_bytes());
        assert_eq!(unzip(&[&opening.bytes, &opening.close(&Ending::new(b"end\n"))]), [text.as_bytes(), b"end\n"].concat());
        assert!(opening.bytes.len() < text.len() / 3);
    }

    proptest! {
        #![proptest_config(crate::properties::config())]
        #[test]
        fn two_parts_form_one_stream(first in proptest::collection::vec(any::<u8>(), 0..5000), second in proptest::collection::vec(any::<u8>(), 0..500)) {
            let opening = Opening::new(&first);
            prop_assert_eq!(unzip(&[&opening.bytes, &opening.close(&Ending::new(&second))]), [first, second].concat());
        }
    }
}
