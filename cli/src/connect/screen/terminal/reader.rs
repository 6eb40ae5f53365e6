//! Reading a terminal on a thread of its own, which can be paused while another program reads it.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use palabre_runtime::client::Waker;
use rustix::{
    event::{PollFd, PollFlags, poll},
    pipe::pipe,
    stdio::stdin,
};

use super::Arrived;

/// Reads ahead of the chat: a paste of any length is not kept twice.
const READS_AHEAD_MAX: usize = 64;
const READ_BYTES_MAX: usize = 4 * 1024;

/// The terminal as it is read.
#[derive(Debug)]
pub(super) struct Reader {
    arrived: Receiver<Arrived>,
    shared: Arc<Shared>,
    /// Wakes the thread.
    bell: OwnedFd,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Reading,
    /// It is to pause.
    Asked,
    Paused,
    Over,
}

impl Reader {
    pub(super) fn start(waker: Waker) -> io::Result<Self> {
        let (rung, bell) = pipe()?;
        let (sender, arrived) = sync_channel(READS_AHEAD_MAX);
        let shared = Arc::new(Shared::default());
        let thread_shared = Arc::clone(&shared);
        thread::Builder::new()
            .name("terminal".into())
            .spawn(move || read_on(&rung, &thread_shared, &sender, &waker))?;
        Ok(Self { arrived, shared, bell })
    }

    pub(super) fn read(&self) -> Option<Arrived> {
        self.arrived.try_recv().ok()
    }

    /// Returns once nothing is read any more.
    pub(super) fn pause(&self) {
        let mut state = self.shared.lock();
        if *state != State::Reading {
            return;
        }
        *state = State::Asked;
        let _ = rustix::io::write(&self.bell, b"!");
        while *state == State::Asked {
            // What was read before and not taken would keep it from pausing.
            drop(state);
            while self.arrived.try_recv().is_ok() {}
            state = self.shared.lock();
            if *state == State::Asked {
                let wait = std::time::Duration::from_millis(10);
                state =
                    self.shared.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    pub(super) fn resume(&self) {
        self.shared.enter(State::Paused, State::Reading);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, from: State, to: State) {
        let mut state = self.lock();
        if *state == from {
            *state = to;
            self.changed.notify_all();
        }
    }

    /// Waits as long as somebody else reads.
    fn wait_while_paused(&self) {
        self.enter(State::Asked, State::Paused);
        let mut state = self.lock();
        while *state == State::Paused {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn read_on(rung: &OwnedFd, shared: &Shared, sender: &SyncSender<Arrived>, waker: &Waker) {
    let terminal = stdin();
    let mut buffer = [0; READ_BYTES_MAX];
    loop {
        let mut waits = [PollFd::from_borrowed_fd(terminal, PollFlags::IN), PollFd::new(rung, PollFlags::IN)];
        match poll(&mut waits, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
        if !waits[1].revents().is_empty() {
            let _ = rustix::io::read(rung, &mut [0; 8]);
            shared.wait_while_paused();
            continue;
        }
        if waits[0].revents().is_empty() {
            continue;
        }
        match rustix::io::read(terminal, &mut buffer) {
            Ok(count @ 1..) => {
                if sender.send(Arrived::Bytes(buffer[..count].to_vec())).is_err() {
                    return;
                }
                waker.wake();
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Ok(0) | Err(_) => break,
        }
    }
    *shared.lock() = State::Over;
    shared.changed.notify_all();
    let _ = sender.send(Arrived::Gone);
    waker.wake();
}
