//! How many files and sockets may be open at a time, and how many clients that allows.

use palabre_core::limits::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::server::StartError;

/// Descriptors that are not for connections: the database and its copies of them when it is opened again,
/// listeners, the poller, the standard streams.
const RESERVED: u64 = 32;
/// Connections that have neither entered nor wait, which there should be room for.
const ENTERING: u64 = 256;
/// Connections with which to run a server makes any sense.
const CONNECTIONS_MIN: u64 = 8;

/// Raises the limit of open files as far as it may be, and lowers the number of clients and of those who wait where
/// it does not suffice, with a warning. Returns how many connections may be open at a time.
///
/// # Errors
/// [`StartError::FewDescriptors`].
pub(crate) fn make_fit(limits: &mut Limits) -> Result<usize, StartError> {
    let limit = raised();
    let connections = limit.saturating_sub(RESERVED);
    if connections < CONNECTIONS_MIN {
        return Err(StartError::FewDescriptors { limit });
    }
    let asked = (limits.clients_max, limits.queue_max);
    fit(limits, connections);
    if (limits.clients_max, limits.queue_max) != asked {
        tracing::warn!(
            open_files_max = limit,
            clients_max = limits.clients_max,
            queue_max = limits.queue_max,
            asked_clients_max = asked.0,
            asked_queue_max = asked.1,
            "the limit of open files is too low for so many clients: there are fewer places. Raise it (ulimit -n)"
        );
    }
    Ok(usize::try_from(connections).unwrap_or(usize::MAX))
}

/// An eighth of the connections is left to those who enter, unless that is more than they need.
fn fit(limits: &mut Limits, connections: u64) {
    let settled = connections - ENTERING.min(connections / 8);
    let queue = u64::from(limits.queue_max).min(settled / 8);
    let clients = u64::from(limits.clients_max).min(settled - queue);
    limits.clients_max = u32::try_from(clients).unwrap_or(u32::MAX);
    limits.queue_max = u32::try_from(queue).unwrap_or(u32::MAX);
}

fn raised() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(clients_max: u32, queue_max: u32, connections: u64) -> (u32, u32) {
        let mut limits = Limits { clients_max, queue_max, ..Limits::default() };
        fit(&mut limits, connections);
        (limits.clients_max, limits.queue_max)
    }

    #[test]
    fn clients_that_fit_are_left_as_they_are() {
        assert_eq!(fitted(2_000, 100, 20_000), (2_000, 100));
        assert_eq!(fitted(2_000, 100, 2_356), (2_000, 100));
    }

    #[test]
    fn clients_that_do_not_fit_become_fewer() {
        assert_eq!(fitted(2_000, 100, 992), (768, 100));
        assert_eq!(fitted(2_000, 100, 32), (25, 3));
        assert_eq!(fitted(2_000, 100, 8), (7, 0));
    }
}
