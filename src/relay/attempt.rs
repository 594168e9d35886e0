//! One attempt of one alert: what it holds while it has requests under way at RT.

use std::sync::atomic::Ordering;

use tokio::sync::SemaphorePermit;

use super::gate::Pass;
use super::shared::Relay;
use super::slots::{Kind, Slot};
use crate::rtir::Client;

/// What RT is sent of a large alert takes so many times its size.
const COPIES: usize = 4;

/// A slot, and the pass of the gate; both are free again when it is dropped.
pub(super) struct Attempt<'a> {
    relay: &'a Relay,
    // Dropped in this order: the pass while others wait for the slot.
    pass: Pass<'a>,
    _room: Option<SemaphorePermit<'a>>,
    slot: Slot<Client>,
    /// How many tickets the process had created when it began: what failed just before others succeeded may have failed
    /// as they did before.
    pub(super) created_at_start: u64,
}

impl<'a> Attempt<'a> {
    /// Waits for its turn. `large`: what the ticket carries beside its text, in bytes.
    pub(super) async fn begin(relay: &'a Relay, kind: Kind, large: usize) -> Self {
        // In this order: so there are never more passes than slots, which bounds what a fault of the set-up costs.
        let slot = relay.slots.get(kind).await;
        let room = relay.room(COPIES * large / 1024).await;
        let pass = relay.gate.enter().await;
        let created_at_start = relay.tickets_created.load(Ordering::Relaxed);
        Self { relay, pass, _room: room, slot, created_at_start }
    }

    /// Whose requests it makes.
    pub(super) fn client(&self) -> &Client {
        &self.slot
    }

    /// The ticket that it made is found by its key.
    pub(super) fn proved(&self) {
        self.relay.gate.prove(&self.pass);
        self.slot.succeeded();
    }

    /// RT could not keep up.
    pub(super) fn congested(&self) {
        self.slot.congested();
    }
}
