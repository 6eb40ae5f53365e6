//! Work that would stall the program, on threads of its own.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use palabre_core::password::{Work, WorkDone};
use polling::Poller;

/// Where a driver has work done.
pub(super) struct Workshop {
    poller: Arc<Poller>,
    give: mpsc::Sender<WorkDone>,
    done: mpsc::Receiver<WorkDone>,
}

impl Workshop {
    pub(super) fn new(poller: &Arc<Poller>) -> Self {
        let (give, done) = mpsc::channel();
        Self { poller: Arc::clone(poller), give, done }
    }

    /// Has it done, and wakes the driver when it is. A client has one piece of work at a time.
    pub(super) fn start(&self, work: Work) {
        let (poller, give) = (Arc::clone(&self.poller), self.give.clone());
        let run = move |work: Work| {
            // Both fail only if the driver is gone, and then nobody waits.
            let _ = give.send(work.run());
            let _ = poller.notify();
        };
        let elsewhere = {
            let (run, work) = (run.clone(), work.clone());
            move || run(work)
        };
        if thread::Builder::new().name("password".into()).spawn(elsewhere).is_err() {
            // A system without a thread to spare has to wait for it.
            run(work);
        }
    }

    pub(super) fn take(&self) -> Option<WorkDone> {
        self.done.try_recv().ok()
    }
}
