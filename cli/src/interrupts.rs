//! Ctrl-C and the other ways in which a process is asked to end.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use palabre_runtime::client::Waker;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::failure::ExitStatus;

/// What has to be done before the process ends at once.
static BEFORE_EXIT: OnceLock<fn()> = OnceLock::new();

/// Has something done before a second signal ends the process. The first to ask for it is heard.
pub(crate) fn before_exit(act: fn()) {
    let _ = BEFORE_EXIT.set(act);
}

/// Notices signals: the first asks to end cleanly, the second ends at once.
#[derive(Clone, Debug)]
pub(crate) struct Interrupts {
    requested: Arc<AtomicBool>,
}

impl Interrupts {
    /// Begins to notice them, and wakes whoever waits for the network.
    pub(crate) fn install(waker: Waker) -> io::Result<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let noticed = Arc::clone(&requested);
        thread::Builder::new().name("signals".into()).spawn(move || {
            for _ in signals.forever() {
                if noticed.swap(true, Ordering::Relaxed) {
                    if let Some(act) = BEFORE_EXIT.get() {
                        act();
                    }
                    std::process::exit(ExitStatus::Interrupted.number().into());
                }
                waker.wake();
            }
        })?;
        Ok(Self { requested })
    }

    /// Whether somebody asked to end.
    pub(crate) fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}
