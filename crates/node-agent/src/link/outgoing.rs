//! The side of a link that opened it: it speaks, and measures the round trip.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use nodes::{BEAT, FleetMember, LinkFrame, LinkFrameReader, LinkPulse};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::agent::{Agent, NodeCounts};
use crate::card::NodeCard;
use crate::error::NodeError;
use crate::http::{tcp, timely, words};
use crate::link::{LinkOut, LinkState};
use crate::tls::{PeerIdentity, server_name};

/// A link to a member that is no neighbour ends when nothing was said for so long.
const IDLE: Duration = Duration::from_secs(30);
/// How long until a link to a neighbour is opened again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Of a link that stays down it is told this often.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// How a connection ended.
enum Ended {
    /// Nobody has a use for it.
    Idle,
    Lost(String),
    /// The other side says that it is not let in, or leaves.
    Goodbye(String),
}

pub(super) async fn run(agent: Arc<Agent>, to: FleetMember, link: Arc<LinkOut>, mut queue: mpsc::Receiver<LinkFrame>) {
    let mut pause = FIRST_PAUSE;
    let mut told: Option<(String, Instant)> = None;
    let mut state = link.state.subscribe();
    loop {
        let talked = tokio::select! {
            talked = talk(&agent, &to, &link, &mut queue) => talked,
            () = over(&mut state) => break,
        };
        let was_up = link.is_up();
        if was_up {
            pause = FIRST_PAUSE;
        }
        // Requests that wait for an answer over it end now.
        let goes_on = link.state.send_if_modified(|state| {
            let goes_on = *state != LinkState::Over;
            if goes_on {
                *state = LinkState::Down;
            }
            goes_on
        });
        if !goes_on {
            break;
        }
        agent.pool.forget(to.id);
        let why = match talked {
            Ended::Idle => break,
            Ended::Lost(why) | Ended::Goodbye(why) => why,
        };
        if was_up {
            agent.events.tell("node.link-down", &to.name, json!({ "why": why }));
            agent.tell_links();
        } else if told.as_ref().is_none_or(|(last, at)| *last != why || at.elapsed() > TELL_AGAIN) {
            tracing::info!(node = to.name, address = %to.address, why, "no link");
            told = Some((why, Instant::now()));
        }
        if !agent.is_neighbour(to.id) {
            break;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        // What waited is old.
        while queue.try_recv().is_ok() {}
    }
    link.end();
    // Another link to it may be there already.
    agent.links.lock().retain(|_, known| !Arc::ptr_eq(known, &link));
    agent.tell_links();
}

/// Returns once nobody wants the link any more.
async fn over(state: &mut watch::Receiver<LinkState>) {
    drop(state.wait_for(|state| *state == LinkState::Over).await);
}

async fn connect(agent: &Agent, to: &FleetMember) -> io::Result<(TlsStream<TcpStream>, PeerIdentity)> {
    let name = server_name(Some(to.id)).map_err(io::Error::other)?;
    let stream = tcp(to.address).await?;
    let stream = timely(TlsConnector::from(agent.tls.configs().link).connect(name, stream)).await?;
    let peer = peer(&stream).ok_or_else(|| io::Error::other("its certificate names no node"))?;
    Ok((stream, peer))
}

fn peer(stream: &TlsStream<TcpStream>) -> Option<PeerIdentity> {
    PeerIdentity::of(stream.get_ref().1.peer_certificates()?.first()?)
}

async fn talk(agent: &Arc<Agent>, to: &FleetMember, link: &LinkOut, queue: &mut mpsc::Receiver<LinkFrame>) -> Ended {
    let (stream, peer) = match connect(agent, to).await {
        Ok(opened) => opened,
        Err(error) => return Ended::Lost(words(&error)),
    };
    match converse(agent, to, link, queue, stream, &peer).await {
        Ok(ended) => ended,
        Err(error) => Ended::Lost(words(&error)),
    }
}

async fn converse(
    agent: &Arc<Agent>,
    to: &FleetMember,
    link: &LinkOut,
    queue: &mut mpsc::Receiver<LinkFrame>,
    stream: TlsStream<TcpStream>,
    peer: &PeerIdentity,
) -> io::Result<Ended> {
    let (mut input, mut output) = tokio::io::split(stream);
    let card = serde_json::to_vec(&agent.card())?;
    write(agent, &mut output, LinkFrame::Hello(card)).await?;
    let mut pulse = LinkPulse::new(agent.now());
    let mut reader = LinkFrameReader::default();
    let mut bytes = vec![0; 16 << 10];
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    let mut crl = agent.crl_changed.subscribe();
    loop {
        tokio::select! {
            frame = queue.recv() => {
                let Some(frame) = frame else { return Ok(Ended::Idle) };
                last = Instant::now();
                write(agent, &mut output, frame).await?;
            }
            _ = beats.tick() => {
                if pulse.is_lost(agent.now()) {
                    return Ok(Ended::Lost("it has not answered for three beats".to_owned()));
                }
                if last.elapsed() > IDLE && !agent.is_neighbour(to.id) {
                    return Ok(Ended::Idle);
                }
                let beat = pulse.beat(agent.now());
                write(agent, &mut output, LinkFrame::Beat(beat)).await?;
            }
            _ = crl.changed() => {
                if !agent.is_welcome(peer) {
                    write(agent, &mut output, LinkFrame::Goodbye("expelled".to_owned())).await?;
                    return Ok(Ended::Goodbye(format!("{} was expelled", peer.name)));
                }
            }
            read = input.read(&mut bytes) => {
                let read = read?;
                if read == 0 {
                    return Ok(Ended::Lost("it closed the link".to_owned()));
                }
                NodeCounts::add(&agent.counts.bytes_in, read as u64);
                reader.push(&bytes[..read]);
                loop {
                    let frame = match reader.next_frame() {
                        Ok(Some(frame)) => frame,
                        Ok(None) => break,
                        Err(error) => {
                            NodeCounts::add(&agent.counts.bad_frames, 1);
                            return Ok(Ended::Lost(error.to_string()));
                        }
                    };
                    match frame {
                        LinkFrame::Echo(number) => {
                            pulse.echo(number, agent.now());
                            note(agent, link, &pulse, to);
                        }
                        LinkFrame::Hello(card) => {
                            if let Err(why) = agent.meet(peer, &card) {
                                return Ok(Ended::Goodbye(why));
                            }
                        }
                        LinkFrame::Crl(list) => agent.hear_crl(&list, &peer.name),
                        LinkFrame::Goodbye(why) => return Ok(Ended::Goodbye(format!("{} says: {why}", peer.name))),
                        LinkFrame::Swim(_) | LinkFrame::Report(_) | LinkFrame::Beat(_) => {
                            NodeCounts::add(&agent.counts.bad_frames, 1);
                        }
                    }
                }
            }
        }
    }
}

/// Notes an echo: the link is up.
fn note(agent: &Arc<Agent>, link: &LinkOut, pulse: &LinkPulse, to: &FleetMember) {
    let rtt = pulse.rtt();
    *link.rtt.lock() = rtt;
    if let Some(known) = agent.known.lock().get_mut(&to.id) {
        known.rtt = rtt;
    }
    let is_new = link.state.send_if_modified(|state| {
        let is_new = !matches!(*state, LinkState::Up | LinkState::Over);
        if is_new {
            *state = LinkState::Up;
        }
        is_new
    });
    if is_new {
        if agent.is_neighbour(to.id) {
            let us = rtt.map_or(0, |rtt| rtt.as_micros());
            agent.events.tell("node.link-up", &to.name, json!({ "rtt_us": us as u64 }));
        }
        agent.mind.lock().begins_anew(to.id);
        agent.tell_links();
    }
}

async fn write(agent: &Agent, output: &mut (impl AsyncWriteExt + Unpin), frame: LinkFrame) -> io::Result<()> {
    let bytes = frame.bytes().map_err(io::Error::other)?;
    NodeCounts::add(&agent.counts.frames_out, 1);
    NodeCounts::add(&agent.counts.bytes_out, bytes.len() as u64);
    output.write_all(&bytes).await?;
    output.flush().await
}

/// Asks whoever is at an address who it is.
pub(crate) async fn greet(agent: &Arc<Agent>, address: &str) -> Result<NodeCard, NodeError> {
    let unreachable = |why: String| NodeError::Unreachable { to: address.to_owned(), why };
    let resolved = timely(tokio::net::lookup_host(address)).await.map_err(|error| unreachable(error.to_string()))?;
    let mut last = "its name leads nowhere".to_owned();
    for resolved in resolved {
        let greeted = async {
            let stream = tcp(resolved).await?;
            let name = server_name(None).map_err(io::Error::other)?;
            let stream = TlsConnector::from(agent.tls.configs().link).connect(name, stream);
            let mut stream = timely(stream).await?;
            let peer = peer(&stream).ok_or_else(|| io::Error::other("its certificate names no node"))?;
            let card = serde_json::to_vec(&agent.card())?;
            write(agent, &mut stream, LinkFrame::Hello(card)).await?;
            let mut reader = LinkFrameReader::default();
            let mut bytes = vec![0; 16 << 10];
            loop {
                let read = timely(stream.read(&mut bytes)).await?;
                if read == 0 {
                    return Err(io::Error::other("it closed the link"));
                }
                reader.push(&bytes[..read]);
                match reader.next_frame().map_err(io::Error::other)? {
                    Some(LinkFrame::Hello(card)) => return agent.meet(&peer, &card).map_err(io::Error::other),
                    Some(LinkFrame::Goodbye(why)) => return Err(io::Error::other(why)),
                    Some(_) | None => {}
                }
            }
        };
        match greeted.await {
            Ok(card) => return Ok(card),
            Err(error) => last = words(&error),
        }
    }
    Err(unreachable(last))
}
