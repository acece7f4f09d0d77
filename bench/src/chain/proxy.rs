//! nginx and haproxy as Debian has them, set up as well as one would: connections kept, nothing logged.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, bail};

use super::process::{Process, free_port};
use crate::peers::Name;
use crate::shadow;

/// A reverse proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proxy {
    Nginx,
    Haproxy,
}

impl Proxy {
    pub(crate) const ALL: [Self; 2] = [Self::Nginx, Self::Haproxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// In front of functions, each at /function/NAME.
    pub(crate) fn start(self, functions: &[(Name, SocketAddr)]) -> anyhow::Result<Process> {
        let program = find(self.name())?;
        let (port, folder) = (free_port()?, tempfile::tempdir().context("make a folder")?);
        let place = folder.path().display().to_string();
        let file = folder.path().join("configuration");
        let text = match self {
            Self::Nginx => nginx(port, &place, functions),
            Self::Haproxy => haproxy(port, functions),
        };
        std::fs::write(&file, text?).with_context(|| format!("write {}", file.display()))?;
        let file = file.display().to_string();
        match self {
            // Its own log is opened before the configuration is read.
            Self::Nginx => Process::server(&[&program, "-p", &place, "-e", "stderr", "-c", &file], port, folder),
            Self::Haproxy => Process::server(&[&program, "-db", "-q", "-f", &file], port, folder),
        }
    }
}

/// Where a server is: Debian puts them where only root's PATH leads.
pub(crate) fn find(program: &str) -> anyhow::Result<String> {
    let beside = std::path::Path::new("/usr/sbin").join(program);
    match shadow::find(program).or_else(|| beside.is_file().then_some(beside)) {
        Some(found) => Ok(found.display().to_string()),
        None => bail!("{program} is not installed"),
    }
}

fn nginx(port: u16, place: &str, functions: &[(Name, SocketAddr)]) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "daemon off; worker_processes auto; pid {place}/pid; error_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\naccess_log off; keepalive_requests 1000000000; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; tcp_nodelay on;\n"
    );
    for part in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        writeln!(text, "{part}_temp_path {place}/{part};")?;
    }
    for (name, address) in functions {
        let name = name.text();
        writeln!(text, "upstream {name} {{ server {address}; keepalive 64; keepalive_requests 1000000000; }}")?;
    }
    writeln!(text, "server {{ listen 127.0.0.1:{port};")?;
    for (name, _) in functions {
        let name = name.text();
        writeln!(text, "location /function/{name} {{ proxy_pass http://{name}/; }}")?;
    }
    text.push_str("}\n}\n");
    Ok(text)
}

fn haproxy(port: u16, functions: &[(Name, SocketAddr)]) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "global\n maxconn 4096\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n \
         option http-keep-alive\n http-reuse always\nfrontend door\n bind 127.0.0.1:{port}\n"
    );
    for (name, _) in functions {
        let name = name.text();
        writeln!(text, " use_backend {name} if {{ path /function/{name} }}")?;
    }
    for (name, address) in functions {
        let name = name.text();
        writeln!(text, "backend {name}\n server {name} {address}")?;
    }
    Ok(text)
}
