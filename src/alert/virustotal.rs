//! Details of a `virustotal` alert.

use super::defang::defang;
use super::object::{details, item};
use super::{Line, Number, present};

details! {
    /// Details of a `virustotal` alert, each as given.
    VirusTotal {
        /// How many vendors flag the site.
        positives: Option<Number>,
        /// How many vendors were asked.
        total: Option<Number>,
        /// The report at VirusTotal.
        permalink: Option<String>,
        /// Who flags it.
        vendors: Vec<Vendor>,
    }
}

item! {
    /// What one vendor says of the site.
    Vendor {
        /// The vendor's name.
        name: String;
        /// Its category: `malicious`, `suspicious`.
        category: Option<String>,
        /// Its result: `phishing`, `malware`.
        result: Option<String>,
        /// Where to ask it to look again.
        contact: Option<String>,
    }
}

impl VirusTotal {
    pub(super) fn what_is_wrong(&self) -> String {
        match (&self.positives, &self.total) {
            (Some(positives), Some(total)) => {
                format!("VirusTotal lists the site ({} of {} vendors flag it)", positives.text, total.text)
            }
            (Some(positives), None) => format!("VirusTotal lists the site (flagged by {})", positives.text),
            (None, _) => "VirusTotal lists the site".to_owned(),
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let text = |number: &Option<Number>| number.as_ref().map(|n| n.text.clone());
        let mut lines = present([
            ("Flagged by", text(&self.positives).as_deref()),
            ("Vendors asked", text(&self.total).as_deref()),
            ("Report", self.permalink.as_deref().map(defang).as_deref()),
        ]);
        lines.extend(self.vendors.iter().map(|vendor| {
            let said: Vec<_> = [&vendor.category, &vendor.result].into_iter().flatten().map(String::as_str).collect();
            let contact = vendor.contact.as_deref().map(|contact| format!("; contact {contact}")).unwrap_or_default();
            let said = if said.is_empty() { "flagged".to_owned() } else { said.join(", ") };
            ("Vendor".to_owned(), defang(&format!("{}: {said}{contact}", vendor.name)))
        }));
        lines
    }
}
