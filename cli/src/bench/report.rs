//! What was measured, for people and as a record.

use std::{
    fmt::{self, Display, Formatter},
    time::Duration,
};

use palabre_runtime::load::{Latencies, Measured};
use serde::Serialize;

use super::{Arguments, process::Used};

/// The figures of one run.
#[derive(Debug, Serialize)]
#[serde(tag = "scenario", rename_all = "kebab-case")]
pub(crate) enum Report {
    /// Rooms in which members post.
    Rooms(Rooms),
    /// Connecting and entering.
    Connects(Connects),
    /// Being there.
    Idle(Idle),
    /// The disk, without a server.
    Disk(Disk),
}

#[derive(Debug, Serialize)]
pub(crate) struct Rooms {
    rooms: u32,
    members: u32,
    senders: u32,
    text_bytes: u32,
    /// 0 where senders post as fast as they are let.
    rate: u32,
    seconds: f64,
    messages_per_second: f64,
    deliveries_per_second: f64,
    latency_micros: Option<Quantiles>,
    lateness_micros: Option<Quantiles>,
    server: Option<ServerUse>,
}

#[derive(Debug, Serialize)]
struct ServerUse {
    cpu_seconds_per_million_deliveries: f64,
    /// CPU seconds a second: 1 where one core had no pause.
    cpu_busy: f64,
    resident_bytes: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Connects {
    connects: u32,
    seconds: f64,
    connects_per_second: f64,
    server_cpu_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Idle {
    connections: u32,
    resident_bytes_before: u64,
    resident_bytes: u64,
    bytes_per_connection: f64,
    cpu_busy: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Disk {
    fdatasyncs: u64,
    fdatasync_micros: Option<Quantiles>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Quantiles {
    p50: u64,
    p99: u64,
    p999: u64,
}

impl Quantiles {
    fn of(latencies: &Latencies) -> Option<Self> {
        let micros =
            |share| latencies.quantile(share).map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        Some(Self { p50: micros(0.5)?, p99: micros(0.99)?, p999: micros(0.999)? })
    }
}

impl Rooms {
    pub(super) fn new(arguments: &Arguments, measured: &Measured, used: Option<Used>) -> Self {
        let seconds = measured.elapsed.as_secs_f64();
        let server = used.map(|used| ServerUse {
            cpu_seconds_per_million_deliveries: used.cpu.as_secs_f64() * 1e6 / measured.deliveries as f64,
            cpu_busy: used.cpu.as_secs_f64() / seconds,
            resident_bytes: used.resident_bytes,
        });
        Self {
            rooms: arguments.rooms,
            members: arguments.members,
            senders: arguments.senders.min(arguments.members),
            text_bytes: arguments.size,
            rate: arguments.rate,
            seconds,
            messages_per_second: measured.messages_per_second(),
            deliveries_per_second: measured.deliveries_per_second(),
            latency_micros: Quantiles::of(&measured.latencies),
            lateness_micros: Quantiles::of(&measured.lateness),
            server,
        }
    }
}

impl Connects {
    pub(super) fn new(connects: u32, elapsed: Duration, used: Option<Used>) -> Self {
        let seconds = elapsed.as_secs_f64();
        Self {
            connects,
            seconds,
            connects_per_second: f64::from(connects) / seconds,
            server_cpu_seconds: used.map(|used| used.cpu.as_secs_f64()),
        }
    }
}

impl Idle {
    /// From what the server had used before, when all had come, and after they had been idle for `waited`.
    pub(super) fn new(connections: u32, before: Used, calm: Used, after: Used, waited: Duration) -> Self {
        let more = after.resident_bytes.saturating_sub(before.resident_bytes);
        Self {
            connections,
            resident_bytes_before: before.resident_bytes,
            resident_bytes: after.resident_bytes,
            bytes_per_connection: more as f64 / f64::from(connections),
            cpu_busy: after.since(calm).cpu.as_secs_f64() / waited.as_secs_f64(),
        }
    }
}

impl From<Latencies> for Disk {
    fn from(times: Latencies) -> Self {
        Self { fdatasyncs: times.count(), fdatasync_micros: Quantiles::of(&times) }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rooms(rooms) => rooms.fmt(f),
            Self::Connects(connects) => connects.fmt(f),
            Self::Idle(idle) => idle.fmt(f),
            Self::Disk(disk) => disk.fmt(f),
        }
    }
}

impl Display for Rooms {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { rooms, members, senders, text_bytes, seconds, .. } = self;
        writeln!(
            f,
            "{rooms} room(s) of {members}, {senders} sender(s) each, {text_bytes} bytes, {seconds:.1} s"
        )?;
        write!(
            f,
            "{:.0} messages/s, {:.0} deliveries/s",
            self.messages_per_second, self.deliveries_per_second
        )?;
        if let Some(server) = &self.server {
            write!(
                f,
                "\nserver: {:.3} CPU s per million deliveries, {:.0} % of a core, {:.1} MB resident",
                server.cpu_seconds_per_million_deliveries,
                server.cpu_busy * 100.0,
                server.resident_bytes as f64 / 1e6
            )?;
        }
        if let Some(latency) = &self.latency_micros {
            write!(f, "\nlatency: {latency}")?;
        }
        if let Some(lateness) = &self.lateness_micros {
            write!(f, "\nposts behind their pace: {lateness}")?;
        }
        Ok(())
    }
}

impl Display for Connects {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { connects, seconds, connects_per_second, .. } = self;
        write!(f, "{connects} connected and entered in {seconds:.3} s: {connects_per_second:.0}/s")?;
        match self.server_cpu_seconds {
            Some(cpu) => write!(f, "\nserver: {cpu:.2} CPU s"),
            None => Ok(()),
        }
    }
}

impl Display for Idle {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} idle connections: {:.0} bytes each ({:.1} MB resident before, {:.1} MB with them), {:.1} % of a core",
            self.connections,
            self.bytes_per_connection,
            self.resident_bytes_before as f64 / 1e6,
            self.resident_bytes as f64 / 1e6,
            self.cpu_busy * 100.0
        )
    }
}

impl Display for Disk {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} times 4 KiB and fdatasync", self.fdatasyncs)?;
        match &self.fdatasync_micros {
            Some(times) => write!(f, ": {times}"),
            None => Ok(()),
        }
    }
}

impl Display for Quantiles {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {} µs, p99 {} µs, p99.9 {} µs", self.p50, self.p99, self.p999)
    }
}
