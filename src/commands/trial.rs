//! `try`: evaluates a description over answers in files and explains how each figure comes about. It reads files and nothing else.

use super::poll::explained;
use super::{Failed, print};
use crate::config::ConfigError;
use crate::domain::Timestamp;
use crate::poll::explain::masked;
use crate::provider::Provider;
use crate::provider::service::{self, Canned, CannedAnswer, Description, Mistake, Service, Values, catalogue};
use crate::secret::Mask;
use crate::system::files;
use crate::transport::BODY_LIMIT;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// The largest description and the largest answer, in bytes; an answer may have headers.
const FILE_LIMIT: u64 = BODY_LIMIT as u64 + 64 * 1024;

pub(super) fn run(file: &Path, answers: &[std::path::PathBuf], full: bool) -> Result<(), Failed> {
    let (description, examples) = read(file)?;
    if !answers.is_empty() {
        let answers = answers.iter().map(|answer| read_answer(answer)).collect::<Result<Vec<_>, _>>()?;
        return evaluate(&description, answers, full);
    }
    if examples == 0 {
        return Err(Failed::Usage("no answer and no example; add --answer FILE, or --answer - for standard input".to_owned()));
    }
    print(&format!("{}: {examples} examples, all as expected\n", description.name))
}

/// The description, and how many examples it has. All of them are as expected.
fn read(file: &Path) -> Result<(Arc<Description>, usize), Failed> {
    let bytes = files::read(file, FILE_LIMIT).map_err(|error| {
        let text = format!("{}: cannot be read: {error}; name a file with one description", file.display());
        Failed::Usage(text)
    })?;
    let wrong = |mistakes: &[Mistake]| Failed::Config(ConfigError::of_mistakes(file, mistakes));
    let text = files::text(&bytes).map_err(|problem| ConfigError::of_file(file, &format!("{problem}; save it as UTF-8")))?;
    let (name, node, at) = catalogue::only_description(text).map_err(|mistake| wrong(&[mistake]))?;
    let read = service::read(&name, &node, at, &name);
    let Some(description) = read.description else { return Err(wrong(&read.mistakes)) };
    let mistakes: Vec<Mistake> = service::failing(&description, &read.examples);
    if mistakes.is_empty() { Ok((description, read.examples.len())) } else { Err(wrong(&mistakes)) }
}

fn read_answer(path: &Path) -> Result<CannedAnswer, Failed> {
    let cannot =
        |error: std::io::Error| Failed::Usage(format!("{}: cannot be read: {error}; name a file with an answer", path.display()));
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(cannot)?;
        bytes
    } else {
        files::read(path, FILE_LIMIT).map_err(cannot)?
    };
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(Failed::Usage(format!("{}: is over 1 MiB, more than any answer may be", path.display())));
    }
    parse_answer(bytes).map_err(|what| Failed::Usage(format!("{}: {what}", path.display())))
}

/// A body, or a whole response as `curl -i` prints it. Of several responses the last one counts.
fn parse_answer(bytes: Vec<u8>) -> Result<CannedAnswer, &'static str> {
    let mut answer = CannedAnswer { status: 200, headers: Vec::new(), body: bytes };
    while answer.body.starts_with(b"HTTP/") {
        let (end, skip) = end_of_head(&answer.body).ok_or("begins with HTTP/ and has no empty line after the headers")?;
        let head = String::from_utf8_lossy(&answer.body[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        answer.status = status.filter(|status| (100..=599).contains(status)).ok_or("the status line has no status")?;
        answer.headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        answer.body.drain(..end + skip);
    }
    Ok(answer)
}

fn end_of_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let find = |end: &[u8]| bytes.windows(end.len()).position(|window| window == end).map(|at| (at, end.len()));
    match (find(b"\r\n\r\n"), find(b"\n\n")) {
        (Some(long), Some(short)) => Some(if long.0 < short.0 { long } else { short }),
        (long, short) => long.or(short),
    }
}

fn evaluate(description: &Arc<Description>, answers: Vec<CannedAnswer>, full: bool) -> Result<(), Failed> {
    let given = answers.len();
    let values = Values::of_example(&description.parameters, &[]);
    let mut service = Service::new(description.clone(), values);
    if description.session.is_some() && given == description.calls.len() {
        service = service.logged_in(Instant::now());
    }
    let http = Canned::new(answers, Timestamp::of(SystemTime::now()), true);
    let result = http.poll(&service);
    let mask = Mask::new(&[service.session_secrets(), service.kept_texts()].concat());
    let lines = masked(http.explained(), &mask, full);
    let (missing, left) = http.uneven();
    if missing {
        print(&format!("{}\n", lines.join("\n")))?;
        return Err(Failed::other(format!("the next request has no answer after {given}; add --answer FILE")));
    }
    let result = result.map_err(|failure| crate::domain::Failure { detail: mask.provider_text(&failure.detail), ..failure });
    print(&explained(&lines, &result))?;
    match result {
        Err(failure) => Err(Failed::other(format!("the poll would fail with the reason {}", failure.reason.as_str()))),
        Ok(_) if left > 0 => Err(Failed::other(format!("{left} answers are not asked for; drop them"))),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(u16, usize, String), &'static str> {
        let answer = parse_answer(text.as_bytes().to_vec())?;
        Ok((answer.status, answer.headers.len(), String::from_utf8(answer.body).expect("UTF-8")))
    }

    #[test]
    fn an_answer_is_a_body_or_what_curl_prints() {
        assert_eq!(parsed("{\"a\":1}\n"), Ok((200, 0, "{\"a\":1}\n".to_owned())));
        assert_eq!(parsed("HTTP/2 401 \r\na: b\r\nc: d:e\r\n\r\n{}\n\n"), Ok((401, 2, "{}\n\n".to_owned())));
        assert_eq!(parsed("HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nx: y\n\nbody"), Ok((200, 1, "body".to_owned())));
        assert_eq!(parsed("HTTP/1.1 200 OK\nx: y\n"), Err("begins with HTTP/ and has no empty line after the headers"));
        assert_eq!(parsed("HTTP/1.1\n\n"), Err("the status line has no status"));
    }
}
