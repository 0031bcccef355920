//! The one thread that writes: to standard error, and to a file where one is configured.

use std::io::{self, Write as _};
use std::sync::mpsc::Receiver;

use super::FileSettings;
use super::file::LogFile;

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Message {
    /// Whole lines.
    Lines(String),
    /// To end.
    End,
}

#[derive(Debug)]
pub(super) struct Writer {
    file: Option<LogFile>,
    /// Whether the last write to the file failed, so that it is said once and not for every line.
    failing: bool,
}

impl Writer {
    pub(super) fn open(settings: Option<FileSettings>) -> io::Result<Self> {
        Ok(Self { file: settings.map(LogFile::open).transpose()?, failing: false })
    }

    pub(super) fn run(mut self, receiver: &Receiver<Message>) {
        while let Ok(Message::Lines(lines)) = receiver.recv() {
            // A closed standard error is no reason to end.
            let _ = io::stderr().write_all(lines.as_bytes());
            self.append(&lines);
        }
    }

    fn append(&mut self, lines: &str) {
        let Some(file) = &mut self.file else { return };
        match file.write(lines.as_bytes()) {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                let _ = writeln!(
                    io::stderr(),
                    "the log file {} cannot be written: {error}",
                    file.path().display()
                );
            }
            Err(_) => {}
        }
    }
}
