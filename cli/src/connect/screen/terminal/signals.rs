//! Signals that concern the terminal: its window has another size, the program is to stop, or goes on.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use palabre_runtime::client::Waker;
use signal_hook::{
    consts::{SIGCONT, SIGTSTP, SIGWINCH},
    iterator::Signals as Incoming,
};

/// What was signalled since it was asked for last.
#[derive(Debug)]
pub(super) struct Signals {
    noticed: Arc<Noticed>,
}

#[derive(Debug, Default)]
struct Noticed {
    stop: AtomicBool,
    resumed: AtomicBool,
}

impl Signals {
    pub(super) fn notice(waker: Waker) -> io::Result<Self> {
        let mut incoming = Incoming::new([SIGWINCH, SIGTSTP, SIGCONT])?;
        let noticed = Arc::new(Noticed::default());
        let thread_noticed = Arc::clone(&noticed);
        thread::Builder::new().name("window".into()).spawn(move || {
            for signal in incoming.forever() {
                match signal {
                    SIGTSTP => thread_noticed.stop.store(true, Ordering::Relaxed),
                    SIGCONT => thread_noticed.resumed.store(true, Ordering::Relaxed),
                    // The size is looked up before each frame.
                    _ => {}
                }
                waker.wake();
            }
        })?;
        Ok(Self { noticed })
    }

    pub(super) fn take_stop(&self) -> bool {
        self.noticed.stop.swap(false, Ordering::Relaxed)
    }

    pub(super) fn take_resumed(&self) -> bool {
        self.noticed.resumed.swap(false, Ordering::Relaxed)
    }
}
