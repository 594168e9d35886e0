//! `rtir-relay run`

use tracing::error;

use super::{Exit, block_on, report};
use crate::config::{Config, Environment};
use crate::{relay, shutdown};

pub(super) fn execute(environment: &Environment) -> Exit {
    let config = match Config::load(environment) {
        Ok(config) => config,
        Err(faults) => return report(&faults),
    };
    block_on(async {
        let stop = match shutdown::on_signal() {
            Ok(stop) => stop,
            Err(error) => {
                error!("signals cannot be listened for: {error}");
                return Exit::Failed;
            }
        };
        match relay::run(config, stop).await {
            Ok(()) => Exit::Well,
            Err(diagnosis) => {
                error!("{diagnosis}");
                Exit::Configuration
            }
        }
    })
}
