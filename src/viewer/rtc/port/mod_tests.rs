use std::future::poll_fn;
use std::io::IoSliceMut;

use tokio::net::UdpSocket;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::stun::tests::message;
use super::*;

const CHECK: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const USERNAME: u16 = 0x0006;

fn options() -> PortOptions {
    PortOptions { scope: Scope::Loopback, ..PortOptions::default() }
}

/// What the library has: a connection, known by its name.
fn connection(port: &Arc<Port>, ufrag: &str) -> (Arc<Line>, Arc<dyn AsyncUdpSocket>) {
    let line = port.line(Vec::new());
    let bound = std::net::UdpSocket::bind(line.addresses()[0]).unwrap();
    let socket = line.wrap_udp_socket(bound).unwrap();
    line.name(ufrag);
    (line, socket)
}

async fn next(socket: &Arc<dyn AsyncUdpSocket>) -> (SocketAddr, Vec<u8>) {
    let mut buffer = [0; 2048];
    let mut meta = [RecvMeta::default()];
    let read = poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta));
    let n = tokio::time::timeout(Duration::from_secs(5), read).await.unwrap().unwrap();
    assert_eq!(n, 1);
    (meta[0].addr, buffer[..meta[0].len].to_vec())
}

async fn send(socket: &Arc<dyn AsyncUdpSocket>, to: SocketAddr, contents: &[u8]) {
    let transmit = Transmit { destination: to, ecn: None, contents, segment_size: None, src_ip: None };
    poll_fn(|cx| socket.poll_send(cx, &transmit)).await.unwrap();
}

/// A viewer's check, nominating, that the library answers.
async fn nominate(viewer: &UdpSocket, socket: &Arc<dyn AsyncUdpSocket>, n: u8) {
    // USE-CANDIDATE, then USERNAME.
    let mut check = message(CHECK, [n; 12], USERNAME, b"here:there");
    check.extend([0x00, 0x25, 0, 0]);
    let length = (check.len() - 20) as u16;
    check[2..4].copy_from_slice(&length.to_be_bytes());
    viewer.send(&check).await.unwrap();
    let (from, heard) = next(socket).await;
    assert_eq!((from, heard), (viewer.local_addr().unwrap(), check));
    send(socket, from, &message(SUCCESS, [n; 12], 0x0020, &[0; 8])).await;
    let mut buffer = [0; 2048];
    viewer.recv(&mut buffer).await.unwrap();
}

async fn viewer(port: &Port) -> UdpSocket {
    let viewer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    viewer.connect(("127.0.0.1", port.number())).await.unwrap();
    viewer
}

#[tokio::test]
async fn pictures_go_where_the_viewer_wants_them() {
    let port = Port::open(options()).unwrap();
    let (line, socket) = connection(&port, "here");
    let (first, better) = (viewer(&port).await, viewer(&port).await);
    let (media, to) = ([128, 102, 0, 1, 9], first.local_addr().unwrap());
    let mut buffer = [0; 2048];
    nominate(&first, &socket, 1).await;
    send(&socket, to, &media).await;
    assert_eq!(first.recv(&mut buffer).await.unwrap(), media.len());
    for n in 2..4 {
        nominate(&better, &socket, n).await;
    }
    // The library still sends to the first.
    send(&socket, to, &media).await;
    assert_eq!(better.recv(&mut buffer).await.unwrap(), media.len());
    // What comes from there is heard.
    better.send(&media).await.unwrap();
    assert_eq!(next(&socket).await, (better.local_addr().unwrap(), media.to_vec()));
    // After a restart the library chooses anew.
    line.name("again");
    send(&socket, to, &media).await;
    assert_eq!(first.recv(&mut buffer).await.unwrap(), media.len());
}

#[tokio::test]
async fn what_is_nobodys_is_heard_by_nobody() {
    let port = Port::open(options()).unwrap();
    let (line, socket) = connection(&port, "here");
    let stranger = viewer(&port).await;
    stranger.send(&message(CHECK, [1; 12], USERNAME, b"hers:there")).await.unwrap();
    stranger.send(&[128, 102, 0, 1]).await.unwrap();
    let check = message(CHECK, [2; 12], USERNAME, b"here:there");
    stranger.send(&check).await.unwrap();
    assert_eq!(next(&socket).await.1, check, "the first that is for this connection");
    line.close();
    assert!(lock(&port.lines).lines.is_empty());
}

#[tokio::test]
async fn a_port_in_use_is_said() {
    let first = Port::open(options()).unwrap();
    let taken = PortOptions { port: first.number(), ..options() };
    let said = Port::open(taken).unwrap_err().to_string();
    assert!(said.contains(&format!("UDP port {} is in use", first.number())) && said.contains("[rtc] port"), "{said}");
}

#[tokio::test]
async fn nothing_is_left_when_it_is_gone() {
    let port = Port::open(options()).unwrap();
    let number = port.number();
    let (line, socket) = connection(&port, "here");
    drop((line, socket));
    assert!(lock(&port.lines).lines.is_empty());
    drop(port);
    // Its reading tasks end at their next turn.
    for _ in 0..500 {
        if let Ok(again) = Port::open(PortOptions { port: number, ..options() }) {
            assert_eq!(again.number(), number);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the port is still open");
}
