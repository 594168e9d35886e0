//! What systemd is told of the relay, by the datagrams of `sd_notify(3)`: when it is ready, what it does, that its loop
//! turns, and that it stops. Where there is no `NOTIFY_SOCKET`, nothing happens.

use std::pin::Pin;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;
use tracing::warn;

use crate::relay::{Service, State};

/// How often systemd is told; far below any watchdog's time.
const EVERY: Duration = Duration::from_secs(1);
/// How long systemd is to wait on for a start or a stop, told anew while the loop turns: the broker may be away for
/// longer than any start may take. In microseconds.
const EXTENSION_USEC: u32 = 30_000_000;

/// Does `work`, which runs `service`, and tells systemd meanwhile how it is. In the same task: where that hangs, silence
/// is what the watchdog waits for.
pub async fn telling<T>(service: &Service, mut work: Pin<Box<impl Future<Output = T>>>) -> T {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return work.await;
    }
    let mut notices = Notices::default();
    let mut reached = true;
    loop {
        let told = sd_notify::notify(&notices.due(service));
        if let Err(error) = &told
            && reached
        {
            warn!("systemd cannot be told how the relay is, by NOTIFY_SOCKET: {error}");
        }
        reached = told.is_ok();
        tokio::select! {
            biased;
            done = &mut work => {
                // A stop may have begun and ended since.
                let _ = sd_notify::notify(&notices.due(service));
                return done;
            }
            () = sleep(EVERY) => {}
        }
    }
}

/// What systemd has been told.
#[derive(Debug, Default)]
pub struct Notices {
    ready: bool,
    stopping: bool,
    status: String,
}

impl Notices {
    /// What it is to be told now.
    pub fn due(&mut self, service: &Service) -> Vec<NotifyState<'_>> {
        let (status, mut due) = (service.status(), Vec::new());
        let state = status.state();
        if status.is_alive() {
            due.push(NotifyState::Watchdog);
            if matches!(state, State::Starting | State::Stopping) {
                due.push(NotifyState::ExtendTimeoutUsec(EXTENSION_USEC));
            }
        }
        if !self.ready && status.is_ready() {
            self.ready = true;
            due.push(NotifyState::Ready);
        }
        if !self.stopping && state == State::Stopping {
            self.stopping = true;
            due.push(NotifyState::Stopping);
        }
        let summary = summary(service);
        if self.status != summary {
            self.status = summary;
            due.push(NotifyState::Status(&self.status));
        }
        due
    }
}

/// The line of `systemctl status`: what the relay does, and why alerts or dead letters wait.
fn summary(service: &Service) -> String {
    let rt = service.relay().condition().outage().map(|outage| format!("; alerts wait: {}", outage.cause));
    let letters = service.dead_letter_outage().map(|outage| format!("; dead letters wait: {}", outage.cause));
    let state = service.status().state().as_str();
    // A line break would begin another notice, and RT's own words are in a cause.
    [state, &rt.unwrap_or_default(), &letters.unwrap_or_default()].concat().replace(char::is_control, " ")
}
