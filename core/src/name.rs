//! Names.
use alloc::sync::Arc;

/// A nickname.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nick(Arc<str>);

/// A room's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);
impl Nick {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl RoomName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
