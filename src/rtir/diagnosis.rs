//! What is wrong with RT in the words that operators know, and what mends it.

use super::error::{Error, Flaw, Obstacle, Operation, QueueFlaw, is_about_status};
use crate::diagnosis::{Diagnosis, Trouble};
use crate::outcome::RtAnswer;
use crate::reach;

/// The settings that lead to RT.
pub const REACH: reach::Settings = reach::Settings {
    url: "RTIR_URL",
    ca_file: "RTIR_CA_FILE",
    client_certificate: None,
    schemes: ["https://", "http://"],
};

/// By what word operators know it, if by any, and what mends it.
type Help = (Option<Trouble>, &'static str);

impl Error {
    /// The error with what mends it.
    pub fn diagnosis(&self) -> Diagnosis {
        if let Self::Unproven { ticket, flaw } = self {
            return flaw.diagnosis(format!("ticket {ticket} was made, but is not found again"));
        }
        let (what, why) = match self.to_string().split_once(": ") {
            Some((what, why)) => (format!("{what} failed"), why.to_owned()),
            None => ("a request to RT failed".to_owned(), self.to_string()),
        };
        if let Self::Transport { obstacle: Obstacle::Tls(fault), .. } = self {
            return fault.diagnosis(what, None, &REACH);
        }
        if let Self::Transport { obstacle: Obstacle::Descriptors, .. } = self {
            return reach::out_of_descriptors(what);
        }
        let (trouble, cure) = self.help();
        Diagnosis { trouble, what, why, cure: cure.to_owned() }
    }

    fn help(&self) -> Help {
        match self {
            Self::Secret(_) => (Some(Trouble::AuthenticationFailed), "Put the secret there, readable for the relay"),
            Self::Credentials(_) => (
                Some(Trouble::AuthenticationFailed),
                "Check RTIR_USERNAME and RTIR_PASSWORD, or RTIR_TOKEN, and that the RT user is enabled (in RT: Admin > \
                 Users)",
            ),
            Self::Transport { obstacle: Obstacle::Proxy, .. } => (
                Some(Trouble::ProxyOrFirewall),
                "Check RTIR_PROXY (or HTTPS_PROXY, NO_PROXY), and that the proxy lets the relay through to RT",
            ),
            Self::Transport { .. } => (
                Some(Trouble::ServerUnreachable),
                "Check that RT runs, and RTIR_URL, RTIR_PROXY, RTIR_CA_FILE and the network",
            ),
            Self::Status { operation, answer, by_rt, .. } => help_with_status(*operation, answer, *by_rt),
            Self::Answer { operation: Operation::Resolve, .. } => (Some(Trouble::MissingPermission), GRANT_MODIFY),
            Self::Answer { operation: Operation::SetReported, .. } => {
                (Some(Trouble::MissingPermission), GRANT_REPORTED)
            }
            Self::Answer { .. } | Self::TooLarge(_) => (
                Some(Trouble::ProxyOrFirewall),
                "Check that RTIR_URL leads to RT and not to another site or a login page",
            ),
            Self::Gone(_) => (None, "Nothing is to be done: another ticket is made"),
            Self::RtQueue { flaw, .. } => flaw.help(),
            Self::Unproven { flaw, .. } => flaw.help(),
        }
    }
}

const GRANT_MODIFY: &str = "Grant the service user ModifyTicket on the RT queue (in RT: Admin > Queues > User Rights)";

const GRANT_REPORTED: &str = "Grant the service user SeeCustomField and ModifyCustomField on the custom field Reported, \
                              a field of date and time (in RT: Admin > Custom Fields > Reported > User Rights)";

fn help_with_status(operation: Operation, answer: &RtAnswer, by_rt: bool) -> Help {
    match (operation, answer.http_status) {
        (_, 407) => (Some(Trouble::ProxyOrFirewall), "Check user and password in RTIR_PROXY"),
        (_, 502..=504) => (
            Some(Trouble::ServerUnreachable),
            "Check that RT runs behind the web server or proxy that answers in its place",
        ),
        (Operation::Create, 403) if by_rt => (
            Some(Trouble::MissingPermission),
            "Grant the service user CreateTicket on the RT queue (in RT: Admin > Queues > User Rights), or check \
             RTIR_QUEUE",
        ),
        (Operation::Comment, 400 | 403) if by_rt => (Some(Trouble::MissingPermission), GRANT_MODIFY),
        (Operation::Select, 400) => (None, "Mend TRAX_CONDITION; RT's Query Builder shows the right form"),
        // RT itself refuses no other request so, and says so in JSON.
        (_, 403) => (
            Some(Trouble::ProxyOrFirewall),
            "Let the proxy, web server or firewall that answers in RT's place pass the relay through",
        ),
        (Operation::Create, 400) if is_about_status(&answer.message) => (
            Some(Trouble::InvalidQueue),
            "Give the RT queue a lifecycle that starts with the status new, such as RTIR's incident_reports (in RT: \
             Admin > Queues > Basics)",
        ),
        (Operation::Create, 400 | 406 | 409 | 413 | 415 | 422) => {
            (Some(Trouble::RejectedData), "Mend what RT names, then replay the alert")
        }
        (Operation::LogIn | Operation::Look, 301..=308 | 404) => (
            None,
            "Check host and path of RTIR_URL, and that RT's REST 2.0 is enabled (RT 5 has it; RT 4.4 as the extension \
             RT::Extension::REST2; in RT 6 see $EnableREST2)",
        ),
        (operation, 404) if operation != Operation::Create => {
            (None, "Check RTIR_URL, and that RT's REST 2.0 is enabled")
        }
        _ => (None, "See RT's log"),
    }
}

impl QueueFlaw {
    fn help(self) -> Help {
        match self {
            Self::NotVisible => (
                Some(Trouble::InvalidQueue),
                "Check the spelling of RTIR_QUEUE, or grant the service user SeeQueue on the RT queue (in RT: Admin > \
                 Queues > User Rights)",
            ),
            Self::Disabled => (
                Some(Trouble::InvalidQueue),
                "Enable the RT queue (in RT: Admin > Queues > Basics), or set RTIR_QUEUE to another",
            ),
            Self::TakesNoTicket => (
                Some(Trouble::MissingPermission),
                "Grant the service user CreateTicket on the RT queue (in RT: Admin > Queues > User Rights)",
            ),
        }
    }
}

impl Flaw {
    /// The flaw with what mends it; `what` came of it.
    pub fn diagnosis(self, what: String) -> Diagnosis {
        let (trouble, cure) = self.help();
        Diagnosis { trouble, what, why: self.to_string(), cure: cure.to_owned() }
    }

    fn help(self) -> Help {
        match self {
            Self::NotVisible => (
                Some(Trouble::MissingPermission),
                "Grant the service user ShowTicket on the RT queue (in RT: Admin > Queues > User Rights); no other \
                 ticket is made until then",
            ),
            Self::FieldNotOnQueue => (
                Some(Trouble::InvalidQueue),
                "Apply the custom field Alert ID to the RT queue (in RT: Admin > Custom Fields > Alert ID > Applies \
                 to); no other ticket is made until then",
            ),
            Self::FieldNotVisible => (
                Some(Trouble::MissingPermission),
                "Make the custom field Alert ID, apply it to the RT queue, and grant the service user SeeCustomField \
                 and ModifyCustomField on it (in RT: Admin > Custom Fields > Alert ID > User Rights); no other ticket \
                 is made until then",
            ),
            Self::FieldNotWritten => (
                Some(Trouble::MissingPermission),
                "Grant the service user ModifyCustomField on the custom field Alert ID (in RT: Admin > Custom Fields > \
                 Alert ID > User Rights); no other ticket is made until then",
            ),
            Self::FieldPattern => (
                Some(Trouble::InvalidQueue),
                "Empty the Validation of the custom field Alert ID (in RT: Admin > Custom Fields > Alert ID > Basics)",
            ),
            Self::FieldType => (
                Some(Trouble::InvalidQueue),
                "Disable the custom field Alert ID and make one of that name of the type \"Enter one value\" (in RT: \
                 Admin > Custom Fields)",
            ),
            Self::FieldTwice => (
                Some(Trouble::InvalidQueue),
                "Leave one custom field Alert ID on the RT queue: disable the other, or take it off the RT queue (in \
                 RT: Admin > Custom Fields > Alert ID > Applies to)",
            ),
            Self::NotFound => (
                Some(Trouble::MissingPermission),
                "Grant the service user ShowTicket on the RT queue and SeeCustomField on the custom field Alert ID; \
                 no other ticket is made until then",
            ),
        }
    }
}
