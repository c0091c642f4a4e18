//! The command's end of the socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Ask, MAX_REPLY, Reply, SOCKET};

/// The daemon answers at once, or is stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("no Lunette runs with the state folder {}", folder.display())]
    NotRunning {
        /// The folder.
        folder: PathBuf,
    },
    /// It is another user's.
    #[error("the Lunette that runs with {} belongs to another user; as root, or as that user: sudo lunette …", folder.display())]
    Forbidden {
        /// The folder.
        folder: PathBuf,
    },
    /// It did not answer, or not in a way that could be read.
    #[error("the Lunette that runs with {} does not answer: {why}", folder.display())]
    Silent {
        /// The folder.
        folder: PathBuf,
        /// Why.
        why: String,
    },
}

/// Asks the daemon that runs with this state folder.
///
/// # Errors
/// See [`AskError`].
pub fn ask(folder: &Path, ask: &Ask) -> Result<Reply, AskError> {
    let folder_of = || folder.to_owned();
    let silent = |why: String| AskError::Silent { folder: folder_of(), why };
    let mut stream = match UnixStream::connect(folder.join(SOCKET)) {
        Ok(stream) => stream,
        Err(e) => {
            return Err(match e.kind() {
                // A socket that was left by one that was killed.
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    AskError::NotRunning { folder: folder_of() }
                }
                io::ErrorKind::PermissionDenied => AskError::Forbidden { folder: folder_of() },
                _ => silent(e.to_string()),
            });
        }
    };
    let mut exchange = || {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut reply = Vec::new();
        BufReader::new((&stream).take(MAX_REPLY)).read_until(b'\n', &mut reply)?;
        Ok::<_, io::Error>(reply)
    };
    let reply = exchange().map_err(|e| silent(e.to_string()))?;
    if reply.is_empty() {
        // It hangs up on whoever is another user.
        return Err(AskError::Forbidden { folder: folder_of() });
    }
    serde_json::from_slice(&reply).map_err(|_| silent("it is of another version; restart it".into()))
}
