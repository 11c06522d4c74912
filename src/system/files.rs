//! Bounded reads of files that a user names. A path can lead to anything: an endless device, a pipe without a writer, text in another
//! encoding.
//!
//! All whole-file reads of the program are here. A read blocks until the disk or the writer of a pipe answers.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The first character of UTF-8 files on some systems.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads a file, a pipe or a device to its end.
///
/// # Errors
/// The system's error, or [`ErrorKind::FileTooLarge`] for more than `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    bounded(&File::open(path)?, limit)
}

/// Reads a regular file to its end. Refuses anything else without waiting for it.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    if file.metadata().is_ok_and(|metadata: Metadata| metadata.is_file()) {
        bounded(&file, limit)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

fn bounded(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let (size, unit) = if limit < 1024 * 1024 { (limit / 1024, "KiB") } else { (limit / 1024 / 1024, "MiB") };
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is over {size} {unit}")));
    }
    Ok(bytes)
}

/// Why bytes are not text. The message continues a sentence that begins with the name of the file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    /// It begins with the byte-order mark of one of these.
    #[error("is UTF-16 or UTF-32, not UTF-8")]
    Utf16,
    /// At this byte.
    #[error("is not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// At this byte. ASCII text that is stored as UTF-16 without a byte-order mark has NUL at every other byte.
    #[error("is not text: byte {0} is NUL")]
    Nul(usize),
}

/// Bytes as text, without a leading byte-order mark.
///
/// # Errors
/// Why they are not text. Nothing of the bytes is quoted.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, NoText> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(NoText::Utf16);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| NoText::NotUtf8(error.valid_up_to()))?;
    match text.find('\0') {
        Some(at) => Err(NoText::Nul(at)),
        None => Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)),
    }
}

/// Bytes without a leading byte-order mark.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_utf_8_with_or_without_a_mark() {
        assert_eq!(text(b"\xef\xbb\xbfabc"), Ok("abc"));
        assert_eq!(text("\u{feff}\u{feff}ж".as_bytes()), Ok("\u{feff}ж"), "one mark is dropped");
        assert_eq!(text(b""), Ok(""));
        for utf16 in [&b"\xff\xfea\0"[..], b"\xfe\xff\0a", b"\xff\xfe\0\0a\0\0\0", b"\0\0\xfe\xff\0\0\0a"] {
            assert_eq!(text(utf16), Err(NoText::Utf16), "{utf16:?}");
        }
        assert_eq!(text(b"a\0b\0"), Err(NoText::Nul(1)));
        assert_eq!(text(b"\xef\xbb\xbf\xcf\xf0"), Err(NoText::NotUtf8(3)));
    }

    #[test]
    fn an_endless_file_is_refused() {
        let error = |result: io::Result<Vec<u8>>| result.expect_err("refused").to_string();
        assert_eq!(error(read(Path::new("/dev/zero"), 1024)), "it is over 1 KiB");
        assert_eq!(error(read(Path::new("/dev/zero"), 2 * 1024 * 1024)), "it is over 2 MiB");
        assert_eq!(read(Path::new("/dev/null"), 0).expect("empty"), b"");
        for special in ["/dev/zero", "/dev/null", "/"] {
            assert_eq!(error(read_regular(Path::new(special), 1024)), "it is not a regular file", "{special}");
        }
    }

    #[test]
    fn a_pipe_is_read_to_its_end_unless_a_regular_file_is_required() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).expect("a pipe");
        assert!(read_regular(&path, 10).is_err());
        let reading = std::thread::spawn({
            let path = path.clone();
            move || read(&path, 10)
        });
        std::fs::write(&path, "0123456789").expect("written");
        assert_eq!(reading.join().expect("no panic").expect("read"), b"0123456789");
    }
}
