//! Waiting for a moment that may change meanwhile.

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Waits for the moment that `due` makes of the state, which may change meanwhile.
pub(super) async fn until_due<T>(mut state: watch::Receiver<T>, due: impl Fn(&T) -> Option<Instant>) {
    loop {
        let due = due(&state.borrow_and_update());
        let due = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => return,
            _ = state.changed() => {}
        }
    }
}
