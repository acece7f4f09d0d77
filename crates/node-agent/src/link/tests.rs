#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use balance::{StrategyName, StrategySettings};
use nodes::LinkFrameReader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use super::*;
use crate::agent::{NodeBackend, NodeSettings};
use crate::authority::clock;
use crate::client::NodeClient;
use crate::serve::run;
use crate::tls::tests::{fleet, member};
use crate::tls::{FleetTls, server_name};

/// Says something to a node over a link; the node's last word.
async fn says(tls: &FleetTls, to: SocketAddr, bytes: &[u8]) -> Option<String> {
    let stream = TcpStream::connect(to).await.unwrap();
    let mut stream = TlsConnector::from(tls.configs().link).connect(server_name(None).unwrap(), stream).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
    let (mut reader, mut read) = (LinkFrameReader::default(), vec![0; 4096]);
    loop {
        let count = match stream.read(&mut read).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => count,
        };
        reader.push(&read[..count]);
        while let Some(frame) = reader.next_frame().unwrap() {
            if let LinkFrame::Goodbye(why) = frame {
                return Some(why);
            }
        }
    }
}

/// Fault 16 of the design: whatever comes over a link ends that link, in words, and the node goes on.
#[tokio::test]
async fn nonsense_ends_its_own_link_and_nothing_else() {
    let at = tempfile::tempdir().unwrap();
    let (plant, authority) = fleet(at.path(), "plant");
    let other = member(&plant, &authority, "n2", Duration::from_secs(clock()));
    let settings = NodeSettings {
        folder: plant.clone(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        advertise: None,
        seeds: Vec::new(),
        pace: nodes::MembershipPace::Lan,
        strategy: StrategySettings::new(StrategyName::Offer),
        neighbours: Vec::new(),
        metrics: None,
        cpus: Some(1.0),
        backend: NodeBackend::Process,
        program: PathBuf::from("no-app-runs-here"),
        interface: 1,
        pods: None,
    };
    let (tell, told) = oneshot::channel();
    let (end, ended) = oneshot::channel::<()>();
    let ready = |address| tell.send(address).unwrap();
    let running = run(settings, Arc::new(|_: crate::events::NodeSaid| {}), ready, async { drop(ended.await) });
    let asking = async {
        let to = told.await.unwrap();
        let report = |text: &str| LinkFrame::Report(text.as_bytes().to_vec()).bytes().unwrap();
        let members = "a message of the membership does not read";
        for (bytes, words) in [
            (vec![0, 0xa0, 0, 0, 3], "a frame of 10485760 bytes"),
            (vec![0, 0, 0, 1, 99], "a frame of kind 99"),
            (vec![0, 0, 0, 0], "a frame without a kind"),
            (vec![0, 0, 0, 2, 4, 1], "a frame of kind 4 with 1 bytes"),
            (report(r#"{"v":1,"seq":1,"margin":NaN,"cpu":0,"apps":{}}"#), "does not read"),
            (report(r#"{"v":1,"seq":1,"margin":-1,"cpu":0,"apps":{}}"#), "margin is -1"),
            (report(&"[".repeat(60_000)), "does not read"),
            (LinkFrame::Swim(vec![0xff; 100]).bytes().unwrap(), members),
            (LinkFrame::Swim(Vec::new()).bytes().unwrap(), members),
            (LinkFrame::Echo(7).bytes().unwrap(), "an echo of no beat"),
            (LinkFrame::Hello(b"{".to_vec()).bytes().unwrap(), ""),
        ] {
            let last = says(&other, to, &bytes).await;
            assert!(last.as_ref().is_some_and(|last| last.contains(words)), "{words}: {last:?}");
        }
        let view = NodeClient::new(plant.clone()).nodes().await.unwrap();
        assert_eq!((&*view.here, view.nodes.len()), ("n1", 1), "nobody came in by it");
        end.send(()).unwrap();
    };
    let (ran, ()) = tokio::join!(running, asking);
    ran.unwrap();
}
