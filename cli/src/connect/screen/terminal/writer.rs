//! Writing to a terminal on a thread of its own: one that is slow, or was stopped by Ctrl-S, does not stop the chat.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use palabre_runtime::client::Waker;

use super::write_all;

/// How long a terminal is waited for that is to be given back.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// The terminal as it is written to.
#[derive(Debug)]
pub(super) struct Writer {
    frames: Sender<Vec<u8>>,
    waiting: Arc<Waiting>,
}

/// How many writes wait. A frame is only drawn when there is none, so they are few.
#[derive(Debug, Default)]
struct Waiting {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Writer {
    pub(super) fn start(waker: Waker) -> io::Result<Self> {
        let (frames, taken) = channel();
        let waiting = Arc::new(Waiting::default());
        let thread_waiting = Arc::clone(&waiting);
        thread::Builder::new()
            .name("screen".into())
            .spawn(move || write_on(&taken, &thread_waiting, &waker))?;
        Ok(Self { frames, waiting })
    }

    pub(super) fn write(&self, bytes: Vec<u8>) {
        self.waiting.change(|count| count + 1);
        if self.frames.send(bytes).is_err() {
            self.waiting.change(|count| count.saturating_sub(1));
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        *self.waiting.count.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }

    /// Waits until all is written, but not for ever.
    pub(super) fn settle(&self) {
        let count = self.waiting.count.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.waiting.changed.wait_timeout_while(count, SETTLE_MAX, |count| *count > 0);
    }
}

impl Waiting {
    fn change(&self, change: impl FnOnce(usize) -> usize) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = change(*count);
        self.changed.notify_all();
    }
}

fn write_on(frames: &Receiver<Vec<u8>>, waiting: &Waiting, waker: &Waker) {
    for frame in frames {
        write_all(&frame);
        waiting.change(|count| count.saturating_sub(1));
        waker.wake();
    }
}
