//! Names in one table that become UTF-8 and stay apart.

use std::collections::HashSet;
use std::ops::Range;

use super::altered::Altered;
use super::text;

/// What is put in place of bytes that belong to no character where `?` would make two names equal.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// How many names are tried for all fields of a table. A publisher may leave none free, and lapin waits.
const MAX_TRIES: usize = 500_000;

/// Makes the `names` of the fields of a table UTF-8, each the bytes that lie there, and each another than all others, as far
/// as there are so many of its length.
pub(super) fn rename(bytes: &mut [u8], names: Vec<Range<usize>>, altered: &mut Altered) {
    let (good, bad): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| text::is_valid(&bytes[name.clone()]));
    let mut taken: HashSet<Vec<u8>> = good.into_iter().map(|name| bytes[name].to_vec()).collect();
    let mut tries = 0..MAX_TRIES;
    for name in bad {
        let name = &mut bytes[name];
        altered.note_not_utf8("a header's name", name);
        let places = text::invalid(name);
        text::substitute(name);
        // Counting goes on from one name to the next: what was taken once is not tried again.
        while taken.contains(&*name) {
            let Some(number) = tries.next() else { break };
            write(name, &places, number);
        }
        taken.insert(name.to_vec());
    }
}

/// Writes `number` into `places` of `name`, as far as they have room for it.
fn write(name: &mut [u8], places: &[usize], mut number: usize) {
    for &place in places.iter().rev() {
        name[place] = DIGITS[number % DIGITS.len()];
        number /= DIGITS.len();
    }
}
