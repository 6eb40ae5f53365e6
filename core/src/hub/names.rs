//! Names that are taken, so that neither the same nor a look-alike is given twice (`PROTOCOL.md` E3, R1).

use alloc::{collections::BTreeMap, sync::Arc};

use crate::name::NameKey;

/// Names and who holds each.
#[derive(Debug)]
pub(crate) struct NameTable<H> {
    by_folded: BTreeMap<Arc<str>, H>,
    by_skeleton: BTreeMap<Arc<str>, H>,
}

/// Why a name cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clash<H> {
    /// It is taken.
    Same(H),
    /// One that looks alike is taken.
    LooksAlike(H),
}

impl<H: Copy + PartialEq> NameTable<H> {
    pub(crate) const fn new() -> Self {
        Self { by_folded: BTreeMap::new(), by_skeleton: BTreeMap::new() }
    }

    /// What stands in the way of `holder` having this name.
    pub(crate) fn clash(&self, key: &NameKey, holder: Option<H>) -> Option<Clash<H>> {
        let other = |found: Option<&H>| found.copied().filter(|found| Some(*found) != holder);
        if let Some(same) = other(self.by_folded.get(key.folded())) {
            return Some(Clash::Same(same));
        }
        other(self.by_skeleton.get(key.skeleton())).map(Clash::LooksAlike)
    }

    pub(crate) fn find(&self, key: &NameKey) -> Option<H> {
        self.by_folded.get(key.folded()).copied()
    }

    /// Notes that `holder` has this name; it may hold several.
    pub(crate) fn take(&mut self, key: &NameKey, holder: H) {
        self.by_folded.insert(key.folded().clone(), holder);
        self.by_skeleton.insert(key.skeleton().clone(), holder);
    }

    /// Frees a name of `holder`, unless another holds it.
    pub(crate) fn free(&mut self, key: &NameKey, holder: H) {
        if self.by_folded.get(key.folded()) == Some(&holder) {
            self.by_folded.remove(key.folded());
        }
        if self.by_skeleton.get(key.skeleton()) == Some(&holder) {
            self.by_skeleton.remove(key.skeleton());
        }
    }
}
