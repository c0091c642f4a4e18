//! The embedded broker. The only import of `rmqtt`.
//!
//! It lives on a thread and in a runtime of its own: what panics or hangs in there stays there, and stopping it is
//! dropping the runtime. Its clients come over TCP from this machine: the daemon itself, and the bridge.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rmqtt::codec::types::QoS;
use rmqtt::codec::v5::SubscribeAckReason;
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::net::{Builder, Listener};
use rmqtt::retain::{DefaultRetainStorage, RetainStorage};
use rmqtt::server::MqttServer;
use rmqtt::types::{
    AuthResult, ConnectInfo, LastWill, PublishAclResult, Retain, SubscribeAclResult, TopicFilter, TopicName,
};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::access::{Access, Denied, Hello};

/// The largest packet that is taken; a signaling message has at most 16 kB.
const MAX_PACKET: u32 = 64 * 1024;
/// More than the bridge lets in, so that the daemon always finds a place.
const MAX_SESSIONS: usize = 320;
/// A client says hello within this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A client that went away may come back to its session within this time.
const SESSION_EXPIRY: Duration = Duration::from_secs(60);
/// A wrong password is answered after this time.
const PENALTY: Duration = Duration::from_secs(1);
/// Retained messages that are kept: a few for each camera.
const MAX_RETAINED: isize = 64;
/// After a failure, the next start.
const RESTART: Duration = Duration::from_secs(1);

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
#[error("the embedded broker did not start: {0}")]
pub struct BrokerError(String);

/// The running broker. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Broker {
    /// Where it listens.
    pub(super) address: SocketAddr,
    thread: JoinHandle<()>,
    stop: DropGuard,
}

impl Broker {
    /// Starts it, on a port that the system chooses.
    pub(super) async fn start(access: Arc<Access>) -> Result<Self, BrokerError> {
        // rmqtt does not tell which port it got. So one is reserved, by a socket that never listens, and shared with it.
        let reserve = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseport(true)?;
            socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            socket.local_addr().map(|address| (socket, address))
        };
        let (reservation, address) = reserve().map_err(|e: std::io::Error| BrokerError(e.to_string()))?;
        let stop = CancellationToken::new();
        let (started, first_start) = oneshot::channel();
        let (token, rules) = (stop.clone(), access.clone());
        let thread = std::thread::Builder::new()
            .name("broker".into())
            .spawn(move || run(address, &rules, &token, started))
            .map_err(|e| BrokerError(e.to_string()))?;
        let outcome = first_start.await.map_err(|_| BrokerError("its thread ended".into()))?;
        drop(reservation);
        outcome.map(|()| Self { address, thread, stop: stop.drop_guard() })
    }

    /// Stops it, and waits for its end.
    pub(super) async fn stop(self) {
        drop(self.stop);
        let thread = self.thread;
        // A panic in the thread was already logged by the runtime's hook.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

type Started = oneshot::Sender<Result<(), BrokerError>>;

/// The thread: runs the broker until `stop`, whatever happens.
fn run(address: SocketAddr, access: &Arc<Access>, stop: &CancellationToken, started: Started) {
    let mut started = Some(started);
    while !stop.is_cancelled() {
        let error = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let outcome = runtime.block_on(run_once(address, access.clone(), stop, &mut started));
                runtime.shutdown_timeout(Duration::from_millis(500));
                match outcome {
                    Ok(()) => return,
                    Err(e) => e,
                }
            }
            Err(e) => e.to_string(),
        };
        if let Some(started) = started.take() {
            // The other end is gone when nobody waits any more.
            let _ = started.send(Err(BrokerError(error)));
            return;
        }
        tracing::error!("the embedded broker failed and is started again: {error}");
        std::thread::sleep(RESTART);
    }
}

/// Runs it until `stop`, or until it fails, be it by a panic. Says when it has started the first time.
async fn run_once(
    address: SocketAddr,
    access: Arc<Access>,
    stop: &CancellationToken,
    started: &mut Option<Started>,
) -> Result<(), String> {
    let (ready, is_ready) = oneshot::channel();
    let broker = tokio::spawn(serve(address, access, ready));
    if is_ready.await.is_ok()
        && let Some(started) = started.take()
    {
        let _ = started.send(Ok(()));
    }
    match stop.run_until_cancelled(broker).await {
        None => Ok(()),
        Some(Ok(Ok(()))) => Err("it ended by itself".into()),
        Some(Ok(Err(e))) => Err(e.to_string()),
        Some(Err(e)) => Err(e.to_string()),
    }
}

async fn serve(address: SocketAddr, access: Arc<Access>, ready: oneshot::Sender<()>) -> rmqtt::Result<()> {
    let context = ServerContext::new()
        .busy_check_enable(false)
        .mqtt_max_sessions(MAX_SESSIONS as isize)
        .task_exec_workers(64)
        .task_exec_queue_max(4096)
        .build()
        .await;
    let hooks = context.extends.hook_mgr().register();
    for at in [Type::ClientAuthenticate, Type::ClientSubscribeCheckAcl, Type::MessagePublishCheckAcl] {
        hooks.add(at, Box::new(Rules(access.clone()))).await;
    }
    hooks.start().await;
    *context.extends.retain_mut().await = Box::new(Memory(DefaultRetainStorage::new()));
    let server = MqttServer::new(context).listener(listen(address)?).build();
    let _ = ready.send(());
    server.run().await
}

fn listen(address: SocketAddr) -> rmqtt::Result<Listener> {
    Builder::new()
        .name("local")
        .laddr(address)
        .reuseaddr(Some(true))
        .reuseport(Some(true))
        .nodelay(true)
        .max_connections(MAX_SESSIONS)
        .max_handshaking_limit(64)
        .handshake_timeout(HANDSHAKE)
        .max_packet_size(MAX_PACKET)
        .allow_anonymous(false)
        .allow_zero_keepalive(false)
        .min_keepalive(5)
        .max_keepalive(1200)
        .max_inflight(NonZeroU16::new(16).unwrap_or(NonZeroU16::MIN))
        .max_mqueue_len(128)
        .max_clientid_len(64)
        .max_qos_allowed(QoS::AtLeastOnce)
        .max_topic_levels(8)
        .max_subscriptions(256)
        .session_expiry_interval(SESSION_EXPIRY)
        .max_session_expiry_interval(SESSION_EXPIRY)
        // None, unless a message has one of its own: retained messages would expire too.
        .message_expiry_interval(Duration::ZERO)
        .bind()?
        .tcp()
}

/// The rules, where the broker asks for them.
struct Rules(Arc<Access>);

#[async_trait::async_trait]
impl Handler for Rules {
    async fn hook(&self, parameter: &Parameter, before: Option<HookResult>) -> ReturnType {
        let answer = match parameter {
            Parameter::ClientAuthenticate(info) => HookResult::AuthResult(self.admit(info).await),
            Parameter::ClientSubscribeCheckAcl(session, subscribe) => {
                let role = self.0.role(&session.id.client_id);
                let qos = subscribe.opts.qos();
                HookResult::SubscribeAclResult(
                    if self.0.may_subscribe(role, &session.id.client_id, &subscribe.topic_filter) {
                        SubscribeAclResult::new_success(qos, None)
                    } else {
                        SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
                    },
                )
            }
            Parameter::MessagePublishCheckAcl(session, publish) => {
                let role = self.0.role(&session.id.client_id);
                let allowed = self.0.may_publish(role, &publish.topic, publish.retain);
                HookResult::PublishAclResult(if allowed && publish.qos != QoS::ExactlyOnce {
                    PublishAclResult::allow()
                } else {
                    PublishAclResult::rejected(false, None)
                })
            }
            _ => return (true, before),
        };
        (false, Some(answer))
    }
}

impl Rules {
    async fn admit(&self, info: &ConnectInfo) -> AuthResult {
        let will = info.last_will();
        let hello = Hello {
            from: info.ipaddress(),
            client_id: info.client_id(),
            user: info.username().map(AsRef::as_ref),
            password: info.password().map(AsRef::as_ref),
            will: will.as_ref().map(|will| match will {
                LastWill::V3(will) => will.topic.as_ref(),
                LastWill::V5(will) => will.topic.as_ref(),
            }),
        };
        match self.0.admit(hello, Instant::now()) {
            // Never as a superuser: those are not asked for what they do.
            Ok(_) => AuthResult::Allow(false, None),
            Err(Denied::Password) => {
                if hello.user.is_some() || hello.password.is_some() {
                    tracing::warn!("a client of the embedded broker gave a wrong user name or password");
                    tokio::time::sleep(PENALTY).await;
                }
                AuthResult::BadUsernameOrPassword
            }
            Err(Denied::Wait) => {
                tracing::debug!("a client of the embedded broker tries passwords too fast");
                AuthResult::NotAuthorized
            }
            Err(Denied::Forbidden) => AuthResult::NotAuthorized,
        }
    }
}

/// Retained messages, in memory. rmqtt's default store is complete, but refuses to be one.
struct Memory(DefaultRetainStorage);

#[async_trait::async_trait]
impl RetainStorage for Memory {
    fn enable(&self) -> bool {
        true
    }

    async fn set(&self, topic: &TopicName, retain: Retain, expiry: Option<Duration>) -> rmqtt::Result<()> {
        let adds = !retain.publish.payload.is_empty();
        if adds && self.0.count().await >= MAX_RETAINED && self.0.get_message(topic).await?.is_empty() {
            tracing::warn!("the embedded broker keeps no more than {MAX_RETAINED} retained messages");
            return Ok(());
        }
        self.0.set_with_timeout(topic, retain, expiry.filter(|e| !e.is_zero())).await
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        self.0.get_message(filter).await
    }

    async fn count(&self) -> isize {
        self.0.count().await
    }

    async fn max(&self) -> isize {
        self.0.max().await
    }
}
