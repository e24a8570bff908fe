//! A relay on loopback that makes each round trip longer and counts them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

/// A relay in front of a server; it ends with the runtime.
pub(crate) struct Proxy {
    port: u16,
    round_trips: Arc<AtomicU64>,
}

impl Proxy {
    /// Listens, and adds `delay` to each round trip, all of it on the way to the server.
    pub(crate) async fn start(host: &str, port: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let proxy =
            Self { port: listener.local_addr().expect("it listens").port(), round_trips: Arc::new(AtomicU64::new(0)) };
        let (server, round_trips) = ((host.to_owned(), port), Arc::clone(&proxy.round_trips));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, round_trips) = (server.clone(), Arc::clone(&round_trips));
                tokio::spawn(async move {
                    let _ = client.set_nodelay(true);
                    if let Ok(server) = TcpStream::connect((server.0.as_str(), server.1)).await {
                        let _ = server.set_nodelay(true);
                        relay(client, server, delay, round_trips).await;
                    }
                });
            }
        });
        proxy
    }

    /// Gives a connection string that goes through the relay.
    pub(crate) fn through(&self, url: &str) -> String {
        let (head, tail) = url.rsplit_once('@').expect("a login stands before the host");
        let rest = tail.find(['/', '?']).map_or("", |at| &tail[at..]);
        format!("{head}@127.0.0.1:{}{rest}", self.port)
    }

    /// Tells how often a client has waited for an answer: turns from client to server and back, all connections.
    pub(crate) fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::SeqCst)
    }
}

async fn relay(client: TcpStream, server: TcpStream, delay: Duration, round_trips: Arc<AtomicU64>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // whether the last bytes seen went to the server
    let asking = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asks = Arc::clone(&asking);
    let (late, mut due) = tokio::sync::mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
            if !asks.swap(true, Ordering::SeqCst) {
                round_trips.fetch_add(1, Ordering::SeqCst);
            }
            if late.send((Instant::now() + delay, buffer[..n].to_vec())).is_err() {
                return;
            }
        }
    };
    let forwarding = async move {
        while let Some((at, bytes)) = due.recv().await {
            sleep_until(at).await;
            if to_server.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let answering = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from_server.read(&mut buffer).await {
            asking.store(false, Ordering::SeqCst);
            if to_client.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::join!(reading, forwarding, answering);
}
