//! One server: its folder, its start, and its end.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::files::{make, password, write};
use super::image::{self, Image};
use super::owner::Owner;
use super::program::{CONFIGURATION, find, major, suitable};
use super::spawner::Spawner;
use super::{ResourceError, ResourceProgram};
use crate::backend::BackendError;
use crate::ending::signal_name;
use crate::port::{free_port, local, port_holder};
use crate::process::{begun, leftover, write_pid};

/// A server may read its data, and mend it after a hard end, for this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// It may write everything down for this long before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long it is let be before it is asked again.
const PAUSE: Duration = Duration::from_millis(20);
/// The most that is read of what it wrote, in bytes, and told of that, in lines.
const TAIL: u64 = 16 << 10;
const LINES: usize = 5;

/// What a server is started from.
#[derive(Clone, Debug)]
enum Origin {
    /// A program of this machine.
    Program(PathBuf),
    Image(Image),
}

/// The folder of a server, and what it runs on.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    program: ResourceProgram,
    folder: PathBuf,
    origin: Origin,
    version: u32,
    owner: Option<Owner>,
    pub(super) password: String,
}

impl Installed {
    /// Finds the program, or else an image where those will do, and makes the folder, with its password and, for a server
    /// that does not do so itself, its data.
    pub(super) async fn prepare(
        program: ResourceProgram,
        folder: PathBuf,
        images: bool,
        spawner: &Arc<Spawner>,
    ) -> Result<Self, ResourceError> {
        let data = folder.join("data");
        let written = written(program, &folder);
        let mut installed = Vec::new();
        for path in program.installed() {
            installed.extend(version_of(program, &path).await.map(|version| (version, Origin::Program(path))));
        }
        if installed.is_empty() && images {
            let all = Image::all(program).await.into_iter();
            installed.extend(all.map(|(version, image)| (version, Origin::Image(image))));
        }
        if installed.is_empty() {
            return Err(ResourceError::NotInstalled { program });
        }
        let Some((version, origin)) = suitable(program, &installed, written).cloned() else {
            let all: Vec<String> = installed.iter().map(|(version, _)| version.to_string()).collect();
            let (data, installed) = (written.unwrap_or_default(), all.join(", "));
            return Err(ResourceError::OtherVersion { program, data, installed });
        };
        let owner = Owner::of(program, &data)?;
        make(&folder)?;
        let password = password(&folder.join("password"))?;
        let server = Self { program, folder, origin, version, owner, password };
        if let Some(owner) = &server.owner {
            owner.own(&server.folder).map_err(ResourceError::io(format!("create {}", server.folder.display())))?;
        }
        match program {
            ResourceProgram::Postgres if !data.exists() => server.init(&data, spawner).await?,
            ResourceProgram::Postgres => {}
            ResourceProgram::Redis => make(&data)?,
            ResourceProgram::Mosquitto => {
                make(&data)?;
                server.tell_passwords(spawner).await?;
            }
        }
        Ok(server)
    }

    /// Makes the data of PostgreSQL: beside its place, so that what is cut off leaves nothing there.
    async fn init(&self, data: &Path, spawner: &Arc<Spawner>) -> Result<(), ResourceError> {
        let (fresh, secret) = (self.folder.join("data.new"), self.folder.join("password.init"));
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(ResourceError::io(format!("remove {}", fresh.display())))?;
        }
        write(&secret, &self.password)?;
        if let Some(owner) = &self.owner {
            owner.own(&secret).map_err(ResourceError::io(format!("give {} to postgres", secret.display())))?;
        }
        let user = format!("--username={}", self.program.user());
        let arguments = ["-D", "data.new", &user, "--pwfile=password.init", "--auth=scram-sha-256", "--encoding=UTF8"];
        // Sorted by bytes: there is this locale on every machine.
        let made = self.companion("initdb", &[&arguments[..], &["--locale=C"]].concat(), spawner).await;
        drop(fs::remove_file(&secret));
        made?;
        fs::rename(&fresh, data).map_err(ResourceError::io(format!("create {}", data.display())))
    }

    /// Writes the hash of the password where Mosquitto looks for it.
    async fn tell_passwords(&self, spawner: &Arc<Spawner>) -> Result<(), ResourceError> {
        let passwords = self.folder.join("passwd");
        write(&passwords, &format!("{}:{}\n", self.program.user(), self.password))?;
        self.companion("mosquitto_passwd", &["-U", "passwd"], spawner).await
    }

    /// Runs a program that comes with the server, to its end.
    async fn companion(
        &self,
        name: &'static str,
        arguments: &[&str],
        spawner: &Arc<Spawner>,
    ) -> Result<(), ResourceError> {
        let program = self.program;
        let path = match &self.origin {
            Origin::Program(path) => program.companion(path, name),
            Origin::Image(_) => Some(PathBuf::from(name)),
        };
        let path = path.ok_or(ResourceError::Incomplete { program, part: name })?;
        let mut command = self.command(&path, "KILL");
        command.args(arguments).stdin(Stdio::null());
        self.log(&mut command, true)?;
        self.clear().await?;
        let mut child = spawner.spawn(command).await.map_err(ResourceError::io(format!("start {}", path.display())))?;
        let status = child.wait().await.map_err(ResourceError::io(format!("wait for {name}")))?;
        if status.success() {
            return Ok(());
        }
        Err(ResourceError::Ended { program: name.to_owned(), how: how(status), lines: self.last_lines() })
    }

    /// A command in the folder, as the user it runs as, that gets a signal when the session ends, however that ends. A
    /// program of an image is named as its entry point is.
    fn command(&self, path: &Path, ending: &str) -> Command {
        let dying = format!("--pdeathsig={ending}");
        let (path, before) = match &self.origin {
            Origin::Program(_) => (path, Vec::new()),
            Origin::Image(image) => {
                (image.docker(), image.arguments(&self.folder, self.user(), &path.display().to_string()))
            }
        };
        // Docker's command line is this user's own; who its program runs as is among its arguments.
        let owner = self.owner.as_ref().filter(|_| matches!(self.origin, Origin::Program(_)));
        let mut command = match (owner, find("setpriv")) {
            (Some(owner), _) => {
                let (setpriv, rights) = owner.command();
                let mut command = Command::new(setpriv);
                command.args(rights).arg(dying).arg("--").arg(path);
                command
            }
            (None, Some(setpriv)) => {
                let mut command = Command::new(setpriv);
                command.arg(dying).arg("--").arg(path);
                command
            }
            // What outlives a killed session is swept by the next.
            (None, None) => Command::new(path),
        };
        // Nothing of the shell makes it another server than it was, and Ctrl-C is the session's to hear.
        command.args(before);
        let paths = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", paths).env("LC_ALL", "C").env("HOME", &self.folder);
        command.current_dir(&self.folder).process_group(0).kill_on_drop(true);
        command
    }

    /// Whom it runs as.
    fn user(&self) -> (u32, u32) {
        let own = || (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        self.owner.as_ref().map_or_else(own, Owner::ids)
    }

    /// The program, as a command has it: of an image its name.
    fn path(&self) -> &Path {
        match &self.origin {
            Origin::Program(path) => path,
            Origin::Image(_) => Path::new(self.program.name()),
        }
    }

    /// Has no container run for this folder: one may outlive Docker's command line, where that is killed.
    async fn clear(&self) -> Result<(), ResourceError> {
        let Origin::Image(image) = &self.origin else { return Ok(()) };
        write(&container_file(&self.folder), "")?;
        let other = |error: BackendError| io::Error::other(error.to_string());
        image.remove(&self.folder).await.map_err(|error| ResourceError::io("run an image")(other(error)))
    }

    /// Has a command write to the log.
    fn log(&self, command: &mut Command, anew: bool) -> Result<(), ResourceError> {
        let path = self.folder.join("log");
        let failed = || ResourceError::io(format!("write to {}", path.display()));
        let mut options = OpenOptions::new();
        options.create(true).mode(0o600).write(true).truncate(anew).append(!anew);
        let file = options.open(&path).map_err(failed())?;
        command.stdout(file.try_clone().map_err(failed())?).stderr(file);
        Ok(())
    }

    /// Starts the server on a port and waits until it answers there.
    pub(super) async fn start(&self, port: u16, spawner: &Arc<Spawner>, anew: bool) -> Result<Child, ResourceError> {
        self.clear().await?;
        let started = self.start_cleared(port, spawner, anew).await;
        if started.is_err() {
            self.clear().await?;
        }
        started
    }

    async fn start_cleared(&self, port: u16, spawner: &Arc<Spawner>, anew: bool) -> Result<Child, ResourceError> {
        let program = self.program;
        let ending = if program == ResourceProgram::Postgres { "INT" } else { "TERM" };
        let mut command = self.command(self.path(), ending);
        command.args(program.arguments(port)).stdin(Stdio::null());
        self.log(&mut command, anew)?;
        let configuration = program.configuration(port, &self.password);
        let by_input = program == ResourceProgram::Redis;
        match &configuration {
            Some(_) if by_input => drop(command.stdin(Stdio::piped())),
            Some(text) => write(&self.folder.join(CONFIGURATION), text)?,
            None => {}
        }
        let spawned = spawner.spawn(command).await;
        let mut child = spawned.map_err(ResourceError::io(format!("start {}", self.path().display())))?;
        if let Some(pid) = pid_of(&child) {
            let file = pid_file(&self.folder);
            write_pid(&file, pid).map_err(|error| {
                ResourceError::io(format!("write {}", file.display()))(io::Error::other(error.to_string()))
            })?;
        }
        if let (Some(text), Some(mut input)) = (configuration.filter(|_| by_input), child.stdin.take()) {
            // One that ended already is told of below.
            drop(input.write_all(text.as_bytes()).await);
        }
        self.wait(&mut child, port).await?;
        if program != ResourceProgram::Postgres {
            // PostgreSQL keeps its own.
            write(&self.folder.join("version"), &self.version.to_string())?;
        }
        Ok(child)
    }

    async fn wait(&self, child: &mut Child, port: u16) -> Result<(), ResourceError> {
        let program = self.program;
        let question = program.question(&self.password);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = tokio::time::timeout(Duration::from_secs(1), ask(program, local(port), &question));
            let is_ready = tokio::select! {
                biased;
                status = child.wait() => {
                    let how = status.map_or_else(|error| error.to_string(), how);
                    let program = program.name().to_owned();
                    return Err(ResourceError::Ended { program, how, lines: self.last_lines() });
                }
                answer = asked => matches!(answer, Ok(Ok(true))),
            };
            if is_ready {
                return Ok(());
            }
            if Instant::now() > deadline {
                let (seconds, lines) = (PATIENCE.as_secs(), self.last_lines());
                return Err(ResourceError::Silent { program, port, seconds, lines });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The last that it wrote.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let Ok(file) = fs::File::open(self.folder.join("log")) else { return Vec::new() };
        let length = file.metadata().map_or(0, |data| data.len());
        let mut text = Vec::new();
        let mut file = file;
        if io::Seek::seek(&mut file, io::SeekFrom::Start(length.saturating_sub(TAIL))).is_err()
            || file.take(TAIL).read_to_end(&mut text).is_err()
        {
            return Vec::new();
        }
        let text = String::from_utf8_lossy(&text).replace(&self.password, "…");
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines.iter().skip(lines.len().saturating_sub(LINES)).map(|line| (*line).to_owned()).collect()
    }

    /// Ends the server as it likes to, and kills it after a while.
    pub(super) async fn end(&self, child: &mut Child) {
        if let Some(pid) = pid_of(child) {
            // Gone in this very moment is what was wanted.
            let _gone = kill_process(pid, self.program.ending());
        }
        if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
            drop(child.kill().await);
            // What an engine does not remove now, the next start does.
            drop(self.clear().await);
        }
    }

    /// The files with the process and the container are nobody's any more.
    pub(super) fn forget(&self) {
        drop(fs::remove_file(pid_file(&self.folder)));
        drop(fs::remove_file(container_file(&self.folder)));
    }

    /// In words such as `redis-server 7`.
    pub(super) fn words(&self) -> String {
        let image = match &self.origin {
            Origin::Program(_) => String::new(),
            Origin::Image(_) => format!(", from an image {},", self.program.image()),
        };
        format!("{} {}{image}", self.program.name(), self.version)
    }
}

/// Ends the server that a killed session left in a folder; whether there was one.
pub(super) async fn sweep(folder: &Path) -> bool {
    let had_process = sweep_process(folder).await;
    // A container may outlive the command line that ran it.
    let had_container = fs::remove_file(container_file(folder)).is_ok() && image::remove_leftover(folder).await;
    had_process || had_container
}

async fn sweep_process(folder: &Path) -> bool {
    let Some(pid) = leftover(&pid_file(folder)) else { return false };
    let began = begun(pid);
    // Each of them writes everything down at this signal, PostgreSQL without waiting for its clients.
    if kill_process(pid, Signal::INT).is_err() {
        return false;
    }
    let deadline = Instant::now() + GRACE;
    while begun(pid) == began && began.is_some() {
        if Instant::now() > deadline {
            return kill_process(pid, Signal::KILL).is_ok();
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}

/// Whether a port that `dyn.toml` names can be had.
pub(super) fn check(port: u16) -> Result<(), ResourceError> {
    match free_port(port) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = port_holder(port).unwrap_or_else(|| "another program".to_owned());
            Err(ResourceError::PortTaken { port, holder })
        }
        Err(source) => Err(ResourceError::Io { doing: format!("listen on port {port}"), source }),
    }
}

pub(super) fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => signal_name(signal),
        (None, None) => "no word".to_owned(),
    }
}

async fn ask(program: ResourceProgram, at: SocketAddr, question: &[u8]) -> io::Result<bool> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(question).await?;
    let mut answer = Vec::new();
    let mut part = [0; 256];
    while !program.is_whole(&answer) {
        match stream.read(&mut part).await? {
            0 => break,
            count => answer.extend(part.iter().take(count)),
        }
    }
    Ok(program.is_ready(&answer))
}

fn pid_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()))
}

fn pid_file(folder: &Path) -> PathBuf {
    folder.join("pid")
}

/// There while a container may run for a folder.
fn container_file(folder: &Path) -> PathBuf {
    folder.join("container")
}

/// The version of the server that wrote the data.
fn written(program: ResourceProgram, folder: &Path) -> Option<u32> {
    let file = match program {
        ResourceProgram::Postgres => folder.join("data/PG_VERSION"),
        ResourceProgram::Redis | ResourceProgram::Mosquitto => folder.join("version"),
    };
    major(&fs::read_to_string(file).ok()?)
}

async fn version_of(program: ResourceProgram, path: &Path) -> Option<u32> {
    let mut command = Command::new(path);
    command.arg(program.version_argument()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(GRACE, command.output()).await.ok()?.ok()?;
    // Some say it with an exit code of their own.
    major(&String::from_utf8_lossy(&output.stdout)).or_else(|| major(&String::from_utf8_lossy(&output.stderr)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_somebody_elses_is_told_with_its_holder() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let taken = check(port).unwrap_err().to_string();
        assert_eq!(taken, format!("port {port} is taken by {}", port_holder(port).unwrap()));
        drop(held);
        check(port).unwrap();
    }

    #[test]
    fn the_version_of_data_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let written = |program| written(program, folder.path());
        assert_eq!((written(ResourceProgram::Postgres), written(ResourceProgram::Redis)), (None, None));
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("data/PG_VERSION"), "14\n").unwrap();
        fs::write(folder.path().join("version"), "7").unwrap();
        assert_eq!((written(ResourceProgram::Postgres), written(ResourceProgram::Redis)), (Some(14), Some(7)));
    }
}
