//! Where connections come from, and how many from each (`THREATS`: connections by source, early drop).

use alloc::collections::BTreeMap;

use crate::{limits::Limits, output::Source, time::Monotonic};

/// The sources that were heard of lately.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    known: BTreeMap<Source, Counted>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    open: u32,
    /// Connects since the window began.
    connects: u32,
    window: Monotonic,
}

impl Sources {
    /// Counts a connection, unless its source has too many already.
    pub(crate) fn admit(&mut self, source: Source, limits: &Limits, now: Monotonic) -> bool {
        if !self.known.contains_key(&source) && self.known.len() >= limits.sources_max {
            self.forget_quiet(limits, now);
            if self.known.len() >= limits.sources_max {
                return false;
            }
        }
        let counted = self.known.entry(source).or_insert(Counted { open: 0, connects: 0, window: now });
        if now.since(counted.window) >= limits.source_window {
            *counted = Counted { connects: 0, window: now, ..*counted };
        }
        if counted.open >= limits.source_connections_max || counted.connects >= limits.source_connects_max {
            return false;
        }
        counted.open += 1;
        counted.connects += 1;
        true
    }

    pub(crate) fn ended(&mut self, source: Source) {
        if let Some(counted) = self.known.get_mut(&source) {
            counted.open = counted.open.saturating_sub(1);
        }
    }

    /// Forgets those without connections whose window is over, or else the one whose window is oldest.
    fn forget_quiet(&mut self, limits: &Limits, now: Monotonic) {
        self.known.retain(|_, counted| counted.open > 0 || now.since(counted.window) < limits.source_window);
        if self.known.len() < limits.sources_max {
            return;
        }
        let quiet = self.known.iter().filter(|(_, counted)| counted.open == 0);
        let oldest = quiet.min_by_key(|(_, counted)| counted.window).map(|(source, _)| *source);
        if let Some(source) = oldest {
            self.known.remove(&source);
        }
    }
}

/// What a source is counted under: an IPv6 address by its first 64 bits.
pub(crate) const fn counted_as(source: Source) -> Source {
    match source {
        Source::V4(_) => source,
        Source::V6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]) => Source::V4([a, b, c, d]),
        Source::V6([a, b, c, d, e, f, g, h, ..]) => {
            Source::V6([a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_held_to_its_connections_and_its_connects() {
        let limits = Limits { source_connections_max: 2, source_connects_max: 4, ..Limits::default() };
        let mut sources = Sources::default();
        let source = Source::V4([10, 0, 0, 1]);
        let start = Monotonic::from_millis(5);
        assert!(sources.admit(source, &limits, start));
        assert!(sources.admit(source, &limits, start));
        assert!(!sources.admit(source, &limits, start));
        sources.ended(source);
        sources.ended(source);
        assert!(sources.admit(source, &limits, start));
        assert!(sources.admit(source, &limits, start));
        sources.ended(source);
        assert!(!sources.admit(source, &limits, start), "four connects in the window");
        assert!(sources.admit(source, &limits, start.after(limits.source_window)));
    }

    #[test]
    fn the_table_stays_within_its_size() {
        let limits = Limits { sources_max: 8, ..Limits::default() };
        let mut sources = Sources::default();
        for last in 0..=255 {
            let source = Source::V4([10, 0, 0, last]);
            assert!(sources.admit(source, &limits, Monotonic::from_millis(u64::from(last))));
            sources.ended(source);
            assert!(sources.known.len() <= 8);
        }
    }

    #[test]
    fn ipv6_is_counted_by_its_network_and_mapped_ipv4_by_its_address() {
        let one = counted_as(Source::V6([32, 1, 13, 184, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9]));
        let two = counted_as(Source::V6([32, 1, 13, 184, 0, 0, 0, 1, 8, 8, 8, 8, 8, 8, 8, 8]));
        assert_eq!(one, two);
        let mapped = Source::V6([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1]);
        assert_eq!(counted_as(mapped), Source::V4([10, 0, 0, 1]));
    }
}
