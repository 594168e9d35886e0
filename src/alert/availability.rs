//! Details of an `availability` alert.

use super::choice::choices;
use super::object::details;
use super::{Line, Number, present};

choices! {
    /// How the site fails to answer.
    AvailabilityProblem {
        /// No connection.
        Unreachable = "unreachable",
        /// No answer in time.
        Timeout = "timeout",
        /// An answer that is an error.
        HttpError = "http_error",
        /// An answer that takes too long.
        Slow = "slow",
    }
}

details! {
    /// Details of an `availability` alert, each as given.
    Availability {
        /// How the site fails to answer.
        problem: Option<AvailabilityProblem>,
        /// The status it answered.
        http_status: Option<Number>,
        /// How long it took, in milliseconds.
        response_time_ms: Option<Number>,
        /// How long it may take, in milliseconds.
        threshold_ms: Option<Number>,
        /// What the worker saw.
        error: Option<String>,
    }
}

impl Availability {
    pub(super) fn what_is_wrong(&self) -> String {
        match (self.problem, &self.http_status) {
            (Some(AvailabilityProblem::Unreachable), _) => "The site cannot be reached".to_owned(),
            (Some(AvailabilityProblem::Timeout), _) => "The site does not answer in time".to_owned(),
            (Some(AvailabilityProblem::HttpError), Some(status)) => {
                format!("The site answers with an error (HTTP status {})", status.text)
            }
            (Some(AvailabilityProblem::HttpError), None) => "The site answers with an error".to_owned(),
            (Some(AvailabilityProblem::Slow), _) => "The site answers slowly".to_owned(),
            (None, _) => "The site does not answer as it should".to_owned(),
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let text = |number: &Option<Number>, unit: &str| number.as_ref().map(|n| format!("{}{unit}", n.text));
        present([
            ("Problem", self.problem.map(AvailabilityProblem::as_str)),
            ("HTTP status", text(&self.http_status, "").as_deref()),
            ("Response time", text(&self.response_time_ms, " ms").as_deref()),
            ("Threshold", text(&self.threshold_ms, " ms").as_deref()),
            ("Error", self.error.as_deref()),
        ])
    }
}
