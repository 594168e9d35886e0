//! An HTTP client as the relay wants one: bounded in time, trusting whom it is told to, following nobody elsewhere.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, ClientBuilder, redirect};

/// No answer that the relay reads is larger, in bytes.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// A client whose requests take at most `timeout`, and which trusts the authorities in `ca_file` beside the system's.
///
/// # Errors
/// What is wrong with `ca_file`.
pub fn builder(timeout: Duration, ca_file: Option<&Path>) -> Result<ClientBuilder, String> {
    let builder = reqwest::Client::builder()
        // Not a browser's: RT answers those with its login page.
        .user_agent(concat!("rtir-relay/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(10)));
    let Some(path) = ca_file else { return Ok(builder) };
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(format!("{} holds no PEM certificate", path.display()));
    }
    Ok(builder.tls_certs_merge(certificates))
}
