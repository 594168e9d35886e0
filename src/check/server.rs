//! The way to a server that is spoken to by HTTP: its address and its certificate.

use std::path::PathBuf;

use url::Url;

use super::certificate::judge_handshake;
use super::{Findings, STEP_BEFORE_FAILED, Step, Verdict, reached};
use crate::diagnosis::{Diagnosis, Trouble};
use crate::reach::{self, tls};

/// Such a server.
pub(super) struct Server<'a> {
    pub url: &'a Url,
    pub ca_file: Option<PathBuf>,
    pub settings: &'a reach::Settings,
    /// That of its address, and that of TLS.
    pub steps: [Step; 2],
    /// What can be read on the way, if anything can.
    pub readable: Option<&'static str>,
}

impl Server<'_> {
    /// Whether it can be spoken to, without a proxy.
    pub(super) async fn reach(self, findings: &mut Findings<'_>) -> bool {
        let [address_step, tls_step] = self.steps;
        let (host, port) = host_and_port(self.url);
        let stream = match reach::connect(&host, port, self.settings).await {
            Ok(stream) => stream,
            Err(diagnosis) => {
                findings.fail(address_step, diagnosis);
                findings.skip(&[tls_step], STEP_BEFORE_FAILED);
                return false;
            }
        };
        findings.well(address_step, reached(&host, port, &stream));
        let verdict = if self.url.scheme() == "https" {
            let trust = tls::Trust { ca_file: self.ca_file, client_identity: None };
            let what = format!("TLS with {host}:{port} failed");
            judge_handshake(&tls::look(stream, &host, &trust).await, what, self.settings)
        } else if let Some(readable) = self.readable {
            let what = format!("{} is plain http", self.settings.url);
            let why = format!("{readable} can be read on the way");
            Verdict::Warning(Diagnosis::of(Trouble::Certificate, what, why, "Use https"))
        } else {
            Verdict::Skipped("http:// is not by TLS".to_owned())
        };
        findings.add(tls_step, &verdict);
        !matches!(verdict, Verdict::Failed(_))
    }
}

/// Where `url` leads.
pub(super) fn host_and_port(url: &Url) -> (String, u16) {
    // Only socks has no port of its own there.
    (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default().unwrap_or(1080))
}
