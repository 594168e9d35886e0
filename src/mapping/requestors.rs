//! Who is notified, and who could not be.

use std::fmt::Write as _;

use crate::alert::{FocalPoint, MisshapenFocalPoint, defang};
use crate::ticket::{EmailAddress, RtAddresses};

/// The outcome for all focal points of an alert.
#[derive(Default)]
pub struct Notified {
    /// Each address once; none if nobody can be notified.
    pub requestors: Vec<EmailAddress>,
    /// The people behind them.
    pub people: Vec<Person>,
    /// Who is not notified.
    pub left_out: Vec<LeftOut>,
}

/// A focal point that is notified, or the fallback.
pub struct Person {
    /// As the ticket shows it.
    pub who: String,
    /// Where.
    pub address: EmailAddress,
    /// What decided it.
    pub because: &'static str,
}

/// A focal point that is not notified.
pub struct LeftOut {
    /// As the ticket shows it.
    pub who: String,
    /// What decided it.
    pub why: String,
    /// Where it stands in the alert, from 1.
    pub position: usize,
}

impl Notified {
    /// Sorts the focal points into those that are notified and those that are not.
    pub(super) fn choose(
        focal_points: &[Result<FocalPoint, MisshapenFocalPoint>],
        fallback: Option<&EmailAddress>,
        rt_addresses: &RtAddresses,
    ) -> Self {
        let mut notified = Self::default();
        for (index, focal_point) in focal_points.iter().enumerate() {
            let (who, judged) = match focal_point {
                Ok(person) => (describe(person), address_of(person, rt_addresses)),
                Err(misshapen) => (misshapen.who.clone(), Err(misshapen.why.clone())),
            };
            match judged {
                Ok(address) => notified.add(who, address),
                Err(why) => notified.left_out.push(LeftOut { who, why, position: index + 1 }),
            }
        }
        let fallback = fallback.filter(|fallback| !rt_addresses.contains(fallback));
        if let (true, Some(fallback)) = (notified.requestors.is_empty(), fallback) {
            let who = format!("{} (fallback: no focal point could be notified)", fallback.as_str());
            notified.requestors.push(fallback.clone());
            notified.people.push(Person { who, address: fallback.clone(), because: "RTIR_FALLBACK_REQUESTOR" });
        }
        notified
    }

    fn add(&mut self, who: String, address: EmailAddress) {
        let because = if self.requestors.contains(&address) {
            "active, with an address that is notified once"
        } else {
            self.requestors.push(address.clone());
            "active, with an address that RT takes"
        };
        self.people.push(Person { who, address, because });
    }

    /// Says of each why it could not be notified. People are named by their position: the words go into logs.
    pub(super) fn why_nobody(&self) -> String {
        let position = |left: &LeftOut| format!("focal point {} ({})", left.position, left.why);
        let few: Vec<_> = self.left_out.iter().take(5).map(position).collect();
        match self.left_out.len() {
            0 => "the alert names no focal point".to_owned(),
            count if count > few.len() => format!("{} and {} more", few.join(", "), count - few.len()),
            _ => few.join(", "),
        }
    }
}

/// What a comment on a ticket says of those that the ticket calls notified, and whom RT dropped.
pub fn missing_requestors(missing: &[&EmailAddress]) -> String {
    let mut text =
        "RT did not take these addresses as requestors of this ticket, so nobody is notified there:\n".to_owned();
    for address in missing {
        let _ = writeln!(text, "  {}", defang(address.as_str()));
    }
    text + "Notify them another way, or fix the address where the alert is published."
}

/// The address to notify `person` at.
fn address_of(person: &FocalPoint, rt_addresses: &RtAddresses) -> Result<EmailAddress, String> {
    if !person.active {
        return Err("not active".to_owned());
    }
    let address = EmailAddress::parse(&person.email)?;
    if rt_addresses.contains(&address) {
        return Err("an address of RT itself, which RT does not mail to".to_owned());
    }
    Ok(address)
}

/// `Ada Mensah, CISO <ada@example.bj>`
fn describe(person: &FocalPoint) -> String {
    let function = person.function.as_ref().map(|function| format!(", {function}")).unwrap_or_default();
    match &person.name {
        Some(name) => format!("{name}{function} <{}>", person.email),
        None => format!("{}{function}", person.email),
    }
}
