//! RT, or the way to it, breaks in many ways: nothing is dead-lettered for that, `/readyz` names the cause, and after
//! the mend the relay goes on by itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use super::stage::{Stage, names_cause};
use super::{Form, Resumed, Row};
use crate::support::eventually::eventually;
use crate::support::front::{Authority, Front, LATER, Look, Shown};
use crate::support::lab::{Scene, setting};
use crate::support::relay_process::RelayProcess;
use crate::support::servers::Server;

/// An RT with a database server, behind TLS, all of it the test's own.
pub struct World {
    stage: Stage,
    scene: Scene,
    front: Front,
    certificate: Shown,
    /// Where the relay reads its password.
    password: PathBuf,
    rt: Server,
    postgresql: Server,
}

/// What can be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Stopped,
    DatabaseStopped,
    Frozen,
    PasswordChanged,
    CertificateUntrusted,
    RightRevoked,
    QueueDisabled,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Stopped,
        Self::DatabaseStopped,
        Self::Frozen,
        Self::PasswordChanged,
        Self::CertificateUntrusted,
        Self::RightRevoked,
        Self::QueueDisabled,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Stopped => "RT stopped for longer than PAUSE_AFTER",
            Self::DatabaseStopped => "RT's database stopped",
            Self::Frozen => "RT frozen with creates inside",
            Self::PasswordChanged => "password changed, then given to the relay",
            Self::CertificateUntrusted => "TLS certificate untrusted",
            Self::RightRevoked => "right to create revoked",
            Self::QueueDisabled => "RT queue disabled",
        }
    }

    /// What `/readyz` has to say meanwhile.
    fn cause(self) -> &'static str {
        match self {
            Self::Stopped => "Check that RT runs",
            Self::DatabaseStopped => "RT answered 50",
            Self::Frozen => "no answer in time",
            Self::PasswordChanged => "RT refuses the credentials",
            Self::CertificateUntrusted => "certificate",
            Self::RightRevoked => "CreateTicket",
            Self::QueueDisabled => "is disabled",
        }
    }
}

impl World {
    pub async fn new() -> Self {
        let postgresql = Server::postgresql().await;
        let rt = Server::rt_on(&postgresql).await;
        let server = rt.rt_server().await;
        let scene = Scene::on(&setting("RELAY_LAB_AMQP_URL"), &server, "rt-faults").await;
        let authority = Authority::new(&scene.name);
        let certificate = authority.certificate("localhost", LATER);
        let front = Front::of(&server.url, Look::Tls(Shown::clone(&certificate))).await;
        let password = std::env::temp_dir().join(format!("{}.password", scene.name));
        std::fs::write(&password, scene.password()).unwrap();
        let others = [
            ("RTIR_URL", front.url(&server.url, "https").as_str()),
            ("RTIR_CA_FILE", authority.file.to_str().unwrap()),
            ("RTIR_PASSWORD", ""),
            ("RTIR_PASSWORD_FILE", password.to_str().unwrap()),
            ("RTIR_TIMEOUT", "5s"),
            ("PAUSE_AFTER", "2s"),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let others = super::answers::as_refs(&others);
        let stage = Stage::new(scene.again().await, scene.environment(&[]), &others);
        Self { stage, scene, front, certificate, password, rt, postgresql }
    }

    async fn breaks(&self, fault: Fault) {
        let (name, admin) = (&self.scene.name, |words: &[&str]| self.scene.rt.admin(words));
        match fault {
            Fault::Stopped => self.rt.stop().await,
            Fault::DatabaseStopped => self.postgresql.stop().await,
            Fault::Frozen => self.rt.freeze().await,
            Fault::PasswordChanged => {
                admin(&["set-password", name, &self.other_password()]);
                // RT goes on with sessions that are logged in.
                admin(&["delete-sessions", name]);
            }
            Fault::CertificateUntrusted => {
                let unknown = Authority::new(&format!("{name}-unknown"));
                self.front.set(Look::Tls(unknown.certificate("localhost", LATER)));
            }
            Fault::RightRevoked => drop(admin(&["revoke", name, "CreateTicket", name])),
            Fault::QueueDisabled => drop(admin(&["disable-queue", name])),
        }
    }

    async fn mend(&self, fault: Fault) {
        let (name, admin) = (&self.scene.name, |words: &[&str]| self.scene.rt.admin(words));
        match fault {
            Fault::Stopped => self.rt.start().await,
            Fault::DatabaseStopped => self.postgresql.start().await,
            Fault::Frozen => self.rt.thaw().await,
            Fault::PasswordChanged => std::fs::write(&self.password, self.other_password()).unwrap(),
            Fault::CertificateUntrusted => self.front.set(Look::Tls(Shown::clone(&self.certificate))),
            Fault::RightRevoked => drop(admin(&["grant", name, "CreateTicket", name])),
            Fault::QueueDisabled => drop(admin(&["enable-queue", name])),
        }
    }

    /// The one that the relay does not have.
    fn other_password(&self) -> String {
        let one = self.scene.password();
        let has = std::fs::read_to_string(&self.password).unwrap();
        if has == one { format!("another-{one}") } else { one }
    }

    async fn ids(&self) -> BTreeSet<u64> {
        self.scene.rt.tickets().await.into_iter().map(|ticket| ticket.id).collect()
    }

    /// One fault in the middle of a load, with more alerts coming while it lasts.
    pub async fn suffers(&mut self, fault: Fault, form: Form) -> Row {
        let (times, alerts) = form.of((1, 20), (3, 40));
        let mut resumed = Resumed::default();
        let relay = self.stage.relay().await;
        let first = self.stage.published();
        for _ in 0..times {
            let before = self.ids().await.len();
            self.stage.publish(alerts / 2).await;
            eventually("some tickets", async || (self.ids().await.len() >= before + 3).then_some(())).await;
            self.breaks(fault).await;
            self.stage.publish(alerts - alerts / 2).await;
            names_cause(&relay, fault.cause()).await;
            paused(&relay).await;
            // Before the mend: RT may not be there to be asked.
            let made = relay.count("\"outcome\":\"created\"");
            self.mend(fault).await;
            let mended = Instant::now();
            eventually("the next ticket", async || (relay.count("\"outcome\":\"created\"") > made).then_some(())).await;
            resumed.0.push(mended.elapsed());
        }
        self.stage.drain(relay).await;
        let tickets = self.scene.rt.tickets().await;
        let mut tally = self.stage.tally(tickets.into_iter().map(|t| (t.key.clone(), t.is_merged()))).await;
        tally.alerts -= first;
        Row { fault: fault.name(), times, tally, resumed }
    }

    pub async fn close(self) {
        std::fs::remove_file(&self.password).unwrap();
        self.scene.close().await;
    }
}

/// Waits until the relay has given its alerts back.
async fn paused(relay: &RelayProcess) {
    let address = crate::support::health::address(relay).await;
    eventually("the relay pauses", async || {
        (crate::support::health::get(address, "/readyz").await.json()["state"] == "paused").then_some(())
    })
    .await;
}
