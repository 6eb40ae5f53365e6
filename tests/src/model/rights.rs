//! Governing a room (G), as far as guests go: the model has no accounts, and guests have no roles (G1).

use palabre_core::{
    error::RefusalCode,
    ids::RoomId,
    wire::{Govern, Rights, SetMode, kind},
};

use super::{ConnectionKey, Expected, Model, Refusal, UserKey};

/// The longest wait of a slow room (G3).
const SLOW_SECONDS_MAX: u32 = 86_400;

impl Model {
    /// G4: never granted to a guest, for one reason or another.
    pub(super) fn govern(&mut self, user: UserKey, govern: &Govern<'_>) -> Result<(), Refusal> {
        let mut codes = self.why_not_govern(user, govern.room);
        let is_act = (5..=14).contains(&govern.act);
        let may_end = matches!(govern.act, 8 | 10);
        if !is_act || govern.seconds.is_some_and(|seconds| seconds == 0 || !may_end) {
            codes.push(RefusalCode::NotPossible);
        }
        if let Err(refusal) = self.judge_text(kind::TOPIC, govern.reason) {
            codes.extend(refusal.codes);
        }
        Err(Refusal::any_of(codes))
    }

    /// G3: likewise.
    pub(super) fn set_mode(&mut self, user: UserKey, wish: &SetMode) -> Result<(), Refusal> {
        let mut codes = self.why_not_govern(user, wish.room);
        if wish.slow_seconds.is_some_and(|seconds| seconds > SLOW_SECONDS_MAX) {
            codes.push(RefusalCode::NotPossible);
        }
        Err(Refusal::any_of(codes))
    }

    /// G8: rooms that nobody governs are open, and nobody stands out.
    pub(super) fn rights(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        rights: &Rights,
    ) -> Result<(), Refusal> {
        let room = self.member_room(user, rights.room)?;
        self.expect(at, Expected::RightsPage { id: rights.id, room });
        Ok(())
    }

    fn why_not_govern(&self, user: UserKey, room: RoomId) -> Vec<RefusalCode> {
        match self.member_room(user, room) {
            Ok(room) if self[room].name().is_some() => vec![RefusalCode::RoleNeeded],
            Ok(_) => vec![RefusalCode::NotPossible],
            Err(refusal) => refusal.codes,
        }
    }
}
