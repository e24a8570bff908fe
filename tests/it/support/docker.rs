//! A server in a container.

use std::time::Duration;

use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{IntoContainerPort as _, Mount, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};

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
    network: Network,
    _reaper: Reaper,
}

/// The Docker network that a container is in.
struct Network {
    /// The container's address.
    address: Option<String>,
    /// This machine's address.
    gateway: Option<String>,
}

impl Network {
    async fn of(container: &str) -> Option<Self> {
        let client = docker_client_instance().await.ok()?;
        let seen = client.inspect_container(container, None).await.ok()?;
        let mut networks = seen.network_settings?.networks?.into_values();
        let network =
            networks.find(|network| network.ip_address.as_ref().is_some_and(|address| !address.is_empty()))?;
        Some(Self { address: network.ip_address, gateway: network.gateway.filter(|address| !address.is_empty()) })
    }

    /// Tells whether this machine reaches the container directly, without the process that maps ports.
    async fn is_reachable(address: &str) -> bool {
        let connecting = tokio::net::TcpStream::connect((address, 5432));
        match tokio::time::timeout(Duration::from_secs(1), connecting).await {
            Ok(Ok(_)) => true,
            // The server is still starting.
            Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
            Err(_) => false,
        }
    }
}

impl Running {
    pub(super) fn label(&self) -> String {
        format!("container of postgres:{}", self.tag)
    }

    /// Gives the address by which other containers reach it, and this machine too where containers are at home on it.
    pub(super) fn bridge(&self) -> Option<&str> {
        self.network.address.as_deref()
    }

    /// Gives the address by which containers reach this machine.
    pub(super) fn gateway(&self) -> Option<&str> {
        self.network.gateway.as_deref()
    }

    /// Freezes it, or lets it go on: its system still acknowledges what it is sent.
    pub(super) fn freeze(&self, frozen: bool) {
        let command = if frozen { "pause" } else { "unpause" };
        let done = std::process::Command::new("docker").args([command, self.container.id()]).output();
        let done = done.expect("docker runs");
        assert!(done.status.success(), "docker {command}: {}", String::from_utf8_lossy(&done.stderr));
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
    let network = Network::of(container.id()).await.unwrap_or(Network { address: None, gateway: None });
    let address = match &network.address {
        Some(address) if Network::is_reachable(address).await => Address::started(address, 5432),
        _ => mapped(&container).await?,
    };
    Ok((address, Running { container, tag, network, _reaper: reaper }))
}

/// Finds where the container's port is on this machine.
async fn mapped(container: &ContainerAsync<GenericImage>) -> Result<Address, String> {
    let host = container.get_host().await.map_err(|error| error.to_string())?;
    let port = container.get_host_port_ipv4(5432.tcp()).await.map_err(|error| error.to_string())?;
    // The port is mapped for IPv4, which a name such as localhost may not mean first.
    let host = if host.to_string() == "localhost" { "127.0.0.1".to_owned() } else { host.to_string() };
    Ok(Address::started(&host, port))
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
