//! The wiring and the stopping order; reads as a recipe.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::identity::Identity;
use crate::signal::Outbox;
use crate::signal::mqtt::Broker;
use crate::trust::{BootId, CameraId};
use crate::{camera, herald, hub, lobby, signal, viewer};

/// A camera at work. [`Daemon::stop`] ends it in the reverse order of its start.
pub struct Daemon {
    camera_id: CameraId,
    outbox: Outbox,
    camera: std::thread::JoinHandle<()>,
    lobby: JoinHandle<()>,
    herald: JoinHandle<()>,
    stop_lobby: CancellationToken,
    stop_camera: CancellationToken,
}

impl Daemon {
    /// Starts everything: camera thread, broker connection, lobby, status.
    ///
    /// # Errors
    /// When the state folder cannot be used or a thread cannot be started. A camera or a broker that is not there yet
    /// is no error: both are waited for.
    pub fn start(config: &Config, state: &Path, broker: Broker, addresses: Arc<[SocketAddr]>) -> Result<Self> {
        let identity = Identity::load(state).context("cannot load this camera's identity")?;
        let boot = BootId::random().context("no random bits for the boot id")?;
        let (publisher, hub, demand) = hub::open(config.video.bitrate);

        let stop_camera = CancellationToken::new();
        let camera = camera::spawn(config.camera.clone(), config.video.clone(), demand, publisher, stop_camera.clone())
            .context("cannot start the camera thread")?;

        let (requests, outbox) = signal::mqtt::open(broker, identity.camera, boot);
        let stop_lobby = CancellationToken::new();
        let herald =
            tokio::spawn(herald::run(config.name.clone(), boot, outbox.clone(), hub.status(), stop_lobby.clone()));
        let settings = lobby::Settings { boot, max_viewers: config.viewers.max, ice: Vec::new() };
        let context = viewer::Context { hub, outbox: outbox.clone(), certificate: identity.certificate, addresses };
        let lobby = tokio::spawn(lobby::run(settings, context, requests, stop_lobby.clone()));
        Ok(Self { camera_id: identity.camera, outbox, camera, lobby, herald, stop_lobby, stop_camera })
    }

    /// The camera's id on the broker.
    pub fn camera_id(&self) -> CameraId {
        self.camera_id
    }

    /// Says goodbye to viewers, then to the broker, then stops the camera.
    ///
    /// # Errors
    /// When a part of the daemon panicked.
    pub async fn stop(self) -> Result<()> {
        self.stop_lobby.cancel();
        let lobby = self.lobby.await.context("the lobby failed");
        let herald = self.herald.await.context("the status failed");
        self.outbox.close().await;
        self.stop_camera.cancel();
        let camera = tokio::task::spawn_blocking(move || self.camera.join())
            .await?
            .map_err(|_| anyhow::anyhow!("the camera thread panicked"));
        lobby.and(herald).and(camera)
    }
}
