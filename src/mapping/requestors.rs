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
    pub left_out: Vec<LeftOut>,
}

/// A focal point that is not notified.
pub(super) struct LeftOut {
    /// As the ticket shows it.
    pub who: String,
    pub why: String,
    /// Where it stands in the alert, from 1.
    position: usize,
}

/// Sorts the focal points into those that are notified and those that are not.
pub(super) fn choose(
    focal_points: &[Result<FocalPoint, MisshapenFocalPoint>],
    fallback: Option<&EmailAddress>,
) -> Result<Notified, Unmappable> {
    let mut notified = Notified { requestors: Vec::new(), people: Vec::new(), left_out: Vec::new() };
    for (index, focal_point) in focal_points.iter().enumerate() {
        let (who, judged) = match focal_point {
            Ok(person) => (describe(person), notified.add(person)),
            Err(misshapen) => (misshapen.who.clone(), Err(misshapen.why.clone())),
        };
        match judged {
            Ok(()) => notified.people.push(who),
            Err(why) => notified.left_out.push(LeftOut { who, why, position: index + 1 }),
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
    fn add(&mut self, person: &FocalPoint) -> Result<(), String> {
        if !person.active {
            return Err("not active".to_owned());
        }
        let address = EmailAddress::parse(&person.email)?;
        if !self.requestors.contains(&address) {
            self.requestors.push(address);
        }
        Ok(())
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

/// Says of each why it could not be notified. People are named by their position: the words go into logs.
fn missing(left_out: &[LeftOut]) -> Unmappable {
    let position = |left: &LeftOut| format!("focal point {} ({})", left.position, left.why);
    let few: Vec<_> = left_out.iter().take(5).map(position).collect();
    Unmappable::MissingFocalPoints(match left_out.len() {
        0 => "the alert names no focal point".to_owned(),
        count if count > few.len() => format!("none of {count} can be notified: {}; ...", few.join(", ")),
        _ => format!("none can be notified: {}", few.join(", ")),
    })
}
