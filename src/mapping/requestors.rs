//! Who is notified, and who could not be.

use super::Unmappable;
use crate::alert::{FocalPoint, MisshapenFocalPoint};
use crate::ticket::EmailAddress;

/// The outcome for all focal points of an alert.
pub(super) struct Notified {
    /// Each address once.
    pub requestors: Vec<EmailAddress>,
    /// The people behind them, as the ticket shows them.
    pub people: Vec<String>,
    /// Who is not notified, and why.
    pub left_out: Vec<String>,
}

/// Sorts the focal points into those that are notified and those that are not.
pub(super) fn choose(
    focal_points: &[Result<FocalPoint, MisshapenFocalPoint>],
    fallback: Option<&EmailAddress>,
) -> Result<Notified, Unmappable> {
    let mut notified = Notified { requestors: Vec::new(), people: Vec::new(), left_out: Vec::new() };
    for focal_point in focal_points {
        match focal_point {
            Ok(person) => notified.add(person),
            Err(misshapen) => notified.left_out.push(format!("{} ({})", misshapen.who, misshapen.why)),
        }
    }
    if notified.requestors.is_empty() {
        let Some(fallback) = fallback else { return Err(missing(&notified.left_out)) };
        notified.people.push(format!("{} (fallback: no focal point could be notified)", fallback.as_str()));
        notified.requestors.push(fallback.clone());
    }
    Ok(notified)
}

impl Notified {
    fn add(&mut self, person: &FocalPoint) {
        let who = describe(person);
        if !person.active {
            return self.left_out.push(format!("{who} (not active)"));
        }
        match EmailAddress::parse(&person.email) {
            Err(why) => self.left_out.push(format!("{who} ({why})")),
            Ok(address) => {
                self.people.push(who);
                if !self.requestors.contains(&address) {
                    self.requestors.push(address);
                }
            }
        }
    }
}

/// `Ada Mensah, CISO <ada@example.bj>`
fn describe(person: &FocalPoint) -> String {
    let function = person.function.as_ref().map(|function| format!(", {function}")).unwrap_or_default();
    match &person.name {
        Some(name) => format!("{name}{function} <{}>", person.email),
        None => format!("{}{function}", person.email),
    }
}

fn missing(left_out: &[String]) -> Unmappable {
    Unmappable::MissingFocalPoints(match left_out {
        [] => "the alert names no focal point".to_owned(),
        // A header has room for a few; the body names them all.
        few if few.len() <= 5 => format!("none of them can be notified: {}", few.join("; ")),
        [first, ..] => format!("none of {} focal points can be notified, first {first}", left_out.len()),
    })
}
