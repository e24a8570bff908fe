//! Carries the protocol between the driver and the server, and stands between them.
//!
//! The driver answers every request for a password, and knows no other TLS than its own. So it speaks to this relay, which
//! ends TLS, reads what the server asks for before the driver does, and sees when nothing comes any more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::authentication::{self, Method, Request, Verdict};
use super::dial::{Line, Peer};
use super::frames::{Frames, STARTUP};
use super::settings::{Host, Settings};
use super::silence::{self, Traffic};
use crate::pg::error::{CONNECTION_BROKEN, NOT_ANSWERING};

/// How much is carried at once, in bytes.
const BUFFER_BYTES: usize = 128 * 1024;

/// The largest message that a server may send before the session begins, in bytes.
const STARTUP_BYTES: usize = 64 * 1024;

/// How long a side that leaves is given to be heard.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the relay has learnt while the session began.
#[derive(Debug, Clone, Default)]
pub(super) struct Learnt {
    /// Why the relay ended the connection.
    pub(super) refused: Option<Refused>,
    /// Whether the server says that it is a standby.
    pub(super) standby: Option<bool>,
    /// Which process the server says serves the session.
    pub(super) process: Option<i32>,
    /// Whether the server says that its sessions are read-only.
    pub(super) read_only: Option<bool>,
}

/// A request that the relay did not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    NotAllowed(Method),
    GivesAway(Method),
}

/// One connection.
pub(super) struct Relay {
    pub(super) settings: Settings,
    pub(super) host: Host,
    pub(super) peer: Peer,
    /// Whether the server has been verified, or is on this machine.
    pub(super) trusted: bool,
    pub(super) learnt: Arc<Mutex<Learnt>>,
}

/// How a connection ended.
enum End {
    /// The driver is done with it.
    Client,
    /// The relay has closed it on purpose.
    Refused,
    /// It broke, in the system's words.
    Broken(String),
    /// The server is frozen.
    NotAnswering,
}

impl Relay {
    /// Carries until one side leaves.
    pub(super) async fn run(self, client: UnixStream, line: Line) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = tokio::io::split(line.stream);
        let traffic = Traffic::new();
        // whether the driver has been given a part of a message
        let mut within = false;
        let end = tokio::select! {
            end = self.answers(&mut from_server, &mut to_client, &traffic, &mut within) => end,
            end = requests(&mut from_client, &mut to_server, &traffic) => end,
            () = silence::watch(&self.settings, &self.host, &self.peer, &traffic) => End::NotAnswering,
        };
        let message = match end {
            End::Client => {
                let _ = tokio::time::timeout(LAST_WORDS, to_server.shutdown()).await;
                return;
            }
            End::Refused => return,
            End::Broken(message) => error(CONNECTION_BROKEN, &message),
            End::NotAnswering => {
                let (silent, answer) = (self.settings.patience.silent, self.settings.patience.answer);
                let message = format!(
                    "the server has been silent for {} s, and a second connection got no answer within {} s",
                    silent.as_secs(),
                    answer.as_secs()
                );
                error(NOT_ANSWERING, &message)
            }
        };
        if !within {
            let _ = to_client.write_all(&message).await;
        }
        let _ = to_client.shutdown().await;
        // The driver may write before it reads: it would not see the last words if that failed.
        let mut unheard = [0; 4096];
        while let Ok(1..) = from_client.read(&mut unheard).await {}
    }

    /// Carries what the server sends, whole messages where they fit the buffer.
    async fn answers(
        &self,
        server: &mut (impl AsyncRead + Unpin),
        client: &mut (impl AsyncWrite + Unpin),
        traffic: &Traffic,
        within: &mut bool,
    ) -> End {
        match self.startup(server, client, traffic).await {
            Ok(None) => {}
            Ok(Some(end)) => return end,
            Err(error) => return End::Broken(broken(&error)),
        }
        let mut frames = Frames::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut held = 0;
        loop {
            let read = match server.read(&mut buffer[held..]).await {
                Ok(0) => return End::Broken("the server closed the connection".to_owned()),
                Ok(read) => read,
                Err(error) => return End::Broken(broken(&error)),
            };
            traffic.moved();
            let mut asks_again = false;
            let followed = frames.follow(&buffer[held..held + read], |kind| match kind {
                b'Z' => traffic.answered(),
                b'R' => asks_again = true,
                _ => {}
            });
            let Ok(boundary) = followed else { return End::Broken("the server sent no message".to_owned()) };
            if asks_again {
                return End::Broken("the server asked for a login in the middle of a session".to_owned());
            }
            let filled = held + read;
            let whole = boundary.map_or(0, |boundary| held + boundary);
            // a message that is larger than the buffer goes in parts
            let sent = if whole == 0 && (filled == buffer.len() || *within) { filled } else { whole };
            if sent > 0 {
                traffic.delivers(true);
                *within = sent != whole;
                if client.write_all(&buffer[..sent]).await.is_err() {
                    return End::Client;
                }
                traffic.delivers(false);
            }
            buffer.copy_within(sent..filled, 0);
            held = filled - sent;
        }
    }

    /// Carries message by message until the session begins; refuses what must not be answered.
    async fn startup(
        &self,
        server: &mut (impl AsyncRead + Unpin),
        client: &mut (impl AsyncWrite + Unpin),
        traffic: &Traffic,
    ) -> std::io::Result<Option<End>> {
        let mut asked = false;
        loop {
            let mut message = vec![0; 5];
            server.read_exact(&mut message).await?;
            let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]) as usize;
            if !(4..=STARTUP_BYTES).contains(&length) {
                return Ok(Some(End::Broken("what answers there is no PostgreSQL server".to_owned())));
            }
            message.resize(1 + length, 0);
            server.read_exact(&mut message[5..]).await?;
            traffic.moved();
            let body = &message[5..];
            match message[0] {
                b'R' => {
                    let method = match authentication::request(body) {
                        Ok(Request::For(method)) => Some(method),
                        Ok(Request::Done) if !asked => Some(Method::None),
                        Ok(Request::Done | Request::Continued) => None,
                        Err(authentication::Unreadable) => {
                            return Ok(Some(End::Broken("the server asks for an unknown kind of login".to_owned())));
                        }
                    };
                    asked = true;
                    if let Some(refused) = method.and_then(|method| self.refused(method)) {
                        self.learn(|learnt| learnt.refused = Some(refused));
                        return Ok(Some(End::Refused));
                    }
                }
                b'S' => self.status(body),
                b'K' => {
                    let process = body.get(..4).and_then(|process| process.try_into().ok()).map(i32::from_be_bytes);
                    self.learn(|learnt| learnt.process = process);
                }
                _ => {}
            }
            client.write_all(&message).await?;
            if message[0] == b'Z' {
                traffic.answered();
                return Ok(None);
            }
        }
    }

    fn refused(&self, method: Method) -> Option<Refused> {
        match self.settings.methods.decide(method, self.trusted) {
            Verdict::Answer => None,
            Verdict::NotAllowed => Some(Refused::NotAllowed(method)),
            Verdict::GivesAway => Some(Refused::GivesAway(method)),
        }
    }

    /// Reads a parameter that the server reports.
    fn status(&self, body: &[u8]) {
        let mut parts = body.split(|byte| *byte == 0);
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match name {
            b"in_hot_standby" => self.learn(|learnt| learnt.standby = Some(value == b"on")),
            b"default_transaction_read_only" => self.learn(|learnt| learnt.read_only = Some(value == b"on")),
            _ => {}
        }
    }

    fn learn(&self, learn: impl FnOnce(&mut Learnt)) {
        learn(&mut self.learnt.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

/// Carries what the driver sends.
async fn requests(
    client: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
    traffic: &Traffic,
) -> End {
    let mut frames = Frames::of_client();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = match client.read(&mut buffer).await {
            Ok(0) | Err(_) => return End::Client,
            Ok(read) => read,
        };
        let followed = frames.follow(&buffer[..read], |kind| {
            // each of these is answered by one ReadyForQuery
            if matches!(kind, STARTUP | b'Q' | b'S' | b'F') {
                traffic.asked();
            }
        });
        if followed.is_err() {
            return End::Client;
        }
        traffic.moved();
        let written = async {
            server.write_all(&buffer[..read]).await?;
            server.flush().await
        };
        if let Err(error) = written.await {
            // what the server said last may still have to be read
            tokio::time::sleep(LAST_WORDS).await;
            return End::Broken(broken(&error));
        }
        traffic.moved();
    }
}

fn broken(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        _ => error.to_string(),
    }
}

/// Makes a message that ends the session, as a server would send it. The driver waits for ReadyForQuery before it shows
/// an error.
fn error(sqlstate: &str, message: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, value) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', sqlstate), (b'M', message)] {
        body.push(field);
        body.extend(value.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).expect("a short message");
    let mut all = vec![b'E'];
    all.extend(length.to_be_bytes());
    all.extend(body);
    all.extend([b'Z', 0, 0, 0, 5, b'E']);
    all
}
