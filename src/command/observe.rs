//! What hosts on a cluster measure, asked for while somebody looks, and no longer.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use kubernetes::cluster::{Forward, connect};
use kubernetes::hosts::{Census, Hosts};
use session::Measured;
use session::telemetry::{HostAddress, Measuring, Standings};
use tokio::sync::watch;

use super::cluster::{pins, target};
use crate::arguments::Goal;
use crate::fault::{Fault, Kind};

/// What is known of the hosts of an app on a cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// Which hosts there are.
    pub(crate) census: Census,
    pub(crate) measured: Arc<Measured>,
    /// What is in the way of knowing more, in words.
    pub(crate) troubles: Vec<String>,
    /// Whether the hosts were counted once.
    pub(crate) is_counted: bool,
    /// Whether every host that runs has answered, or did not.
    pub(crate) complete: bool,
}

/// The hosts of an app on the cluster that is meant. The wrong cluster is refused as it is for a push.
pub(crate) async fn hosts(file: &std::path::Path, app: &str, goal: &Goal) -> Result<Hosts, Fault> {
    let home = session::Home::open()?;
    let place = home.place(file)?;
    let access = connect(&target(goal)).await?;
    kubernetes::cluster::Pins::open(&pins(&home))?.check(&format!("{}-{}", place.name, place.id), &access)?;
    Ok(Hosts::of(access, app).await?)
}

/// Observes hosts until nobody looks any more: every host that runs is followed from what it kept of the time before,
/// through the API server, and left when its pod is gone.
///
/// # Errors
/// No port can be opened on this machine.
pub(crate) async fn observe(hosts: Hosts, shown: watch::Sender<Observed>) -> Result<(), Fault> {
    let mut measuring = Measuring::begin();
    let (mut pictures, mut standings) = (measuring.pictures(), measuring.standings());
    let mut ways: BTreeMap<String, Forward> = BTreeMap::new();
    let mut censuses = pin!(hosts.census());
    loop {
        tokio::select! {
            census = censuses.next() => match census {
                Some(census) => {
                    // A pod keeps its name and its services for good.
                    ways.retain(|pod, _| census.hosts.contains_key(pod) || { measuring.forget(pod); false });
                    for (pod, host) in census.hosts.iter().filter(|(_, host)| host.running) {
                        if ways.contains_key(pod) {
                            continue;
                        }
                        let refuse = |error| Fault::new(Kind::Machine, format!("cannot open a port: {error}"));
                        let way = hosts.reach(host).await.map_err(refuse)?;
                        measuring.follow(pod, HostAddress {
                            service: host.service.as_str().into(),
                            address: way.address.to_string(),
                            token: hosts.key().to_owned(),
                            host_header: None,
                        });
                        ways.insert(pod.clone(), way);
                    }
                    shown.send_modify(|observed| (observed.census, observed.is_counted) = (census, true));
                }
                None => return Ok(()),
            },
            Ok(()) = pictures.changed() => {
                let measured = pictures.borrow_and_update().clone();
                shown.send_modify(|observed| observed.measured = measured);
            }
            Ok(()) = standings.changed() => {}
            () = shown.closed() => return Ok(()),
        }
        let standings = standings.borrow_and_update().clone();
        shown.send_if_modified(|observed| {
            let troubles = troubles(&observed.census, &standings, &ways);
            let complete = observed.census.trouble.is_some()
                || ways.keys().all(|pod| standings.contains_key(pod)) && observed.is_counted;
            let is_news = (&observed.troubles, observed.complete) != (&troubles, complete);
            (observed.troubles, observed.complete) = (troubles, complete);
            is_news
        });
    }
}

/// What is in the way, the API server's own first. A host that comes or goes does not answer, and that is no trouble.
fn troubles(census: &Census, standings: &Standings, ways: &BTreeMap<String, Forward>) -> Vec<String> {
    let silent = standings.iter().filter_map(|(pod, trouble)| Some((pod, trouble.as_ref()?)));
    let of_hosts = silent.filter(|(pod, _)| census.hosts.get(*pod).is_some_and(|host| host.ready));
    let of_hosts = of_hosts.map(|(pod, why)| match ways.get(pod).and_then(Forward::trouble) {
        Some(trouble) => trouble.to_string(),
        None => format!("{pod} is not understood: {why}"),
    });
    let own = census.trouble.iter().map(|trouble| trouble.to_string());
    own.chain(of_hosts).collect()
}
