//! What `pgcleave split` does about the contracts that it cuts.

use pgcleave::manifest::service::{Project, Service};
use pgcleave::split::Between;
use pgcleave::split::bridge::Bridge;
use pgcleave::split::bridge::contract::{Crossing, Direction};

use super::context::Context;
use super::failure::Failure;
use super::split::BridgeKind;

/// Reads the manifests and the service in them; without manifests no contract is known.
fn moved(context: &Context, between: &Between) -> Result<Option<(Project, Service)>, Failure> {
    let Some(project) = context.project_if_any()? else { return Ok(None) };
    let service = project.services.get(between.service.as_str()).cloned();
    Ok(service.map(|service| (project, service)))
}

async fn read(context: &Context, between: &Between, direction: Direction) -> Result<Option<Bridge>, Failure> {
    let Some((project, service)) = moved(context, between)? else { return Ok(None) };
    let bridge = Bridge::read(between, &project, &service, direction).await?;
    Ok(Some(bridge).filter(|bridge| !bridge.is_empty()))
}

/// Brings what the service consumes to its own database, before it works there; what keeps that from being done does
/// not keep the copy from following.
pub(crate) async fn consumed(context: &Context, between: &Between) -> Result<(), Failure> {
    let Some(bridge) = read(context, between, Direction::Consumed).await? else { return Ok(()) };
    match bridge.build().await {
        Ok(()) => context.story(&format!("bridged to the target: {}", labels(&bridge))),
        Err(error) => context.story(&format!(
            "warning: what the service consumes is not there before the cutover ({}): {error}; run split start again",
            labels(&bridge)
        )),
    }
    Ok(())
}

/// Takes that away again.
pub(crate) async fn remove_consumed(context: &Context, between: &Between) -> Result<(), Failure> {
    let Some(bridge) = read(context, between, Direction::Consumed).await? else { return Ok(()) };
    Ok(bridge.remove().await?)
}

/// Gives the bridge that takes the old schema's place, once the one the other way stands.
pub(crate) async fn exposed(context: &Context, between: &Between, kind: BridgeKind) -> Result<Option<Bridge>, Failure> {
    let there = read(context, between, Direction::Exposed).await?;
    match kind {
        BridgeKind::None => {
            if let Some(bridge) = &there {
                context.story(&format!("warning: nothing stands in for {}: its consumers get errors", labels(bridge)));
            }
            Ok(None)
        }
        BridgeKind::Copy => Err(Failure::usage("--bridge copy is not there yet: take --bridge foreign, or none")),
        BridgeKind::Foreign => {
            if let Some(consumed) = read(context, between, Direction::Consumed).await? {
                consumed.build().await?;
            }
            Ok(there)
        }
    }
}

fn labels(bridge: &Bridge) -> String {
    bridge.crossings().iter().map(Crossing::label).collect::<Vec<_>>().join(", ")
}
