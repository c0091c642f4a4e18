//! Reading a real socket.

use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use webrtc::runtime::{AsyncUdpSocket, RecvMeta};

use super::Port;

/// Messages that are read with one system call, each of up to 64 KiB: datagrams that the kernel put together.
const MESSAGES: usize = 4;
const MESSAGE: usize = 65_536;
/// After an error that is not about one peer.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads until nobody takes what is read: a sender, the address of ours it was sent to, and the datagram.
pub(super) async fn each(
    socket: Arc<dyn AsyncUdpSocket>,
    mut take: impl FnMut(SocketAddr, Option<IpAddr>, &[u8]) -> bool,
    mut failed: impl FnMut(io::Error),
) {
    let mut storage = vec![0; MESSAGES * MESSAGE];
    loop {
        let mut meta = [RecvMeta::default(); MESSAGES];
        let read = poll_fn(|cx| {
            let mut parts = storage.chunks_exact_mut(MESSAGE);
            let mut buffers: [IoSliceMut<'_>; MESSAGES] =
                std::array::from_fn(|_| IoSliceMut::new(parts.next().unwrap_or_default()));
            socket.poll_recv(cx, &mut buffers, &mut meta)
        });
        match read.await {
            Ok(n) => {
                for (meta, part) in meta.iter().zip(storage.chunks_exact(MESSAGE)).take(n) {
                    for datagram in part.get(..meta.len).unwrap_or_default().chunks(meta.stride.max(1)) {
                        if !take(meta.addr, meta.dst_ip, datagram) {
                            return;
                        }
                    }
                }
            }
            Err(e) => {
                // Often an ICMP message about one peer (ECONNREFUSED); if not, the loop must not spin.
                let pause = !matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset);
                failed(e);
                if pause {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Reads for the port until it is gone.
pub(super) async fn read(socket: Arc<dyn AsyncUdpSocket>, port: Weak<Port>) {
    let take = |from, at, datagram: &[u8]| {
        let port = port.upgrade();
        port.inspect(|port| port.take(from, at, datagram)).is_some()
    };
    each(socket, take, |e| tracing::debug!("reading the viewers' port: {e}")).await;
}
