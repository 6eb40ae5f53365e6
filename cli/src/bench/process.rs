//! What a process of this machine has used, as Linux tells it.

use std::{fs, io, time::Duration};

use crate::failure::Failure;

/// How many units of `/proc/PID/stat` make a second, on every Linux there is (proc(5), `USER_HZ`).
const TICKS_PER_SECOND: u32 = 100;

/// The server's process, if it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerProcess {
    pid: Option<u32>,
}

/// What a process has used up to a moment, or between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// CPU time, exact to 10 ms.
    pub(super) cpu: Duration,
    /// Bytes of memory in RAM at the end.
    pub(super) resident_bytes: u64,
}

impl ServerProcess {
    /// The process with this id, if one is given: then it must be there.
    pub(super) fn find(pid: Option<u32>) -> Result<Self, Failure> {
        let process = Self { pid };
        process.sample()?;
        Ok(process)
    }

    /// What it has used so far.
    pub(super) fn sample(self) -> Result<Option<Used>, Failure> {
        let Some(pid) = self.pid else { return Ok(None) };
        let sample = read(pid).map_err(|error| Failure::local(format_args!("/proc/{pid}"), &error))?;
        sample.map(Some).ok_or_else(|| Failure::usage(format!("/proc/{pid} is not what Linux writes there")))
    }
}

impl Used {
    pub(super) const fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(earlier.cpu), resident_bytes: self.resident_bytes }
    }
}

fn read(pid: u32) -> io::Result<Option<Used>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(cpu(&stat).zip(resident_bytes(&status)).map(|(cpu, resident_bytes)| Used { cpu, resident_bytes }))
}

/// The 14th and 15th field; the second, in parentheses, may hold anything.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_ascii_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(Duration::from_secs(1) * (user + system) / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_hold_anything() {
        let stat = "7609 (a) b (c) R 7599 7599 2554 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 1 0";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1_680)));
        assert_eq!(cpu("7609 (cat) R"), None);
    }

    #[test]
    fn memory_is_told_in_kibibytes() {
        assert_eq!(resident_bytes("VmPeak:\t  90 kB\nVmRSS:\t    1552 kB\n"), Some(1_552 * 1_024));
    }

    #[test]
    fn a_process_that_is_not_there_is_told() {
        assert!(ServerProcess::find(Some(u32::MAX)).is_err());
        assert!(ServerProcess::find(None).is_ok_and(|process| process.sample() == Ok(None)));
    }
}
