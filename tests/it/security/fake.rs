//! Somebody in the way: a server that is none.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What it does with whoever connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Play {
    /// Refuses TLS, and asks for the password in clear text.
    ClearText,
    /// Refuses TLS, and asks for an MD5 hash of it.
    Md5,
    /// Refuses TLS, begins with SCRAM, and asks for the password in clear text when the client has answered.
    Downgrade,
    /// Refuses TLS, begins with SCRAM, and lets the client in without having proved that it knows the password.
    Unproved,
    /// Refuses TLS, and lets the client in.
    Trust,
    /// Lets the client in, and asks for its password when it runs a statement.
    Later,
    /// Takes the connection, and says nothing.
    Silent,
    /// Offers TLS, and speaks none.
    NoTls,
}

/// It ends with the runtime.
pub(super) struct Fake {
    pub(super) port: u16,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Fake {
    pub(super) async fn start(play: Play) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let said: Arc<Mutex<Vec<u8>>> = Arc::default();
        let heard = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, play, Arc::clone(&heard)));
            }
        });
        Self { port, said }
    }

    /// Gives all that clients have said, but for requests for TLS.
    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().expect("nobody panicked")).into_owned()
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a short message");
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn authentication(code: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes()[..], rest].concat())
}

async fn serve(mut client: TcpStream, play: Play, said: Arc<Mutex<Vec<u8>>>) -> Option<()> {
    if play == Play::Silent {
        tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    }
    loop {
        let length = client.read_u32().await.ok()?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await.ok()?;
        if body != 80_877_103_u32.to_be_bytes() {
            said.lock().expect("nobody panicked").extend(body);
            break;
        }
        client.write_all(if play == Play::NoTls { b"S" } else { b"N" }).await.ok()?;
        if play == Play::NoTls {
            client.write_all(b"this is no TLS, and that is all there is").await.ok()?;
            return None;
        }
    }
    let scram = authentication(10, b"SCRAM-SHA-256\0\0");
    let done = [authentication(0, b""), message(b'K', &[0; 8]), message(b'Z', b"I")].concat();
    let first = match play {
        Play::ClearText => authentication(3, b""),
        Play::Md5 => authentication(5, b"salt"),
        Play::Downgrade | Play::Unproved => scram,
        _ => done.clone(),
    };
    client.write_all(&first).await.ok()?;
    let mut buffer = [0; 4096];
    let read = client.read(&mut buffer).await.ok()?;
    said.lock().expect("nobody panicked").extend(&buffer[..read]);
    let second = match play {
        Play::Downgrade | Play::Later => authentication(3, b""),
        _ => done,
    };
    client.write_all(&second).await.ok()?;
    while let Ok(read @ 1..) = client.read(&mut buffer).await {
        said.lock().expect("nobody panicked").extend(&buffer[..read]);
    }
    Some(())
}
