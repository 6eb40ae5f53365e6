//! Checking passwords, which takes time and memory, on a thread of its own: one at a time.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
};

use palabre_core::password::{Verification, Verified};
use polling::Poller;

/// Where passwords are checked. The thread is there from the first on, and ends with this.
pub(super) struct Checking {
    poller: Arc<Poller>,
    ask: Option<mpsc::Sender<Verification>>,
    give: mpsc::Sender<Verified>,
    checked: mpsc::Receiver<Verified>,
}

impl Checking {
    pub(super) fn new(poller: &Arc<Poller>) -> Self {
        let (give, checked) = mpsc::channel();
        Self { poller: Arc::clone(poller), ask: None, give, checked }
    }

    /// Has a password checked, after those before it. The core hands out a bounded number at a time.
    pub(super) fn start(&mut self, verification: Verification) {
        if self.ask.is_none() {
            match self.spawn() {
                Ok(ask) => self.ask = Some(ask),
                Err(error) => {
                    // A system without a thread to spare makes the loop wait for it.
                    tracing::warn!(%error, "there is no thread to check passwords on");
                    let _ = self.give.send(verification.run());
                    return;
                }
            }
        }
        if let Some(ask) = &self.ask {
            // The thread ends only when this does.
            let _ = ask.send(verification);
        }
    }

    fn spawn(&self) -> io::Result<mpsc::Sender<Verification>> {
        let (ask, asked) = mpsc::channel::<Verification>();
        let (give, poller) = (self.give.clone(), Arc::clone(&self.poller));
        let check = move || {
            for verification in asked {
                if give.send(verification.run()).is_err() {
                    return;
                }
                // It fails only if the loop is gone, and then nobody waits.
                let _ = poller.notify();
            }
        };
        thread::Builder::new().name("passwords".into()).spawn(check)?;
        Ok(ask)
    }

    pub(super) fn take(&self) -> Option<Verified> {
        self.checked.try_recv().ok()
    }
}
