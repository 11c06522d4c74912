//! Decodes content codings (RFC 9110, section 8.4).
//!
//! Pure functions of bytes. A body that is truncated, damaged or followed by other bytes is an error; encoded bytes are never
//! returned as plain ones.

use super::BODY_LIMIT;
use crate::domain::{Failure, Reason};
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use reqwest::header::{CONTENT_ENCODING, HeaderMap, TRANSFER_ENCODING};
use std::io::Read;

/// `Accept-Encoding` of providers that do not require another value.
pub(super) const ACCEPTED: &str = "gzip,deflate,br";
/// The largest encoded body, in bytes. It is more than [`BODY_LIMIT`], because incompressible data grows a little when encoded.
const ENCODED_LIMIT: usize = 2 * BODY_LIMIT;
/// The maximum number of codings of one body. Each costs a pass over the body; one is usual.
const CODING_LIMIT: usize = 4;
/// The size of the output buffer, in bytes.
const BUFFER_SIZE: usize = 16 * 1024;

/// The codings of a body, in the order in which they were applied.
#[derive(Debug, PartialEq)]
pub(super) struct Codings(Vec<Coding>);

#[derive(Debug, PartialEq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    /// None that is known. Its name is not kept: it could quote a secret.
    Unknown,
}

impl Codings {
    /// Reads the codings from the headers. Transfer codings were applied after content codings. A server must not use transfer codings
    /// that were not requested (RFC 9110, section 10.1.4); if it does, they are decoded all the same.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let content = headers.get_all(CONTENT_ENCODING).iter();
        let lines = content.chain(headers.get_all(TRANSFER_ENCODING));
        let names = lines.flat_map(|line| line.as_bytes().split(|b| *b == b','));
        let names = names.map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase());
        Self(names.filter_map(|name| Coding::of(&name)).collect())
    }

    /// The largest encoded body, in bytes.
    pub(super) fn limit(&self) -> usize {
        if self.are_none() { BODY_LIMIT } else { ENCODED_LIMIT }
    }

    /// Whether the body is not encoded.
    pub(super) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Decodes a body to at most [`BODY_LIMIT`] bytes. An empty body stays empty, whatever the headers say: responses without a body
    /// repeat the headers of responses with one.
    ///
    /// # Errors
    /// When the body is damaged or too large, or has an unknown coding.
    pub(super) fn decode(&self, mut body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        if body.is_empty() {
            return Ok(body);
        }
        if self.0.len() > CODING_LIMIT {
            return Err(Failure::new(Reason::Decode, format!("the body has more than {CODING_LIMIT} content codings")));
        }
        for (left, coding) in self.0.iter().enumerate().rev() {
            let limit = if left == 0 { BODY_LIMIT } else { ENCODED_LIMIT };
            body = match coding {
                Coding::Gzip => gunzip(&body, limit),
                Coding::Deflate => inflate(&body, limit),
                Coding::Brotli => unbrotli(&body, limit),
                Coding::Unknown => {
                    Err(Failure::new(Reason::Decode, "the body has an unknown content coding; known are gzip, deflate and br"))
                }
            }?;
        }
        Ok(body)
    }
}

impl Coding {
    /// The coding of this name in lower case, or none where the name means that nothing was done.
    fn of(name: &str) -> Option<Self> {
        match name {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            // Empty list elements are ignored (RFC 9110, section 5.6.1). hyper has already decoded chunks. PHP programs send "none" to
            // disable compression, and "utf-8" as the character set.
            "" | "identity" | "chunked" | "none" | "utf-8" => None,
            _ => Some(Self::Unknown),
        }
    }
}

/// Decodes all members of a gzip file, which form one text (RFC 1952, section 2.2).
fn gunzip(body: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let mut plain = Vec::new();
    let mut bounded = MultiGzDecoder::new(body).take(limit as u64 + 1);
    bounded.read_to_end(&mut plain).map_err(|error| damaged("gzip", &error.to_string()))?;
    if plain.len() > limit { Err(too_large()) } else { Ok(plain) }
}

/// Decodes deflate in the zlib format, which RFC 9110 requires, or without it, as some servers send it.
fn inflate(body: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    // The low nibble that identifies the zlib format. A raw stream with it would be a stored block with nonzero padding, which no
    // encoder writes.
    let zlib = body.first().is_some_and(|first| first & 0x0f == 8);
    let mut stream = Decompress::new(zlib);
    let (mut plain, mut read) = (Vec::new(), 0);
    loop {
        plain.reserve(BUFFER_SIZE);
        let (rest, before) = (body.get(read..).unwrap_or_default(), plain.len());
        let status = stream.decompress_vec(rest, &mut plain, FlushDecompress::None);
        let status = status.map_err(|error| damaged("deflate", &error.to_string()))?;
        let used = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        if plain.len() > limit {
            return Err(too_large());
        }
        match status {
            Status::StreamEnd if used == body.len() => return Ok(plain),
            Status::StreamEnd => return Err(damaged("deflate", AFTER_THE_END)),
            Status::Ok | Status::BufError if used == read && plain.len() == before => return Err(damaged("deflate", TRUNCATED)),
            Status::Ok | Status::BufError => read = used,
        }
    }
}

fn unbrotli(body: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    let alloc = StandardAlloc::default;
    // `br` does not allow large windows.
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut plain, mut buffer) = (Vec::new(), vec![0; BUFFER_SIZE]);
    let (mut left, mut read, mut total) = (body.len(), 0, 0);
    loop {
        let (mut room, mut written) = (buffer.len(), 0);
        let result =
            BrotliDecompressStream(&mut left, &mut read, body, &mut room, &mut written, &mut buffer, &mut total, &mut state);
        plain.extend_from_slice(buffer.get(..written).unwrap_or_default());
        if plain.len() > limit {
            return Err(too_large());
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if left == 0 => return Ok(plain),
            BrotliResult::ResultSuccess => return Err(damaged("br", AFTER_THE_END)),
            BrotliResult::NeedsMoreInput => return Err(damaged("br", TRUNCATED)),
            BrotliResult::ResultFailure => return Err(damaged("br", "it is damaged")),
        }
    }
}

const TRUNCATED: &str = "it is truncated";
const AFTER_THE_END: &str = "bytes follow its end";

/// The failure of a body that is too large.
pub(super) fn too_large() -> Failure {
    Failure::new(Reason::TooLarge, "the body is over 1 MiB")
}

fn damaged(coding: &str, how: &str) -> Failure {
    Failure::new(Reason::Decode, format!("the body cannot be decoded from {coding}: {how}"))
}

#[cfg(test)]
mod tests;
