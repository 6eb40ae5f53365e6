//! The log: lines on stderr, written by a thread of its own, so that a stderr nobody reads stops nothing else.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

use crate::config::{LogFormat, LogLevel};

/// Lines that may wait to be written; more are dropped and counted.
const LINES_WAITING_MAX: usize = 4_096;
/// How long the end of the program waits for the last lines.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// The log of this process. Dropping it waits a moment for what is still to be written.
#[derive(Debug)]
pub(crate) struct Log {
    lines: SyncSender<Line>,
}

#[derive(Debug)]
enum Line {
    Text(Vec<u8>),
    /// All before it is written: say so.
    Flush(SyncSender<()>),
}

/// Begins to log everything that goes through `tracing` in this process.
///
/// # Errors
/// The operating system has no thread to give, or somebody logs already.
pub(crate) fn start(level: LogLevel, format: LogFormat) -> io::Result<Log> {
    let (log, writer) = Log::to(io::stderr())?;
    let builder =
        tracing_subscriber::fmt().with_max_level(filter(level)).with_writer(writer).with_ansi(false);
    match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(io::Error::other)?;
    Ok(log)
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

impl Log {
    fn to(output: impl Write + Send + 'static) -> io::Result<(Self, LineWriter)> {
        let (lines, incoming) = mpsc::sync_channel(LINES_WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = LineWriter { lines: lines.clone(), dropped: Arc::clone(&dropped) };
        thread::Builder::new().name("log".into()).spawn(move || write_lines(output, &incoming, &dropped))?;
        Ok((Self { lines }, writer))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let (done, written) = mpsc::sync_channel(1);
        if self.lines.try_send(Line::Flush(done)).is_ok() {
            let _ = written.recv_timeout(FLUSH_MAX);
        }
    }
}

fn write_lines(mut output: impl Write, lines: &Receiver<Line>, dropped: &AtomicU64) {
    while let Ok(line) = lines.recv() {
        // There is nobody to tell that the log cannot be written.
        match line {
            Line::Text(text) => drop(output.write_all(&text)),
            Line::Flush(done) => drop(output.flush().map(|()| done.send(()))),
        }
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            let _ = writeln!(output, "({count} lines were dropped: the log was not read fast enough)");
        }
    }
}

/// Where `tracing` writes. It never waits.
#[derive(Clone, Debug)]
struct LineWriter {
    lines: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

impl Write for LineWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(Line::Text(text.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LineWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that takes what it is given only when it is told.
    struct Gate {
        open: Receiver<()>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gate {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.open.recv();
            let _ = self.written.send(text.to_vec());
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_output_that_is_stuck_holds_nobody_up_and_lost_lines_are_counted() {
        let (open_gate, open) = mpsc::channel();
        let (written, lines) = mpsc::channel();
        let (log, mut writer) = Log::to(Gate { open, written }).unwrap();
        for _ in 0..LINES_WAITING_MAX + 100 {
            writer.write_all(b"a line\n").unwrap();
        }
        drop(open_gate);
        let mut all = String::new();
        while !all.contains("were dropped") {
            all.push_str(&String::from_utf8(lines.recv_timeout(Duration::from_secs(5)).unwrap()).unwrap());
        }
        assert!(all.matches("a line").count() >= LINES_WAITING_MAX.min(1));
        drop((log, writer));
    }

    #[test]
    fn the_end_waits_for_the_last_line() {
        let (written, lines) = mpsc::channel();
        let (open_gate, open) = mpsc::channel();
        drop(open_gate);
        let (log, mut writer) = Log::to(Gate { open, written }).unwrap();
        writer.write_all(b"last\n").unwrap();
        drop(log);
        assert_eq!(lines.try_recv().unwrap(), b"last\n");
    }
}
