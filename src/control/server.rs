//! The daemon's end of the socket.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{Ask, MAX_REQUEST, Reply, SOCKET};

/// Commands at once; more wait.
const COMMANDS: usize = 4;
/// A command says what it wants within this time, and takes the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A question, and where its answer goes.
pub type Asked = (Ask, oneshot::Sender<Reply>);

/// The socket. Dropped, it is removed.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Whose questions are answered, root's apart.
    user: u32,
}

impl Server {
    /// Makes the socket, for this user only, in the place of one that was left there. Whoever calls this holds the state
    /// folder's lock, so that nobody listens on the other one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        // In the moment before this, whoever comes is asked for its user all the same.
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let user = fs::metadata("/proc/self")?.uid();
        Ok(Self { listener, path, user })
    }

    /// Hands over what is asked until `stop`.
    pub async fn run(self, asked: mpsc::Sender<Asked>, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(COMMANDS));
        loop {
            let accepted = stop.run_until_cancelled(async {
                // The semaphore is never closed.
                let place = places.clone().acquire_owned().await.ok();
                self.listener.accept().await.map(|(stream, _)| (place, stream))
            });
            match accepted.await {
                None => return,
                Some(Ok((place, stream))) => {
                    let (asked, user) = (asked.clone(), self.user);
                    tokio::spawn(async move {
                        let _place = place;
                        if let Err(e) = answer(stream, user, &asked).await {
                            debug!("a command was not answered: {e}");
                        }
                    });
                }
                Some(Err(e)) => {
                    debug!("a command cannot be accepted: {e}");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been removed by hand.
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(stream: UnixStream, user: u32, asked: &mpsc::Sender<Asked>) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != user && peer != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is another user's"));
    }
    let (from, mut to) = stream.into_split();
    let mut line = Vec::new();
    let mut from = BufReader::new(from.take(MAX_REQUEST as u64));
    timeout(PATIENCE, from.read_until(b'\n', &mut line)).await??;
    let reply = match serde_json::from_slice(&line) {
        Ok(ask) => {
            let (reply, replied) = oneshot::channel();
            let gone = |_| io::Error::other("the daemon stops");
            asked.send((ask, reply)).await.map_err(|_| io::Error::other("the daemon stops"))?;
            replied.await.map_err(gone)?
        }
        Err(_) => Reply::Refused { text: "the Lunette that runs is of another version; restart it".into() },
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    timeout(PATIENCE, to.write_all(&text)).await??;
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::super::client::{AskError, ask};
    use super::*;
    use std::io::{Read, Write};

    async fn on_a_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(f).await.expect("no panic")
    }

    #[tokio::test]
    async fn a_question_is_answered_and_junk_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().to_owned();
        assert!(matches!(ask(&path, &Ask::Status), Err(AskError::NotRunning { .. })));
        // One that was left by a daemon that was killed.
        drop(std::os::unix::net::UnixListener::bind(path.join(SOCKET)).expect("bound"));
        assert!(matches!(ask(&path, &Ask::Status), Err(AskError::NotRunning { .. })));
        let server = Server::open(&path).expect("in its place");
        assert_eq!(fs::metadata(path.join(SOCKET)).expect("there").permissions().mode() & 0o777, 0o600);
        let (asked, mut questions) = mpsc::channel::<Asked>(1);
        let stop = CancellationToken::new();
        let running = tokio::spawn(server.run(asked, stop.clone()));
        tokio::spawn(async move {
            while let Some((ask, reply)) = questions.recv().await {
                let _ = reply.send(Reply::Done { text: format!("{ask:?}") });
            }
        });
        let folder = path.clone();
        let reply = on_a_thread(move || ask(&folder, &Ask::Revoke { viewer: "x".into() })).await.expect("answered");
        assert_eq!(reply, Reply::Done { text: "Revoke { viewer: \"x\" }".into() });
        for junk in [b"nonsense\n".to_vec(), vec![b'x'; 1 << 20], b"{\"ask\":\"resett\"}\n".to_vec()] {
            let folder = path.clone();
            let said = on_a_thread(move || {
                let mut stream = std::os::unix::net::UnixStream::connect(folder.join(SOCKET)).expect("connected");
                // It hangs up in the middle of what is too long.
                let _ = stream.write_all(&junk);
                let mut said = String::new();
                let _ = stream.read_to_string(&mut said);
                said
            });
            let said = said.await;
            assert!(said.is_empty() || said.contains("refused"), "{said}");
        }
        stop.cancel();
        running.await.expect("it ends");
        assert!(!path.join(SOCKET).exists(), "removed at the end");
    }
}
