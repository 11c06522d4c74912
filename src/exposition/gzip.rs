//! A gzip stream in two parts: a long one that is compressed once for all scrapes, and a short one for each scrape.
//!
//! Deflate blocks that end on a byte can be laid end to end, and CRCs can be combined, so the long part is never compressed
//! again just because the short one changed.

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};

/// The fixed head: deflate, no name, no time, unknown system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The first part of a stream, which a second part must end.
#[derive(Debug)]
pub(super) struct Opening {
    /// The head and the compressed part.
    pub(super) bytes: Bytes,
    sum: Hasher,
    /// Of the plain text, modulo 2^32 as the format wants it.
    length: u32,
}

impl Opening {
    pub(super) fn new(plain: &[u8]) -> Self {
        let mut bytes = HEAD.to_vec();
        deflate(plain, FlushCompress::Sync, &mut bytes);
        let mut sum = Hasher::new();
        sum.update(plain);
        Self { bytes: bytes.into(), sum, length: length(plain) }
    }

    /// The compressed second part with the end of the stream.
    pub(super) fn close(&self, plain: &[u8]) -> Bytes {
        let mut bytes = Vec::new();
        deflate(plain, FlushCompress::Finish, &mut bytes);
        let mut sum = self.sum.clone();
        sum.update(plain);
        bytes.extend_from_slice(&sum.finalize().to_le_bytes());
        bytes.extend_from_slice(&self.length.wrapping_add(length(plain)).to_le_bytes());
        bytes.into()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the format keeps the length modulo 2^32")]
fn length(plain: &[u8]) -> u32 {
    plain.len() as u32
}

fn deflate(plain: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    // Exposition text shrinks well even so, and a scrape waits for this.
    let mut compress = Compress::new(Compression::fast(), false);
    loop {
        let consumed = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        // One chunk of spare room at least: a flush is complete once the room was not used up.
        out.reserve((plain.len() - consumed) / 8 + 256);
        let spare = out.capacity() - out.len();
        let before = compress.total_out();
        // Compressing into memory has no error but misuse, which the tests would show.
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
        flate2::read::GzDecoder::new(&stream[..]).read_to_end(&mut plain).expect("one good gzip stream");
        plain
    }

    #[test]
    fn large_parts_are_whole() {
        let lines: Vec<_> = (0..200_000).map(|i| format!("balance{{account=\"{i}\"}} {}\n", i * 7919)).collect();
        let text = lines.concat();
        let opening = Opening::new(text.as_bytes());
        assert_eq!(unzip(&[&opening.bytes, &opening.close(b"end\n")]), [text.as_bytes(), b"end\n"].concat());
        assert!(opening.bytes.len() < text.len() / 3);
    }

    proptest! {
        #![proptest_config(crate::properties::config())]
        #[test]
        fn two_parts_are_one_stream(first in proptest::collection::vec(any::<u8>(), 0..5000), second in proptest::collection::vec(any::<u8>(), 0..500)) {
            let opening = Opening::new(&first);
            prop_assert_eq!(unzip(&[&opening.bytes, &opening.close(&second)]), [first, second].concat());
        }
    }
}
