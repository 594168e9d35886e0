//! How many copies of each letter are meant, and how many were taken out. Identical copies cannot be told apart, and need
//! not be: which of them goes makes no difference. How many go does. Pure.

use std::collections::HashMap;

use crate::amqp::Fingerprint;

/// So many copies of each letter.
#[derive(Debug, Default)]
pub(super) struct Copies(HashMap<Fingerprint, usize>);

impl Copies {
    /// One more.
    pub(super) fn add(&mut self, letter: Fingerprint) {
        *self.0.entry(letter).or_default() += 1;
    }

    /// One fewer; `false` if there is none.
    pub(super) fn take(&mut self, letter: Fingerprint) -> bool {
        let Some(count) = self.0.get_mut(&letter) else { return false };
        *count -= 1;
        if *count == 0 {
            self.0.remove(&letter);
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a walk took out of the queue and what it left there. AMQP confirms no acknowledgement, so that what was taken
/// out may be back. This tells it from what came later, and from what is meant to stay.
#[derive(Debug, Default)]
pub(super) struct Removed {
    letters: HashMap<Fingerprint, Counted>,
    /// What is found in the walk that is under way.
    found: HashMap<Fingerprint, Counted>,
}

/// Identical copies.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    removed: usize,
    stay: usize,
}

impl Removed {
    /// One was taken out.
    pub(super) fn removed(&mut self, letter: Fingerprint) {
        self.letters.entry(letter).or_default().removed += 1;
    }

    /// One was left there.
    pub(super) fn stays(&mut self, letter: Fingerprint) {
        self.letters.entry(letter).or_default().stay += 1;
    }

    /// Those that are still chosen were left there, too.
    pub(super) fn all_stay(&mut self, chosen: &Copies) {
        for (letter, count) in &chosen.0 {
            self.letters.entry(*letter).or_default().stay += count;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.letters.values().all(|counted| counted.removed == 0)
    }

    /// Whether `letter`, which another walk finds, was taken out before and so has to go. What was never handed out before
    /// has come later. Of identical copies as many stay as did before, and no more go than went.
    pub(super) fn is_left_over(&mut self, letter: Fingerprint, redelivered: bool) -> bool {
        let Some(before) = self.letters.get_mut(&letter) else { return false };
        let found = self.found.entry(letter).or_default();
        if redelivered && before.stay == 0 && before.removed > 0 {
            before.removed -= 1;
            found.removed += 1;
            return true;
        }
        if redelivered {
            before.stay = before.stay.saturating_sub(1);
        }
        found.stay += 1;
        false
    }

    /// The walk is over: what it took out is what may be back in the next.
    pub(super) fn next_walk(&mut self) {
        self.letters = std::mem::take(&mut self.found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amqp::{BasicProperties, Letter};

    const NEW: bool = false;
    const SEEN: bool = true;

    fn letter(body: &[u8]) -> Fingerprint {
        let (exchange, routing_key) = (String::new(), String::new());
        Letter { exchange, routing_key, properties: BasicProperties::default(), body: body.to_vec() }.fingerprint()
    }

    /// The letters of another walk, in the queue's order: whether each goes.
    fn walk(removed: &mut Removed, letters: &[(&[u8], bool)]) -> Vec<bool> {
        let goes = letters.iter().map(|(body, redelivered)| removed.is_left_over(letter(body), *redelivered)).collect();
        removed.next_walk();
        goes
    }

    fn after(removals: &[&[u8]], kept: &[&[u8]]) -> Removed {
        let mut removed = Removed::default();
        for body in removals {
            removed.removed(letter(body));
        }
        for body in kept {
            removed.stays(letter(body));
        }
        removed
    }

    #[test]
    fn what_is_back_goes_until_it_is_gone() {
        let mut removed = after(&[b"a", b"b"], &[]);
        assert_eq!(walk(&mut removed, &[(b"b", SEEN), (b"other", SEEN), (b"a", SEEN)]), [true, false, true]);
        assert!(!removed.is_empty());
        assert_eq!(walk(&mut removed, &[(b"a", SEEN)]), [true]);
        assert!(!removed.is_empty());
        assert_eq!(walk(&mut removed, &[]), [false; 0]);
        assert!(removed.is_empty());
    }

    #[test]
    fn what_came_later_stays_in_every_walk_even_if_it_is_identical() {
        let mut removed = after(&[b"a"], &[]);
        // The one that was taken out is gone; this one came meanwhile.
        assert_eq!(walk(&mut removed, &[(b"a", NEW)]), [false]);
        assert!(removed.is_empty());
        // Both are there; then the newcomer was handed out before as well.
        let mut removed = after(&[b"a"], &[]);
        assert_eq!(walk(&mut removed, &[(b"a", NEW), (b"a", SEEN)]), [false, true]);
        assert_eq!(walk(&mut removed, &[(b"a", SEEN), (b"a", NEW)]), [false, false]);
        assert!(removed.is_empty());
    }

    #[test]
    fn of_identical_copies_as_many_stay_as_stayed() {
        let mut removed = after(&[b"a", b"a"], &[b"a"]);
        assert_eq!(walk(&mut removed, &[(b"a", SEEN), (b"a", SEEN)]), [false, true]);
        assert_eq!(walk(&mut removed, &[(b"a", SEEN)]), [false]);
        let mut chosen = Copies::default();
        chosen.add(letter(b"a"));
        chosen.add(letter(b"a"));
        let mut removed = after(&[b"a"], &[]);
        removed.all_stay(&chosen);
        assert_eq!(walk(&mut removed, &[(b"a", SEEN), (b"a", SEEN)]), [false, false]);
        // And no more go than went.
        let mut removed = after(&[b"a"], &[]);
        assert_eq!(walk(&mut removed, &[(b"a", SEEN), (b"a", SEEN)]), [true, false]);
    }

    #[test]
    fn no_more_copies_are_taken_than_there_are() {
        let mut copies = Copies::default();
        copies.add(letter(b"a"));
        copies.add(letter(b"a"));
        assert_eq!([b"a", b"b", b"a", b"a"].map(|body| copies.take(letter(body))), [true, false, true, false]);
        assert!(copies.is_empty());
    }
}
