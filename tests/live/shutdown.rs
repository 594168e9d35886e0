//! SIGTERM while there is nothing to finish; in the middle of a load it is one of the faults.

use crate::support::lab::Scene;
use crate::support::relay_process::RelayProcess;

#[tokio::test]
async fn sigterm_while_the_broker_is_not_there_ends_at_once() {
    let scene = Scene::new("no-broker").await;
    // Nothing listens on port 1.
    let relay =
        RelayProcess::start(&scene.environment(&[("AMQP_URL", "amqp://relay:relay-broker-password@127.0.0.1:1/%2f")]));
    relay.logs("trying again").await;
    scene.stop(relay).await;
    scene.close().await;
}
