//! `TRAX_*`: the hand-over to TTS trax.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::environment::{Environment, Faults, Values, section};
use super::rtir::is_readable_on_the_way;
use super::secret::Secret;

section! { TraxVars "TRAX_" {
    url, token, token_file, ca_file, timeout, interval, condition, release_field, attributes_file
} }

/// The postbox, and which tickets go there.
#[derive(Debug)]
pub struct Trax {
    /// The postbox.
    pub url: Url,
    /// Its API token.
    pub token: Secret,
    /// PEM of a private certificate authority, trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// How long the postbox may take.
    pub timeout: Duration,
    /// How often tickets are looked for, at least.
    pub interval: Duration,
    /// Which tickets are handed over, in RT's `TicketSQL`; `None`: those of `RTIR_QUEUE` from priority 60 on.
    pub condition: Option<String>,
    /// The custom field by which a person releases a ticket; `None`: no release is needed.
    pub release_field: Option<String>,
    /// TOML: what is handed over of a ticket; `None`: as in trax's own example.
    pub attributes_file: Option<PathBuf>,
}

impl Trax {
    /// Whether token and tickets go through the net in plain text.
    pub fn is_readable_on_the_way(&self) -> bool {
        is_readable_on_the_way(&self.url)
    }

    /// `Some(None)` where no postbox is set up.
    #[expect(clippy::option_option, reason = "the outer one says whether it could be read")]
    pub(super) fn read(environment: &Environment, faults: &mut Faults) -> Option<Option<Self>> {
        let vars = TraxVars::read(environment);
        let mut values = Values::new("TRAX_", faults);
        let Some(url) = vars.url else {
            if environment.has_any(TraxVars::KNOWN) {
                values.faults.missing("TRAX_URL", "is required where another TRAX_ variable is set");
                return None;
            }
            return Some(None);
        };
        // The text is not repeated: whoever puts a password into it should not find it in a log.
        let url = parse_postbox(&url);
        if url.is_none() {
            values.faults.missing("TRAX_URL", "takes http:// or https://, and a host; no user, no fragment");
        }
        let token = values.secret("TOKEN", vars.token, vars.token_file);
        if token.is_none() {
            values.faults.missing("TRAX_TOKEN", "is required, or TRAX_TOKEN_FILE: the API token of the postbox");
        }
        let ca_file = values.file("CA_FILE", vars.ca_file);
        let attributes_file = values.file("ATTRIBUTES_FILE", vars.attributes_file);
        let timeout = values.duration("TIMEOUT", vars.timeout, "10s");
        let interval = values.duration("INTERVAL", vars.interval, "60s");
        let takes = "the name of a custom field, without braces and quotes";
        let release_field = values.optional("RELEASE_FIELD", vars.release_field, takes, |name| {
            let plain = !name.contains(|c: char| c.is_control() || "{}'\"\\".contains(c));
            plain.then(|| name.to_owned())
        });
        Some(Some(Self {
            url: url?,
            token: token?,
            ca_file,
            timeout: timeout?,
            interval: interval?,
            condition: vars.condition,
            release_field,
            attributes_file,
        }))
    }
}

/// The file of `TRAX_ATTRIBUTES_FILE`, if one is named.
pub(super) fn read_attributes_file(environment: &Environment, faults: &mut Faults) -> Option<PathBuf> {
    let vars = TraxVars::read(environment);
    Values::new("TRAX_", faults).file("ATTRIBUTES_FILE", vars.attributes_file)
}

fn parse_postbox(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && bare).then_some(url)
}
