//! A server in a container.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{IntoContainerPort as _, Mount, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};
use tokio::sync::Mutex;

use super::database::random_word;
use super::reaper::Reaper;
use super::server::{Address, MAJORS, SUPERUSER, Wanted, settings};

/// How long the daemon may take to answer.
const PING_SECONDS: u64 = 5;

/// How long making the container may take, pulling its image included.
const START_SECONDS: u64 = 300;

/// In memory: overlay file systems are slow at a database's many small files.
const DATA: &str = "/var/lib/pgcleave-test";

/// A container that runs.
pub(super) struct Running {
    container: ContainerAsync<GenericImage>,
    tag: u32,
    /// What was read of its log, and until when.
    read: Mutex<(String, u64)>,
    _reaper: Reaper,
}

impl Running {
    pub(super) fn label(&self) -> String {
        format!("container of postgres:{}", self.tag)
    }

    /// Gives the address by which other containers reach it, and this machine too where containers are at home on it.
    pub(super) async fn bridge(&self) -> Option<String> {
        let client = docker_client_instance().await.ok()?;
        let seen = client.inspect_container(self.container.id(), None).await.ok()?;
        let networks = seen.network_settings?.networks?;
        networks.into_values().filter_map(|network| network.ip_address).find(|address| !address.is_empty())
    }

    /// Gives the address by which containers reach this machine.
    pub(super) async fn gateway(&self) -> Option<String> {
        let client = docker_client_instance().await.ok()?;
        let seen = client.inspect_container(self.container.id(), None).await.ok()?;
        let networks = seen.network_settings?.networks?;
        networks.into_values().filter_map(|network| network.gateway).find(|address| !address.is_empty())
    }

    /// Gives all of the log so far; a line of the second in which it was read before may be in it twice.
    pub(super) async fn log(&self) -> String {
        let mut read = self.read.lock().await;
        let since = read.1;
        read.1 = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs() - 1;
        let mut logs = tokio::process::Command::new("docker");
        logs.args(["logs", "--since", &since.to_string(), self.container.id()]);
        // PostgreSQL logs to stderr, the images' entry points to stdout.
        let new = logs.output().await.expect("the container's log can be read").stderr;
        read.0.push_str(&String::from_utf8_lossy(&new));
        read.0.clone()
    }
}

/// Starts a container of the wanted major, or says why not.
pub(super) async fn start(wanted: Wanted) -> Result<(Address, Running), String> {
    let tag = tag(wanted).await?;
    let name = format!("pgcleave-test-{}-{}", std::process::id(), random_word(5));
    // Before the container, so that there is no moment at which a kill leaves one behind; hence the second try.
    let script = "for try in 1 2; do docker rm --force --volumes \"$1\"; sleep 2; done";
    let reaper = Reaper::start(script, &[&name]).map_err(|error| format!("no shell to clean up with: {error}"))?;
    let request = GenericImage::new("postgres", &tag.to_string())
        .with_exposed_port(5432.tcp())
        .with_wait_for(WaitFor::Nothing)
        .with_container_name(&name)
        .with_env_var("POSTGRES_PASSWORD", SUPERUSER)
        .with_env_var("PGDATA", format!("{DATA}/data"))
        .with_mount(Mount::tmpfs_mount(DATA))
        .with_shm_size(256 << 20)
        .with_cmd(std::iter::once("postgres").chain(settings(tag).flat_map(|setting| ["-c", setting])));
    let starting = tokio::time::timeout(Duration::from_secs(START_SECONDS), request.start());
    let container = starting.await.map_err(|_| format!("postgres:{tag} has not started within {START_SECONDS} s"))?;
    let container = container.map_err(|error| format!("postgres:{tag} cannot be started: {error}"))?;
    let host = container.get_host().await.map_err(|error| error.to_string())?;
    let port = container.get_host_port_ipv4(5432.tcp()).await.map_err(|error| error.to_string())?;
    // The port is mapped for IPv4, which a name such as localhost may not mean first.
    let host = if host.to_string() == "localhost" { "127.0.0.1".to_owned() } else { host.to_string() };
    Ok((Address::started(&host, port), Running { container, tag, read: Mutex::default(), _reaper: reaper }))
}

/// Picks an image: one that is here, else one to be pulled.
async fn tag(wanted: Wanted) -> Result<u32, String> {
    let unanswered = || "the Docker daemon does not answer".to_owned();
    let client = docker_client_instance().await.map_err(|_| unanswered())?;
    let ping = tokio::time::timeout(Duration::from_secs(PING_SECONDS), client.ping()).await;
    ping.map_err(|_| unanswered())?.map_err(|_| unanswered())?;
    let mut here = Vec::new();
    for major in MAJORS {
        if client.inspect_image(&format!("postgres:{major}")).await.is_ok() {
            here.push(major);
        }
    }
    let pulled = || if let Wanted::Major(major) = wanted { Some(major) } else { wanted.pick(MAJORS) };
    Ok(wanted.pick(here).or_else(pulled).expect("there is always a newest and an oldest major"))
}
