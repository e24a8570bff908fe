//! Object storage of this process's own, which speaks S3.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;

const KEY: &str = "key";
const SECRET: &str = "secret of a test";
const BUCKET: &str = "bucket";

/// A server with one bucket, on loopback; it ends with the runtime.
pub(crate) struct Storage {
    folder: TempDir,
    port: u16,
}

impl Storage {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("the system gives a folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("writable");
        let files = s3s_fs::FileSystem::new(folder.path()).expect("a folder can be served");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let served = Builder::new(TokioExecutor::new());
                    let _ = served.serve_connection(TokioIo::new(client), service).await;
                });
            }
        });
        Self { folder, port }
    }

    /// Gives the address of a prefix.
    pub(crate) fn at(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// Gives what the environment of a program that uses it holds.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let settings = [
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Gives the file that holds an object.
    pub(crate) fn file(&self, key: &str) -> std::path::PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }

    /// Gives the names of all objects under a prefix.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.file(prefix), "", &mut names);
        names.sort();
        names
    }
}

fn collect(folder: &std::path::Path, before: &str, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{before}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() { collect(&entry.path(), &format!("{name}/"), names) } else { names.push(name) }
    }
}
