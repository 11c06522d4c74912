use super::*;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use reqwest::header::{HeaderName, HeaderValue};
use std::io::Write;

const TEXT: &[u8] = b"{\"money\":\"19023.9\",\"currency\":\"RUR\",\"information\":[]}";

type Encoder = fn(&[u8]) -> Vec<u8>;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

fn raw(plain: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

fn brotli(plain: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    brotli::CompressorWriter::new(&mut encoded, 4096, 5, 22).write_all(plain).expect("memory");
    encoded
}

fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).expect("a value"))).collect()
}

fn decode_lines(lines: &[(HeaderName, &str)], body: Vec<u8>) -> Result<Vec<u8>, (Reason, String)> {
    Codings::of(&headers(lines)).decode(body).map_err(|failure| (failure.reason, failure.detail))
}

fn decode(coding: &str, body: Vec<u8>) -> Result<Vec<u8>, (Reason, String)> {
    decode_lines(&[(CONTENT_ENCODING, coding)], body)
}

#[test]
fn all_names_of_a_coding_are_known() {
    let encoded = [
        ("gzip", gzip(TEXT)),
        ("GZIP", gzip(TEXT)),
        ("x-gzip", gzip(TEXT)),
        ("X-Gzip", gzip(TEXT)),
        ("\t gzip ", gzip(TEXT)),
        (",gzip,,", gzip(TEXT)),
        ("deflate", zlib(TEXT)),
        ("Deflate", zlib(TEXT)),
        ("br", brotli(TEXT)),
        ("BR", brotli(TEXT)),
        ("", TEXT.to_vec()),
        (" , ", TEXT.to_vec()),
        ("identity", TEXT.to_vec()),
        ("Identity, identity", TEXT.to_vec()),
        ("none", TEXT.to_vec()),
        ("UTF-8", TEXT.to_vec()),
        ("identity, gzip", gzip(TEXT)),
    ];
    for (coding, body) in encoded {
        assert_eq!(decode(coding, body), Ok(TEXT.to_vec()), "{coding}");
    }
}

#[test]
fn both_formats_of_deflate_are_decoded() {
    for level in 0..=9 {
        assert_eq!(decode("deflate", raw(TEXT, level)), Ok(TEXT.to_vec()), "level {level}");
    }
    for plain in [&b""[..], b"x", &vec![0; 100_000], &(0..=255).collect::<Vec<u8>>()] {
        assert_eq!(decode("deflate", raw(plain, 6)), Ok(plain.to_vec()));
        assert_eq!(decode("deflate", zlib(plain)), Ok(plain.to_vec()));
    }
}

#[test]
fn members_of_a_gzip_file_form_one_text() {
    let (first, second) = TEXT.split_at(20);
    assert_eq!(decode("gzip", [gzip(first), gzip(second)].concat()), Ok(TEXT.to_vec()));
    assert_eq!(decode("gzip", [gzip(b""), gzip(TEXT), gzip(b""), gzip(b"")].concat()), Ok(TEXT.to_vec()));
}

#[test]
fn codings_are_undone_in_the_reverse_order_of_their_application() {
    assert_eq!(decode("gzip, br", brotli(&gzip(TEXT))), Ok(TEXT.to_vec()));
    assert_eq!(decode("br,deflate,x-gzip,identity,gzip", gzip(&gzip(&zlib(&brotli(TEXT))))), Ok(TEXT.to_vec()));
    let lines = [(CONTENT_ENCODING, "deflate"), (CONTENT_ENCODING, "gzip, br")];
    assert_eq!(decode_lines(&lines, brotli(&gzip(&zlib(TEXT)))), Ok(TEXT.to_vec()));
    assert_eq!(decode("br, gzip", brotli(&gzip(TEXT))).map_err(|e| e.0), Err(Reason::Decode));
    assert_eq!(
        decode("gzip,gzip,gzip,gzip,gzip", gzip(TEXT)),
        Err((Reason::Decode, "the body has more than 4 content codings".to_owned()))
    );
}

#[test]
fn transfer_codings_are_decoded_before_content_codings() {
    assert_eq!(decode_lines(&[(TRANSFER_ENCODING, "chunked")], TEXT.to_vec()), Ok(TEXT.to_vec()));
    assert_eq!(decode_lines(&[(TRANSFER_ENCODING, "gzip, chunked")], gzip(TEXT)), Ok(TEXT.to_vec()));
    let lines = [(TRANSFER_ENCODING, "gzip, chunked"), (CONTENT_ENCODING, "br")];
    assert_eq!(decode_lines(&lines, gzip(&brotli(TEXT))), Ok(TEXT.to_vec()));
}

#[test]
fn an_unknown_coding_is_never_returned_as_plain() {
    for coding in ["zstd", "compress", "gzip;q=1", "gzip br", "\"gzip\"", "aws-chunked", "gzip, lzma", "gz\u{ed}p"] {
        let refused = decode(coding, TEXT.to_vec()).map_err(|e| e.0);
        assert_eq!(refused, Err(Reason::Decode), "{coding}");
    }
    let message = Err((Reason::Decode, "the body has an unknown content coding; known are gzip, deflate and br".to_owned()));
    assert_eq!(decode("X-LZMA", TEXT.to_vec()), message);
}

#[test]
fn an_empty_body_stays_empty() {
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, br", "a,b,c,d,e,f"] {
        assert_eq!(decode(coding, Vec::new()), Ok(Vec::new()), "{coding}");
    }
}

#[test]
fn truncated_streams_and_trailing_bytes_are_refused() {
    let streams = [("gzip", gzip(TEXT)), ("deflate", zlib(TEXT)), ("deflate", raw(TEXT, 6)), ("br", brotli(TEXT))];
    for (coding, stream) in streams {
        for after in [&b"\0"[..], b"\n", b"{\"error\":\"down\"}", b"\x1f\x8b", &[0; 1000]] {
            let result = decode(coding, [&stream, after].concat());
            assert_eq!(result.map_err(|e| e.0), Err(Reason::Decode), "{coding} and {after:?}");
        }
        for length in 1..stream.len() {
            let result = decode(coding, stream[..length].to_vec());
            assert_eq!(result.map_err(|e| e.0), Err(Reason::Decode), "{length} bytes of {coding}");
        }
        assert_eq!(decode(coding, TEXT.to_vec()).map_err(|e| e.0), Err(Reason::Decode), "{coding}");
    }
    // The same holds for every further member.
    let two = [gzip(TEXT), gzip(TEXT)].concat();
    for length in gzip(TEXT).len() + 1..two.len() {
        assert_eq!(decode("gzip", two[..length].to_vec()).map_err(|e| e.0), Err(Reason::Decode), "{length} bytes");
    }
}

#[test]
fn a_stream_with_a_wrong_checksum_is_refused() {
    for (coding, stream) in [("gzip", gzip(TEXT)), ("deflate", zlib(TEXT))] {
        // The checksum, or in gzip the length.
        for from_end in 1..=4 {
            let mut damaged = stream.clone();
            let at = damaged.len() - from_end;
            damaged[at] ^= 1;
            assert_eq!(decode(coding, damaged).map_err(|e| e.0), Err(Reason::Decode), "{coding}");
        }
    }
}

#[test]
fn a_body_is_bounded_after_each_coding() {
    let (most, more) = (vec![b' '; BODY_LIMIT], vec![b' '; BODY_LIMIT + 1]);
    let encoders: [(&str, Encoder); 4] = [("gzip", gzip), ("deflate", zlib), ("deflate", |plain| raw(plain, 6)), ("br", brotli)];
    for (coding, encode) in encoders {
        assert_eq!(decode(coding, encode(&most)).map(|plain| plain.len()), Ok(BODY_LIMIT), "{coding}");
        let message = Err((Reason::TooLarge, "the body is over 1 MiB".to_owned()));
        assert_eq!(decode(coding, encode(&more)), message, "{coding}");
        let bomb = encode(&vec![0; 4 * BODY_LIMIT]);
        assert_eq!(decode(coding, bomb.clone()).map_err(|e| e.0), Err(Reason::TooLarge), "{coding}");
        assert_eq!(decode(&format!("{coding}, gzip"), gzip(&bomb)).map_err(|e| e.0), Err(Reason::TooLarge), "{coding}, gzip");
    }
    // A bomb that is compressed twice is small at first.
    let inner = gzip(&vec![0; 4 * BODY_LIMIT]);
    assert_eq!(decode("gzip, gzip, gzip", gzip(&inner)).map_err(|e| e.0), Err(Reason::TooLarge));
    // Incompressible data grows when it is encoded, and is accepted all the same.
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(BODY_LIMIT).collect();
    assert!(gzip(&noise).len() > BODY_LIMIT);
    assert_eq!(decode("gzip, deflate", zlib(&gzip(&noise))), Ok(noise));
}

/// Encodes with the coding of this number; returns its name as well.
fn encode(which: u8, plain: &[u8]) -> (&'static str, Vec<u8>) {
    match which {
        0 => ("gzip", gzip(plain)),
        1 => ("X-GZip", [gzip(&plain[..plain.len() / 2]), gzip(&plain[plain.len() / 2..])].concat()),
        2 => ("deflate", zlib(plain)),
        3 => ("DEFLATE", raw(plain, 1)),
        4 => ("Br", brotli(plain)),
        _ => ("identity", plain.to_vec()),
    }
}

#[test]
fn round_trips_decode_and_truncated_or_extended_bodies_are_refused() {
    let seed = fastrand::u64(..);
    let mut runner = TestRunner::new(ProptestConfig { rng_seed: RngSeed::Fixed(seed), cases: 200, ..ProptestConfig::default() });
    let text =
        prop_oneof![proptest::collection::vec(any::<u8>(), 1..3000), "[a-f{}\":,0-9]{1,3000}".prop_map(String::into_bytes)];
    let cases = (text, proptest::collection::vec(0..6_u8, 1..=4), any::<prop::sample::Index>(), any::<u8>());
    let result = runner.run(&cases, |(text, which, cut, more)| {
        let (mut body, mut names) = (text.clone(), Vec::new());
        for which in which {
            let (name, encoded) = encode(which, &body);
            body = encoded;
            names.push(name);
        }
        // One header line for the first coding, another for the rest.
        let rest = names[1..].join(" ,");
        let lines = [(CONTENT_ENCODING, names[0]), (CONTENT_ENCODING, rest.as_str())];
        prop_assert_eq!(decode_lines(&lines, body.clone()), Ok(text));
        if names.iter().any(|name| *name != "identity") {
            let shorter = body[..cut.index(body.len())].to_vec();
            // A cut between two gzip members leaves a valid file.
            prop_assert!(shorter.is_empty() || names.contains(&"X-GZip") || decode_lines(&lines, shorter).is_err());
            body.push(more);
            prop_assert!(decode_lines(&lines, body).is_err());
        }
        Ok(())
    });
    assert!(result.is_ok(), "with the seed {seed}: {}", result.expect_err("a failure"));
}
