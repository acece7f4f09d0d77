//! The side of a link that was called: it listens, and echoes beats.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nodes::{FleetRole, FrameReader, LinkFrame, LoadReport};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use crate::agent::{Agent, Ending, NodeCounts};
use crate::http::words;
use crate::tls::PeerIdentity;

/// A link over which nothing came for so long is over: beats come four times a second.
const SILENCE: Duration = Duration::from_secs(3);

/// Serves a link until it ends.
pub(crate) async fn serve(agent: Arc<Agent>, stream: TlsStream<TcpStream>, peer: PeerIdentity, from: SocketAddr) {
    if peer.role != FleetRole::Node {
        let why = format!("{} has the certificate of an operator, which shares no load", peer.name);
        agent.events.tell("node.refused", &peer.name, json!({ "why": why, "from": from }));
        return;
    }
    let mut life = None;
    let ended = listen(&agent, stream, &peer, &mut life).await;
    if let Some(life) = life {
        // Another link of the node may be there by now.
        let mut incoming = agent.incoming.lock();
        if incoming.get(&peer.id).is_some_and(|(_, known)| *known == life) {
            incoming.remove(&peer.id);
        }
    }
    match ended {
        Ok(()) => {}
        Err(error) => tracing::debug!(node = peer.name, error = words(&error), "a link of a node ended"),
    }
}

async fn listen(
    agent: &Arc<Agent>,
    stream: TlsStream<TcpStream>,
    peer: &PeerIdentity,
    life: &mut Option<u64>,
) -> io::Result<()> {
    let (mut input, mut output) = tokio::io::split(stream);
    let mut reader = FrameReader::default();
    let mut bytes = vec![0; 16 << 10];
    let mut crl = agent.crl_changed.subscribe();
    let mut ending = agent.ending.subscribe();
    loop {
        let read = tokio::select! {
            read = tokio::time::timeout(SILENCE, input.read(&mut bytes)) => {
                read.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "nothing came for 3 s"))??
            }
            _ = crl.changed() => {
                if agent.is_welcome(peer) {
                    continue;
                }
                let (list, _) = agent.tls.crl();
                write(&mut output, LinkFrame::Crl(list)).await?;
                return write(&mut output, LinkFrame::Goodbye("your certificate was made void".to_owned())).await;
            }
            () = ends(&mut ending) => {
                return write(&mut output, LinkFrame::Goodbye("this node leaves".to_owned())).await;
            }
        };
        if read == 0 {
            return Ok(());
        }
        NodeCounts::add(&agent.counts.bytes_in, read as u64);
        reader.push(&bytes[..read]);
        loop {
            let frame = match reader.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return bad(agent, peer, &mut output, &error.to_string()).await,
            };
            match frame {
                LinkFrame::Hello(card) => {
                    let met = agent.meet(peer, &card).and_then(|card| only_one(agent, peer, &card.member, *life));
                    match met {
                        Ok(new) => {
                            if life.is_none() {
                                let own = serde_json::to_vec(&agent.card())?;
                                write(&mut output, LinkFrame::Hello(own)).await?;
                            }
                            *life = Some(new);
                        }
                        Err(why) => return write(&mut output, LinkFrame::Goodbye(why)).await,
                    }
                }
                LinkFrame::Beat(number) => write(&mut output, LinkFrame::Echo(number)).await?,
                LinkFrame::Swim(message) => {
                    let heard = agent.membership.lock().hear(&message, agent.now());
                    match heard {
                        Ok(effects) => agent.carry(effects),
                        Err(error) => {
                            agent.carry(error.effects);
                            return bad(agent, peer, &mut output, "a message of the membership does not read").await;
                        }
                    }
                }
                LinkFrame::Report(report) => match LoadReport::read(&report) {
                    Ok(report) => {
                        if agent.mind.lock().hear(peer.id, report, agent.now()) {
                            agent.news.notify_one();
                        }
                    }
                    Err(error) => return bad(agent, peer, &mut output, &error.to_string()).await,
                },
                LinkFrame::Crl(list) => agent.hear_crl(&list, &peer.name),
                LinkFrame::Goodbye(_) => return Ok(()),
                LinkFrame::Echo(_) => return bad(agent, peer, &mut output, "an echo of no beat").await,
            }
        }
    }
}

/// Returns once the agent ends.
async fn ends(ending: &mut watch::Receiver<Ending>) {
    // Without a sender it has ended.
    drop(ending.wait_for(|ending| *ending != Ending::Runs).await);
}

/// Refuses the second of two nodes with one key. Links of one life are one node's.
fn only_one(
    agent: &Agent,
    peer: &PeerIdentity,
    member: &nodes::FleetMember,
    life: Option<u64>,
) -> Result<u64, String> {
    let mut incoming = agent.incoming.lock();
    if let Some((address, _)) = incoming.get(&peer.id)
        && life.is_none()
        && *address != member.address
    {
        let words = format!("the key of {} is used at {address} and at {}", peer.name, member.address);
        drop(incoming);
        agent.events.tell("node.refused", &peer.name, json!({ "why": words }));
        return Err(words);
    } else if let Some((_, known)) = incoming.get(&peer.id)
        && life.is_none()
        && *known > member.life
    {
        return Err(format!("{} began anew since", peer.name));
    }
    incoming.insert(peer.id, (member.address, member.life));
    Ok(member.life)
}

/// Ends a link over which nonsense came.
async fn bad(
    agent: &Agent,
    peer: &PeerIdentity,
    output: &mut (impl AsyncWriteExt + Unpin),
    why: &str,
) -> io::Result<()> {
    NodeCounts::add(&agent.counts.bad_frames, 1);
    tracing::warn!(node = peer.name, why, "a link is closed");
    write(output, LinkFrame::Goodbye(why.to_owned())).await
}

async fn write(output: &mut (impl AsyncWriteExt + Unpin), frame: LinkFrame) -> io::Result<()> {
    output.write_all(&frame.bytes().map_err(io::Error::other)?).await?;
    output.flush().await
}
