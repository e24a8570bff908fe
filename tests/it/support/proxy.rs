//! A relay that makes each round trip longer, counts them, and can lose what it is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A relay in front of a server; it ends with the runtime.
pub(crate) struct Proxy {
    port: u16,
    round_trips: Arc<AtomicU64>,
    line: watch::Sender<Line>,
}

/// What becomes of what a relay is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    /// It is kept until the line is open again, and nobody is told: a cable that was pulled.
    Silent,
    /// Connections break, and no new one is made.
    Cut,
}

impl Proxy {
    /// Listens, and adds `delay` to each round trip, all of it on the way to the server.
    pub(crate) async fn start(host: &str, port: u16, delay: Duration) -> Self {
        Self::listen("127.0.0.1", host, port, delay).await
    }

    /// Listens on all of this machine's addresses, for servers that reach it by another one than we do.
    pub(crate) async fn start_for_servers(host: &str, port: u16) -> Self {
        Self::listen("0.0.0.0", host, port, Duration::ZERO).await
    }

    async fn listen(at: &str, host: &str, port: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind((at, 0)).await.expect("a free port");
        let proxy = Self {
            port: listener.local_addr().expect("it listens").port(),
            round_trips: Arc::new(AtomicU64::new(0)),
            line: watch::Sender::new(Line::Open),
        };
        let (server, round_trips) = ((host.to_owned(), port), Arc::clone(&proxy.round_trips));
        let line = proxy.line.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, round_trips, mut line) = (server.clone(), Arc::clone(&round_trips), line.clone());
                if *line.borrow_and_update() == Line::Cut {
                    continue;
                }
                tokio::spawn(async move {
                    let _ = client.set_nodelay(true);
                    if let Ok(server) = TcpStream::connect((server.0.as_str(), server.1)).await {
                        let _ = server.set_nodelay(true);
                        let mut cut = line.clone();
                        tokio::select! {
                            () = relay(client, server, delay, round_trips, line) => {}
                            _ = cut.wait_for(|line| *line == Line::Cut) => {}
                        }
                    }
                });
            }
        });
        proxy
    }

    /// Breaks all connections, and lets none be made.
    pub(crate) fn cut(&self) {
        self.line.send_replace(Line::Cut);
    }

    /// Keeps what it is given from now on, and tells nobody.
    pub(crate) fn silence(&self) {
        self.line.send_replace(Line::Silent);
    }

    /// Is as it was at first.
    pub(crate) fn mend(&self) {
        self.line.send_replace(Line::Open);
    }

    /// Gives a connection string that goes through the relay.
    pub(crate) fn through(&self, url: &str) -> String {
        let (head, tail) = url.rsplit_once('@').expect("a login stands before the host");
        let rest = tail.find(['/', '?']).map_or("", |at| &tail[at..]);
        format!("{head}@127.0.0.1:{}{rest}", self.port)
    }

    /// Gives a connection string that goes through the relay from where this machine has another address.
    pub(crate) fn through_at(&self, host: &str, url: &str) -> String {
        self.through(url).replace("@127.0.0.1:", &format!("@{host}:"))
    }

    /// Tells how often a client has waited for an answer: turns from client to server and back, all connections.
    pub(crate) fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::SeqCst)
    }
}

async fn relay(
    client: TcpStream,
    server: TcpStream,
    delay: Duration,
    round_trips: Arc<AtomicU64>,
    line: watch::Receiver<Line>,
) {
    let (mut there, mut back) = (line.clone(), line);
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
            let _ = there.wait_for(|line| *line == Line::Open).await;
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
            let _ = back.wait_for(|line| *line == Line::Open).await;
            if to_client.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::join!(reading, forwarding, answering);
}
