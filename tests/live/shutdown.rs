//! SIGTERM while there is one thing to finish, or nothing; in the middle of a load it is one of the faults.

use crate::scenarios::stage::Stage;
use crate::support::eventually::eventually;
use crate::support::fake_rt::{FakeRt, Fault, Op};
use crate::support::lab::{Scene, setting};
use crate::support::relay_process::RelayProcess;

#[tokio::test]
async fn sigterm_in_the_middle_of_a_create_gives_back_the_rest_and_waits_for_it() {
    let rt = FakeRt::start();
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "mid-create", &rt, &[]).await;
    let relay = stage.relay().await;
    rt.play(Op::Create, Fault::FreezeBefore);
    stage.publish(6).await;
    eventually("a create", async || (rt.frozen() == 1).then_some(())).await;
    let queue = stage.amqp.amqp_queue();
    let meanwhile = async {
        eventually("the rest is back", async || (stage.amqp.ready(&queue).await == 5).then_some(())).await;
        rt.thaw();
    };
    let ((status, log), ()) = tokio::join!(relay.terminate(), meanwhile);
    assert_eq!((status.code(), log.matches("\"outcome\":\"created\"").count()), (Some(0), 1), "{log}");
    assert_eq!((rt.tickets().len(), stage.amqp.ready(&queue).await), (1, 5));
    stage.amqp.close().await;
}

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
