//! A panic over one alert: caught, so that the alert is dead-lettered rather than delivered again and again.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use super::handle::Handled;
use crate::diagnosis::Diagnosis;
use crate::outcome::{DeadLetter, Fate, Reason};

/// What `handling` makes of its alert; a dead letter, if it panics. All that it holds of what is shared it holds by
/// guards, and so gives it back either way.
pub(super) fn caught(handling: impl Future<Output = Handled>) -> impl Future<Output = Handled> {
    AssertUnwindSafe(handling).catch_unwind().map(|handled| handled.unwrap_or_else(|_| panicked()))
}

/// What `work` gives; `None`, if it panics.
pub(super) async fn without_panic<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

fn panicked() -> Handled {
    let diagnosis = Diagnosis::other(
        "The relay failed on this alert",
        "a fault of the relay itself; its log says where",
        "Report it with the alert and that log, and replay the alert with a relay in which it is mended",
    );
    let letter = Box::new(DeadLetter::unasked(Reason::Panicked, None, diagnosis));
    Handled { alert_type: None, detected_at: None, fate: Fate::DeadLetter(letter) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::gate::Gate;
    use crate::relay::slots::{Kind, Slots};
    use crate::relay::turns::Turns;
    use crate::ticket::AlertKey;

    #[tokio::test]
    async fn a_panic_at_any_moment_of_the_work_is_survived() {
        assert_eq!(without_panic(async { 7 }).await, Some(7));
        assert_eq!(without_panic(async { panic!("at once") }).await, None::<()>);
        let later = async {
            tokio::task::yield_now().await;
            panic!("later")
        };
        assert_eq!(without_panic(later).await, None::<()>);
    }

    #[tokio::test]
    async fn a_panic_dead_letters_the_alert_and_gives_back_all_that_it_held() {
        let (turns, slots, gate) = (Turns::default(), Slots::new(vec![()], || false), Gate::default());
        let key = AlertKey::new(None, "alert-1");
        let handled = caught(async {
            let _turn = turns.take(&key).await;
            let _slot = slots.get(Kind::Fresh).await;
            let _pass = gate.enter().await;
            assert!(turns.take(&key).now_or_never().is_none(), "held");
            assert!(slots.get(Kind::Again).now_or_never().is_none(), "held");
            assert!(gate.enter().now_or_never().is_none(), "held");
            tokio::task::yield_now().await;
            panic!("as this test wants it");
        })
        .await;
        let Fate::DeadLetter(letter) = handled.fate else { panic!("{:?}", handled.fate) };
        assert_eq!((letter.reason, letter.key), (Reason::Panicked, None));

        assert!(turns.take(&key).now_or_never().is_some(), "given back");
        assert!(slots.get(Kind::Again).now_or_never().is_some(), "given back");
        assert!(gate.enter().now_or_never().is_some(), "given back");
    }
}
