use super::*;
use std::io::Write;
use tokio::net::{TcpListener, TcpSocket};

/// A Binding request, and its answer's beginning.
const REQUEST: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

fn channel(length: usize) -> Vec<u8> {
    [&[0x40, 1][..], &(length as u16).to_be_bytes(), &vec![9; length]].concat()
}

async fn listen() -> (TcpListener, Target) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Target { host: "127.0.0.1".into(), port, tls: None })
}

async fn broken(tunnel: &Tunnel) -> TunnelError {
    let mut state = tunnel.state();
    let state = state.wait_for(|state| matches!(state, State::Broken(_))).await.unwrap().clone();
    match state {
        State::Broken(error) => error,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn messages_go_out_filled_up_and_come_in_bare() {
    let (listener, target) = listen().await;
    let mut tunnel = Tunnel::open(target);
    // Before there is a connection.
    tunnel.send(&REQUEST);
    tunnel.send(&channel(5));
    tunnel.send(b"no message at all");
    let (mut server, _) = listener.accept().await.unwrap();
    let mut got = [0; 32];
    server.read_exact(&mut got).await.unwrap();
    assert_eq!(got[..20], REQUEST);
    assert_eq!(got[20..29], channel(5));
    // In pieces, and more than one at once.
    for piece in [&REQUEST[..3], &REQUEST[3..], &channel(5)[..], &[0; 3], &channel(4), &REQUEST] {
        server.write_all(piece).await.unwrap();
        server.flush().await.unwrap();
    }
    for wanted in [REQUEST.to_vec(), channel(5), channel(4), REQUEST.to_vec()] {
        assert_eq!(tunnel.recv().await, wanted);
    }
    assert_eq!(*tunnel.state().borrow(), State::Open);
    drop(tunnel);
    assert_eq!(server.read(&mut got).await.unwrap(), 0, "closed when dropped");
}

#[tokio::test]
async fn each_hostile_server_is_told_by_its_kind() {
    // Garbage.
    let (listener, target) = listen().await;
    let tunnel = Tunnel::open(target);
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    assert_eq!(broken(&tunnel).await, TunnelError::Garbage(Garbage));
    // Closes at once.
    let (listener, target) = listen().await;
    let tunnel = Tunnel::open(target);
    drop(listener.accept().await.unwrap());
    assert!(matches!(broken(&tunnel).await, TunnelError::Lost(_)));
    // Nobody there.
    let (listener, target) = listen().await;
    drop(listener);
    assert_eq!(broken(&Tunnel::open(target)).await, TunnelError::Dial(DialError::Refused));
    let nowhere = Target { host: "nowhere.invalid".into(), port: 1, tls: None };
    assert_eq!(broken(&Tunnel::open(nowhere)).await, TunnelError::Dial(DialError::Name("nowhere.invalid".into())));
    // No TLS, though it should be.
    let (listener, target) = listen().await;
    let tls = crate::config::tls_client(None).unwrap();
    let tunnel = Tunnel::open(Target { tls: Some(tls), ..target });
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(&[&[1u8, 1][..], &[0; 100]].concat()).await.unwrap();
    let error = broken(&tunnel).await;
    assert!(matches!(error, TunnelError::Dial(DialError::Tls(_))), "{error:?}");
}

/// Accepts, and says nothing more, not even in TLS.
#[tokio::test]
async fn a_server_that_keeps_silent_is_given_up_in_time() {
    let (listener, target) = listen().await;
    let tls = crate::config::tls_client(None).unwrap();
    let patience = Duration::from_millis(300);
    let tunnel = Tunnel::open_within(Target { tls: Some(tls), ..target }, patience);
    let (_server, _) = listener.accept().await.unwrap();
    assert_eq!(broken(&tunnel).await, TunnelError::Dial(DialError::TimedOut));
}

/// Half a message, then byte after byte: it holds one buffer, and hinders nothing that is sent.
#[tokio::test]
async fn a_slow_server_costs_one_buffer() {
    let (listener, target) = listen().await;
    let mut tunnel = Tunnel::open(target);
    let (mut server, _) = listener.accept().await.unwrap();
    server.set_nodelay(true).unwrap();
    let long = channel(4000);
    for byte in &long[..200] {
        server.write_all(&[*byte]).await.unwrap();
    }
    tunnel.send(&REQUEST);
    let mut got = [0; 20];
    server.read_exact(&mut got).await.unwrap();
    assert_eq!(got, REQUEST);
    server.write_all(&long[200..]).await.unwrap();
    assert_eq!(tunnel.recv().await, long);
}

/// A server that reads nothing: what waits is bounded, old data goes, requests stay.
#[tokio::test]
async fn what_the_network_does_not_take_is_dropped() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let port = listener.local_addr().unwrap().port();
    let tunnel = Tunnel::open(Target { host: "127.0.0.1".into(), port, tls: None });
    let (mut server, _) = listener.accept().await.unwrap();
    tunnel.state().wait_for(|state| *state == State::Open).await.unwrap();
    for round in 0..40 {
        for _ in 0..40 {
            tunnel.send(&channel(1200));
        }
        if round == 20 {
            tunnel.send(&REQUEST);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(tunnel.shared.queue().bytes <= WAITING);
    }
    let sent = 40 * 40;
    assert!(tunnel.dropped() > 500, "{}", tunnel.dropped());
    // Now it reads: what comes is whole messages, the request among them, and little of it is old.
    tokio::time::sleep(OLD * 2).await;
    tunnel.send(&channel(8));
    let (mut deframer, mut asked, mut data) = (Deframer::default(), 0, 0);
    loop {
        server.read_buf(deframer.buffer()).await.unwrap();
        let mut last = false;
        while let Some(message) = deframer.message().unwrap() {
            last = message == channel(8);
            asked += u32::from(message == REQUEST[..]);
            data += 1;
        }
        if last {
            break;
        }
    }
    assert_eq!(asked, 1, "a request is not dropped for its age");
    assert!(data < sent / 2, "{data} of {sent} came late");
    writeln!(std::io::stderr(), "{data} of {sent} were in the kernel").unwrap();
}

#[tokio::test]
async fn it_connects_anew_when_something_is_sent_again() {
    let (listener, target) = listen().await;
    let tunnel = Tunnel::open(target);
    drop(listener.accept().await.unwrap());
    broken(&tunnel).await;
    let mut state = tunnel.state();
    tunnel.send(&REQUEST);
    let (mut server, _) = listener.accept().await.unwrap();
    state.wait_for(|state| *state == State::Open).await.unwrap();
    let mut got = [0; 20];
    server.read_exact(&mut got).await.unwrap();
    assert_eq!(got, REQUEST);
}

#[test]
fn the_queue_keeps_its_bounds() {
    let (mut queue, start) = (Queue::default(), Instant::now());
    let big = Bytes::from(channel(1200));
    for i in 0..1000u32 {
        queue.push(big.clone(), start + Duration::from_millis(u64::from(i) / 10));
        assert!(queue.bytes <= WAITING);
        assert_eq!(queue.bytes, queue.messages.iter().map(|(_, m)| m.len()).sum::<usize>());
    }
    let piece = queue.pop(start + Duration::from_millis(100));
    assert!(!piece.is_empty() && piece.len() <= PIECE);
    assert!(queue.pop(start + Duration::from_secs(5)).is_empty());
    assert_eq!((queue.bytes, queue.messages.len()), (0, 0));
}
