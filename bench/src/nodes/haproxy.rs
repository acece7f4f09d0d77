//! Two HAProxies before the host of another machine, with TLS and certificates of both between them: what somebody would set up
//! who has no agent.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::chain::proxy;

/// Where users call the first one, and where that calls the second.
pub(super) const DOOR: u16 = 8090;
const BETWEEN: u16 = 8443;
/// They are there within this.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// Two proxies. Dropped, they are gone.
#[derive(Debug)]
pub(super) struct Pair {
    proxies: Vec<Child>,
    folder: TempDir,
}

impl Pair {
    /// From a port of the first machine to the public listener of the second.
    pub(super) fn start() -> anyhow::Result<Self> {
        let program = proxy::find("haproxy")?;
        let folder = tempfile::tempdir().context("make a folder")?;
        certificates(folder.path())?;
        let place = folder.path().display();
        let head = "global\n maxconn 4096\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n \
            option http-keep-alive\n http-reuse always\n";
        let trust = format!("verify required ca-file {place}/ca.pem");
        let first = format!(
            "{head}frontend door\n bind 10.45.0.1:{DOOR}\n default_backend other\nbackend other\n \
             server other 10.45.0.2:{BETWEEN} weight 100 ssl crt {place}/n1.pem {trust} ssl-min-ver TLSv1.3\n"
        );
        let second = format!(
            "{head}frontend door\n bind 10.45.0.2:{BETWEEN} ssl crt {place}/n2.pem {trust} ssl-min-ver TLSv1.3\n \
             default_backend own\nbackend own\n server own 10.45.0.2:8080 weight 100\n"
        );
        let mut pair = Self { proxies: Vec::new(), folder };
        for (at, text) in [(1, first), (2, second)] {
            let file = pair.folder.path().join(format!("n{at}.cfg"));
            std::fs::write(&file, text).context("write a configuration")?;
            let mut command = Command::new("nsenter");
            command
                .arg(format!("--net=/run/netns/dyn-n{at}"))
                .arg("--")
                .arg(&program)
                .args(["-db", "-q", "-f"])
                .arg(&file);
            let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            pair.proxies.push(started.context("start haproxy")?);
        }
        pair.wait()?;
        Ok(pair)
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while std::net::TcpStream::connect(("10.45.0.1", DOOR)).is_err() {
            for proxy in &mut self.proxies {
                if let Some(status) = proxy.try_wait().context("look after haproxy")? {
                    bail!("haproxy ended: {status}");
                }
            }
            ensure!(begun.elapsed() < PATIENCE, "haproxy does not listen within {PATIENCE:?}");
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for proxy in &mut self.proxies {
            drop(proxy.kill());
            drop(proxy.wait());
        }
    }
}

/// An authority, and a certificate for each side.
fn certificates(folder: &Path) -> anyhow::Result<()> {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").current_dir(folder).args(arguments).output().context("start openssl")?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "openssl {}: {words}", arguments.join(" "));
        anyhow::Ok(())
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    openssl(
        &[&["req", "-x509", "-subj", "/CN=ca", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem"], &key[..]].concat(),
    )?;
    for at in ["n1", "n2"] {
        let (secret, request, signed) = (format!("{at}.key"), format!("{at}.csr"), format!("{at}.crt"));
        let subject = format!("/CN={at}");
        openssl(&[&["req", "-new", "-subj", &subject, "-keyout", &secret, "-out", &request], &key[..]].concat())?;
        let sign = ["x509", "-req", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
        openssl(&[&sign[..], &["-in", &request, "-out", &signed]].concat())?;
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).with_context(|| format!("read {name}"));
        std::fs::write(folder.join(format!("{at}.pem")), read(&signed)? + &read(&secret)?)
            .context("write a certificate")?;
    }
    Ok(())
}
