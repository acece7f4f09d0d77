//! The side of a link that was called: it listens, and echoes beats.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nodes::{FleetMember, FleetRole, LinkFrame, LinkFrameReader, LoadReport};
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
        agent.events.tell_once("node.refused", &peer.name, json!({ "why": why, "from": from }));
        return;
    }
    let number = agent.calls.fetch_add(1, Ordering::Relaxed);
    let ended = listen(&agent, stream, &peer, number).await;
    agent.incoming.lock().remove(&number);
    match ended {
        Ok(()) => {}
        Err(error) => tracing::debug!(node = peer.name, error = words(&error), "a link of a node ended"),
    }
}

async fn listen(agent: &Arc<Agent>, stream: TlsStream<TcpStream>, peer: &PeerIdentity, number: u64) -> io::Result<()> {
    let (mut input, mut output) = tokio::io::split(stream);
    let mut reader = LinkFrameReader::default();
    let mut bytes = vec![0; 16 << 10];
    let mut crl = agent.crl_changed.subscribe();
    let mut ending = agent.ending.subscribe();
    let mut is_known = false;
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
                    let met = agent.meet(peer, &card).and_then(|card| only_one(agent, peer, &card.member, number));
                    if let Err(why) = met {
                        return write(&mut output, LinkFrame::Goodbye(why)).await;
                    }
                    if !is_known {
                        let own = serde_json::to_vec(&agent.card())?;
                        write(&mut output, LinkFrame::Hello(own)).await?;
                        is_known = true;
                    }
                }
                LinkFrame::Beat(beat) => write(&mut output, LinkFrame::Echo(beat)).await?,
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

/// Refuses the second of two nodes with one key, and what is left of a life before.
fn only_one(agent: &Agent, peer: &PeerIdentity, member: &FleetMember, number: u64) -> Result<(), String> {
    let mut incoming = agent.incoming.lock();
    for (_, (_, address, life)) in incoming.iter().filter(|(at, (id, ..))| **at != number && *id == peer.id) {
        if *address != member.address {
            let words = format!("the key of {} is used at {address} and at {}", peer.name, member.address);
            drop(incoming);
            agent.events.tell_once("node.refused", &peer.name, json!({ "why": words }));
            return Err(words);
        }
        if *life > member.life {
            return Err(format!("{} began anew since", peer.name));
        }
    }
    incoming.insert(number, (peer.id, member.address, member.life));
    Ok(())
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
