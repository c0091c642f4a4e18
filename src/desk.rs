//! Answers what commands ask by the control socket.

use std::time::Instant;

use tokio::sync::mpsc;
use tracing::info;

use crate::control::{Ask, Asked, Invitation, Known, Reply, Status, Watcher};
use crate::hub::Hub;
use crate::keeper::{self, Keeper};
use crate::lobby::Present;
use crate::signal::Outbox;
use crate::trust::{Actor, Role};

/// What there is to tell.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The camera's name.
    pub name: String,
    /// Where the page is, if that is known.
    pub page: Option<String>,
    /// Who is known.
    pub keeper: Keeper,
    /// Who watches.
    pub present: Present,
    /// How the camera is.
    pub hub: Hub,
    /// Whether the broker is there.
    pub outbox: Outbox,
}

impl Desk {
    /// Answers until nobody can ask any more.
    pub async fn run(self, mut asked: mpsc::Receiver<Asked>) {
        while let Some((ask, reply)) = asked.recv().await {
            // The command may have been interrupted.
            let _ = reply.send(self.answer(ask).await);
        }
    }

    async fn answer(&self, ask: Ask) -> Reply {
        match ask {
            Ask::Pair { role } => self.invite(role),
            Ask::Viewers => {
                let known = |known| Known::of(known, 0);
                let mut viewers: Vec<_> = self.keeper.roll().viewers().map(known).collect();
                viewers.iter_mut().for_each(|known| known.watching = self.present.of(known.viewer));
                Reply::Viewers { viewers }
            }
            Ask::Revoke { viewer } => self.revoke(&viewer).await,
            Ask::Reset => {
                let text = format!("{} forgotten; nobody is known any more", viewers(self.keeper.reset().await));
                info!("{text}");
                Reply::Done { text }
            }
            Ask::Status => Reply::Status(Box::new(self.status())),
        }
    }

    fn invite(&self, role: Option<Role>) -> Reply {
        let role = role.unwrap_or_else(|| self.keeper.roll().first_role());
        match self.keeper.invite(role) {
            Ok(secret) => {
                info!("a link for one viewer, {role}, was made; it is good for {} minutes", keeper::MINUTES);
                Reply::Invitation(Invitation {
                    camera: self.keeper.camera(),
                    name: self.name.clone(),
                    words: self.keeper.words().to_owned(),
                    role,
                    secret,
                    page: self.page.clone(),
                    minutes: keeper::MINUTES,
                })
            }
            Err(e) => Reply::Refused { text: e.to_string() },
        }
    }

    async fn revoke(&self, name: &str) -> Reply {
        let found = keeper::find(&self.keeper.roll(), name);
        let viewer = match found {
            Ok(viewer) => viewer,
            Err(text) => return Reply::Refused { text },
        };
        match self.keeper.revoke(Actor::Board, viewer).await {
            Ok(gone) => {
                info!("revoked a viewer: {viewer}");
                Reply::Done { text: format!("“{}” ({viewer}) is revoked", gone.label) }
            }
            Err(e) => Reply::Refused { text: e.to_string() },
        }
    }

    fn status(&self) -> Status {
        let camera = self.hub.status().borrow().clone();
        let now = Instant::now();
        let label = |viewer| self.keeper.roll().get(&viewer).map_or_else(String::new, |known| known.label.clone());
        let watching = self.present.sessions().into_iter().map(|session| Watcher {
            viewer: session.viewer,
            label: label(session.viewer),
            seconds: now.saturating_duration_since(session.since).as_secs(),
            path: session.path().map(|path| path.name().to_owned()),
        });
        // Not in what follows: a guard lives as long as the expression it is in, and this lock is taken more than once.
        let viewers = self.keeper.roll().viewers().len();
        Status {
            camera: self.keeper.camera(),
            words: self.keeper.words().to_owned(),
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            state: camera.state,
            text: camera.text,
            broker: self.outbox.is_connected(),
            viewers,
            pairing: self.keeper.is_inviting(),
            watching: watching.collect(),
        }
    }
}

fn viewers(n: usize) -> String {
    if n == 1 { "1 viewer was".into() } else { format!("{n} viewers were") }
}
