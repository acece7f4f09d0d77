//! The floor: bytes through processes, blocking, nothing parsed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use anyhow::Context;

use super::announce;

/// A thread for each connection, and a connection of its own to the next process.
pub(super) fn run(size: usize, next: Option<SocketAddr>) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listen")?;
    announce(listener.local_addr().context("listen")?)?;
    for stream in listener.incoming() {
        let stream = stream.context("accept a connection")?;
        std::thread::spawn(move || {
            if let Err(error) = pass_on(stream, size, next) {
                eprintln!("bench: a relay's connection ends: {error}");
            }
        });
    }
    Ok(())
}

fn pass_on(mut stream: TcpStream, size: usize, next: Option<SocketAddr>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut next = next.map(TcpStream::connect).transpose()?;
    if let Some(next) = &next {
        next.set_nodelay(true)?;
    }
    let mut message = vec![0; size];
    loop {
        match stream.read_exact(&mut message) {
            // The caller has gone.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        if let Some(next) = &mut next {
            next.write_all(&message)?;
            next.read_exact(&mut message)?;
        }
        stream.write_all(&message)?;
    }
}
