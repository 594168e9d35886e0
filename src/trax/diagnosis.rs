//! What is wrong in RT for the hand-over, and what mends it.

use crate::diagnosis::{Diagnosis, Trouble};
use crate::rtir::Shown;
use crate::ticket::{REPORTED_FIELD, TicketId};

/// The diagnosis of a custom field without which nothing is found.
pub fn no_field(field: &str) -> Diagnosis {
    Diagnosis::of(
        Trouble::MissingPermission,
        "searching RT for tickets to hand over failed",
        format!("there is no custom field {field}, or the right SeeCustomField on it is missing"),
        format!(
            "Make the custom field {field} for tickets, apply it to the RT queue, and grant the service user \
             SeeCustomField{} on it (in RT: Admin > Custom Fields > {field})",
            if field == REPORTED_FIELD { " and ModifyCustomField" } else { "" }
        ),
    )
}

/// The diagnosis of a ticket that lacks `field`.
pub(super) fn no_field_on(ticket: &Shown, field: &str) -> Diagnosis {
    let id = ticket.id;
    Diagnosis::of(
        Trouble::InvalidQueue,
        format!("handing over ticket {id} failed"),
        format!("it has no custom field {field}, so that it could not be marked"),
        format!(
            "Apply the field to its RT queue (in RT: Admin > Custom Fields > {field} > Applies to), or have \
             TRAX_CONDITION leave that queue out"
        ),
    )
}

/// The diagnosis of a ticket that is marked, and found as one that is not.
pub(super) fn several_fields_on(id: TicketId) -> Diagnosis {
    Diagnosis::of(
        Trouble::InvalidQueue,
        format!("ticket {id} was handed over, and is found as if it was not"),
        format!(
            "it has several custom fields named {REPORTED_FIELD}, or so but for capitals, and one of them is empty"
        ),
        "Leave one of them on its RT queue, that of date and time (in RT: Admin > Custom Fields)",
    )
}
