//! A relay that is restarted again and again, as systemd or Kubernetes do, while its settings are wrong.

use super::stage::Stage;
use super::{Form, Resumed, Row};
use crate::support::fake_rt::{FakeRt, PASSWORD};
use crate::support::lab::setting;

/// More often than the delivery limit of 100, and each time with a wrong password: no alert is as much as delivered.
pub async fn with_a_wrong_password(form: Form) -> Row {
    let (restarts, alerts) = form.of((5, 3), (110, 50));
    let rt = FakeRt::start();
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "wrong-password", &rt, &[]).await;
    stage.declare().await;
    stage.publish(alerts).await;
    rt.change_password("another");
    for _ in 0..restarts {
        let (status, log) = stage.start(&[]).ended().await;
        assert_eq!(status.code(), Some(78), "{log}");
        assert!(!log.contains("consuming queue"), "{log}");
    }
    let queue = stage.amqp.amqp_queue();
    assert_eq!(stage.amqp.ready(&queue).await as usize, alerts, "nothing is taken");
    for _ in 0..alerts {
        let alert = stage.amqp.take(&queue).await;
        assert!(matches!(alert.header("x-delivery-count"), None | Some("0")), "delivered: {:?}", alert.headers);
        stage.amqp.publish(&alert.body).await;
    }
    rt.change_password(PASSWORD);
    stage.drain(stage.relay().await).await;
    let tally = stage.tally_of(&rt).await;
    Row { fault: "restarted with a wrong password", times: restarts, tally, resumed: Resumed::default() }
}
