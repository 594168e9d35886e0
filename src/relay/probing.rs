//! Looking at RT: one for all who wait, and after a failure.

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info};

use super::rt_state::Condition;
use super::shared::Relay;
use crate::outcome::Class;
use crate::rtir::Error;

impl Relay {
    /// Waits until attempts may be made. Whoever waits longest probes for all.
    pub async fn until_open(&self) {
        let mut condition = self.state.watch();
        let mut opened = pin!(async { drop(condition.wait_for(Condition::is_open).await) });
        loop {
            let mut looking = tokio::select! {
                biased;
                () = &mut opened => return,
                looking = self.looking.lock() => looking,
            };
            // It may be opened by who tries alone.
            tokio::select! {
                biased;
                () = &mut opened => return,
                () = tokio::time::sleep(self.state.probe_after()) => *looking = self.probe().await,
            }
        }
    }

    /// Probes RT whenever it is down, also while no alert is held that would.
    pub async fn keep_probing(&self) {
        let mut condition = self.state.watch();
        loop {
            self.until_open().await;
            drop(condition.wait_for(|condition| !condition.is_open()).await);
        }
    }

    /// After an attempt failed with `error`: whether RT is well otherwise. One looks for all that failed by then.
    pub(super) async fn look_after(&self, error: &Error) -> bool {
        self.state.attempt_failed();
        if error.class() == Class::SetUp && !matches!(error, Error::Credentials(_)) {
            self.gate.close();
            self.state.is_down(error.diagnosis(), error.retry_after().unwrap_or_default());
            return false;
        }
        let failed = Instant::now();
        if !self.state.is_open() {
            return false;
        }
        let mut looking = self.looking.lock().await;
        if !self.state.is_open() {
            return false;
        }
        if let Error::Credentials(_) = error {
            self.gate.close();
            self.state.is_refused(error.diagnosis());
            return false;
        }
        if looking.is_some_and(|passed| passed > failed) {
            return true;
        }
        *looking = self.look(error.retry_after().unwrap_or_default()).await;
        looking.is_some()
    }

    /// A look at RT; when it passed.
    async fn look(&self, at_least: Duration) -> Option<Instant> {
        match self.prober.probe().await {
            Ok(()) => Some(Instant::now()),
            Err(fault @ Error::Credentials(_)) => {
                self.gate.close();
                self.state.is_refused(fault.diagnosis());
                None
            }
            Err(fault) => {
                if fault.class() == Class::SetUp {
                    self.gate.close();
                }
                self.state.is_down(fault.diagnosis(), at_least.max(fault.retry_after().unwrap_or_default()));
                None
            }
        }
    }

    /// Whether RT is well again, which it is not before every ticket that lost its key has it.
    async fn probe(&self) -> Option<Instant> {
        let Some(passed) = self.look(Duration::ZERO).await else {
            debug!("a probe failed: RT is not well yet");
            return None;
        };
        while let Some((ticket, key)) = self.gate.lost() {
            if let Err(error) = self.prober.mend(ticket, &key).await {
                if matches!(error, Error::Gone(_)) {
                    info!(rt.ticket_id = ticket.0, "ticket {ticket} is gone: its alert makes another");
                    self.gate.forget(ticket);
                    continue;
                }
                debug!("a probe failed: ticket {ticket} is not found by its key yet");
                self.state.is_down(error.diagnosis(), error.retry_after().unwrap_or_default());
                return None;
            }
            info!(rt.ticket_id = ticket.0, "ticket {ticket} is found by its key now: {key}");
            self.gate.forget(ticket);
        }
        self.state.probe_passed(&self.held);
        if self.state.is_half_open() {
            // Creates have failed while probes passed: one at a time.
            self.gate.close();
        }
        Some(passed)
    }
}
