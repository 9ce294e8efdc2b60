//! Reads a file line by line, ahead of the sender, and never holds much of it in memory.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    thread,
};

use lamplighter::message::MAX_MESSAGE_BYTES;
use tokio::sync::mpsc;

use crate::{arguments::check_encoding, error::Error};

/// The maximum size of a line: arguments that fit into a message, and some options.
const LONGEST: usize = MAX_MESSAGE_BYTES + 4096;
/// Lines per chunk: as many as one transaction takes quickly.
const LINES: usize = 500;
/// Bytes per read.
const BYTES: usize = 256 * 1024;
/// Chunks that are read ahead.
const AHEAD: usize = 2;

/// The source of the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Input,
    File(PathBuf),
}

impl Source {
    pub(super) fn of(typed: &Path) -> Self {
        if typed == Path::new("-") { Self::Input } else { Self::File(typed.to_owned()) }
    }

    /// Returns its size in bytes, where it is known.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::File(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len()),
            Self::Input => None,
        }
    }

    /// Reads it on a thread of its own, which ends when the receiver is dropped. Lines are sent as soon as they are
    /// read, in chunks where several are available.
    pub(super) fn read(self) -> mpsc::Receiver<Result<Chunk, Error>> {
        let (give, take) = mpsc::channel(AHEAD);
        // A program that ends does not wait for threads: a terminal may never send a line.
        thread::spawn(move || {
            let outcome = match &self {
                Self::Input => send(io::stdin().lock(), "standard input", &give),
                Self::File(path) => {
                    let from = path.display().to_string();
                    match File::open(path) {
                        Ok(file) => send(file, &from, &give),
                        Err(source) => Err(Error::Read { from, source }),
                    }
                }
            };
            if let Err(error) = outcome {
                // A dropped receiver needs no more lines.
                let _ = give.blocking_send(Err(error));
            }
        });
        take
    }
}

/// Some lines.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) lines: Vec<Line>,
    /// Bytes read up to the end of these lines.
    pub(super) read: u64,
}

/// One line, without its end.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: u64,
    /// The text, or why it cannot be read.
    pub(super) text: Result<String, &'static str>,
}

fn send(source: impl Read, from: &str, give: &mpsc::Sender<Result<Chunk, Error>>) -> Result<(), Error> {
    let fail = |source| Error::Read { from: from.into(), source };
    let mut reader = BufReader::with_capacity(BYTES, source);
    check_encoding(reader.fill_buf().map_err(fail)?, from)?;
    let mut chunk = Chunk::default();
    for number in 1.. {
        let Some((text, bytes)) = line(&mut reader).map_err(fail)? else { break };
        chunk.read += bytes;
        chunk.lines.push(Line { number, text });
        // The next line may take long to arrive.
        if chunk.lines.len() >= LINES || !reader.buffer().contains(&b'\n') {
            let read = chunk.read;
            if give.blocking_send(Ok(std::mem::take(&mut chunk))).is_err() {
                return Ok(());
            }
            chunk.read = read;
        }
    }
    Ok(())
}

/// Reads the next line, and its size in bytes with the line end.
fn line(reader: &mut BufReader<impl Read>) -> io::Result<Option<(Result<String, &'static str>, u64)>> {
    let mut bytes = Vec::new();
    let mut count = reader.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut bytes)? as u64;
    if count == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    } else if bytes.len() > LONGEST {
        count += reader.skip_until(b'\n')? as u64;
        return Ok(Some((
            Err("it is larger than a message may be; put the data elsewhere and pass a reference"),
            count,
        )));
    }
    Ok(Some((String::from_utf8(bytes).map_err(|_| "it is no UTF-8"), count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a few bytes per read, and counts the bytes that were consumed.
    struct Drops<'a>(&'a [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let some = self.0.len().min(into.len()).min(self.1);
            into[..some].copy_from_slice(&self.0[..some]);
            self.0 = &self.0[some..];
            Ok(some)
        }
    }

    type Numbered = (u64, Result<String, &'static str>);

    /// Returns the lines, the number of chunks, and the number of bytes read.
    fn all(bytes: &[u8], at_a_time: usize) -> (Vec<Numbered>, usize, u64) {
        let (give, mut take) = mpsc::channel(10_000);
        send(Drops(bytes, at_a_time), "a test", &give).unwrap();
        drop(give);
        let (mut lines, mut chunks, mut read) = (Vec::new(), 0, 0);
        while let Some(chunk) = take.blocking_recv() {
            let chunk = chunk.unwrap();
            chunks += 1;
            read = chunk.read;
            lines.extend(chunk.lines.into_iter().map(|line| (line.number, line.text)));
        }
        (lines, chunks, read)
    }

    #[test]
    fn lines_keep_their_numbers_in_chunks_of_any_size() {
        let text = b"one\r\n\n\xff\nfour";
        for at_a_time in [1, 3, 1000] {
            let (lines, _, read) = all(text, at_a_time);
            let texts: Vec<_> = lines.iter().map(|(number, text)| (*number, text.as_deref())).collect();
            assert_eq!(texts, [(1, Ok("one\r")), (2, Ok("")), (3, Err(&"it is no UTF-8")), (4, Ok("four"))]);
            assert_eq!(read, text.len() as u64);
        }
        assert_eq!(all(b"", 1).0, []);
    }

    #[test]
    fn a_line_is_sent_before_the_next_arrives() {
        assert_eq!(all(b"one\ntwo\nthree\n", 4).1, 3);
        assert_eq!(all(&b"line\n".repeat(2000), usize::MAX).1, 4);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_not_kept_in_memory() {
        let mut text = vec![b'x'; 3 * LONGEST];
        text.extend(b"\nshort\n");
        let (lines, ..) = all(&text, usize::MAX);
        assert!(matches!(&lines[..], [(1, Err(why)), (2, Ok(short))] if why.contains("larger") && short == "short"));
        let full = [vec![b'x'; LONGEST], b"\n".to_vec()].concat();
        assert!(matches!(&all(&full, usize::MAX).0[..], [(1, Ok(_))]));
    }
}
