//! Unix sockets by which containers of an app call each other, without the network between them.
//!
//! The session makes them, in a folder that every container sees and none can write, and hands each to the host that is
//! to listen there ([`protocol::HANDOVER`]). So no container takes another's name, and none writes to this machine. The
//! session keeps none of them: once a host is gone, nobody listens, and callers are told so at once.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use protocol::{HANDOVER, SOCKETS, socket_name};
use rustix::cmsg_space;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::container::NOBODY;

/// The sockets of an app.
pub(super) struct Sockets {
    opened: Mutex<Option<Opened>>,
    /// Whether a host took one.
    taken: watch::Sender<bool>,
    /// Whether somebody waits for that.
    is_expected: AtomicBool,
}

struct Opened {
    path: PathBuf,
    folder: Arc<OwnedFd>,
    handovers: BTreeMap<String, Handover>,
    /// Sockets of services that moved on to another container, and still listen where they were.
    left: BTreeMap<String, Made>,
    /// No container is given any more. The folder stays: some may have it mounted.
    given_up: bool,
}

/// Where a service's socket is handed over, until this is dropped.
struct Handover {
    task: JoinHandle<()>,
    /// Where it is asked for: gone before the next is made, which has the same name.
    _asked: Made,
    /// None once another container's is the service's.
    socket: Option<Made>,
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A file that was made, until this is dropped.
struct Made {
    folder: Arc<OwnedFd>,
    name: String,
}

impl Made {
    fn at(place: &Place) -> Self {
        Self { folder: place.folder.clone(), name: place.name.clone() }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // A folder that is cleared takes it along.
        let _gone = rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
    }
}

impl Default for Sockets {
    fn default() -> Self {
        Self { opened: Mutex::default(), taken: watch::Sender::new(false), is_expected: AtomicBool::new(false) }
    }
}

impl Sockets {
    /// Makes the folder anew, which nobody but the services and this user may look into.
    pub(super) fn open(&self, path: &Path) -> io::Result<()> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(path)?;
        let folder = Arc::new(folder_at(path)?);
        to_services(&CWD, path)?;
        let (path, handovers, left) = (path.to_owned(), BTreeMap::new(), BTreeMap::new());
        *self.opened.lock() = Some(Opened { path, folder, handovers, left, given_up: false });
        Ok(())
    }

    /// Removes all of them.
    pub(super) fn close(&self) {
        let opened = self.opened.lock().take();
        let Some(Opened { path, handovers, left, .. }) = opened else { return };
        drop((handovers, left));
        // The next session makes it anew.
        drop(fs::remove_dir_all(path));
    }

    /// The folder; none where there is none.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.opened.lock().as_ref().filter(|opened| !opened.given_up).map(|opened| opened.path.clone())
    }

    /// Where this process finds the socket of an address.
    pub(super) fn find(&self, address: &str) -> Option<Place> {
        let opened = self.opened.lock();
        let folder = opened.as_ref().filter(|opened| !opened.given_up)?.folder.clone();
        Some(Place { folder, name: socket_name(address)?.to_owned() })
    }

    /// Hands a socket to the host of a service, as often as it asks: each time it is started. `refused` is told why one
    /// cannot be made; the host then goes without.
    pub(super) fn hand(
        &self,
        service: &str,
        folder: &Path,
        address: &str,
        refused: impl Fn(io::Error) + Send + 'static,
    ) -> io::Result<()> {
        let mut opened = self.opened.lock();
        let Some(opened) = opened.as_mut().filter(|opened| !opened.given_up) else { return Ok(()) };
        let name = socket_name(address).ok_or_else(|| io::Error::other(format!("{address} names no file")))?;
        // What was made for it before goes first. At another address it is still met by callers who are not told yet.
        let mut kept = None;
        if let Some(mut before) = opened.handovers.remove(service) {
            let socket = before.socket.take();
            drop(before);
            if let Some(socket) = socket.filter(|socket| socket.name != name) {
                kept = opened.left.insert(service.to_owned(), socket).filter(|left| left.name == name);
            }
        }
        let socket = Place { folder: opened.folder.clone(), name: name.to_owned() };
        let handover = Place { folder: Arc::new(folder_at(folder)?), name: HANDOVER.to_owned() };
        let listener = handover.listen()?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        let (asked, made) = (Made::at(&handover), kept.unwrap_or_else(|| Made::at(&socket)));
        let task = tokio::spawn(hand_over(listener, socket, self.taken.clone(), refused));
        opened.handovers.insert(service.to_owned(), Handover { task, _asked: asked, socket: Some(made) });
        Ok(())
    }

    /// Removes what was made for a service.
    pub(super) fn forget(&self, service: &str) {
        if let Some(opened) = self.opened.lock().as_mut() {
            opened.handovers.remove(service);
            opened.left.remove(service);
        }
    }

    /// Whether a host took one, now or later, for the first who asks: once a host was started.
    pub(super) fn expect(&self) -> Option<watch::Receiver<bool>> {
        self.path()?;
        (!self.is_expected.swap(true, Ordering::AcqRel)).then(|| self.taken.subscribe())
    }

    /// Hands none over any more, unless a host has one. True: none has.
    pub(super) fn give_up(&self) -> bool {
        let mut opened = self.opened.lock();
        let Some(opened) = opened.as_mut().filter(|_| !*self.taken.borrow()) else { return false };
        opened.given_up = true;
        opened.handovers.clear();
        opened.left.clear();
        true
    }
}

/// A socket in a folder that is open: however long the folder's name is, this one fits.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: Arc<OwnedFd>,
    name: String,
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.folder.as_raw_fd()))
    }

    /// A new socket that listens here; whoever connects meets the one before or this one.
    fn listen(&self) -> io::Result<UnixListener> {
        let new = format!(".{}", self.name);
        match rustix::fs::unlinkat(&self.folder, &new, AtFlags::empty()) {
            Err(error) if error != rustix::io::Errno::NOENT => return Err(error.into()),
            _ => {}
        }
        let listener = UnixListener::bind(self.path(&new))?;
        fs::set_permissions(self.path(&new), fs::Permissions::from_mode(0o600))?;
        to_services(&self.folder, Path::new(&new))?;
        rustix::fs::renameat(&self.folder, &new, &self.folder, &self.name)?;
        Ok(listener)
    }

    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.path(&self.name)).await
    }
}

fn folder_at(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Gives what is root's to the user that services run as.
fn to_services(folder: &impl AsFd, path: &Path) -> io::Result<()> {
    if !rustix::process::getuid().is_root() {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    Ok(rustix::fs::chownat(folder, path, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
}

async fn hand_over(
    handover: tokio::net::UnixListener,
    socket: Place,
    taken: watch::Sender<bool>,
    refused: impl Fn(io::Error) + Send,
) {
    loop {
        let Ok((host, _)) = handover.accept().await else {
            // Out of files, as a rule: others give some back.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        match socket.listen().and_then(|listener| give(&host, &listener)) {
            Ok(()) => {
                taken.send_replace(true);
            }
            Err(error) => refused(error),
        }
    }
}

fn give(host: &UnixStream, listener: &UnixListener) -> io::Result<()> {
    let files = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    sendmsg(host, &[IoSlice::new(SOCKETS.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::io::{IoSliceMut, Read, Write};
    use std::os::unix::net::UnixStream;

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    use super::*;

    /// What a host does to come by its socket.
    fn take(folder: &Path) -> UnixListener {
        let session = UnixStream::connect(folder.join(HANDOVER)).unwrap();
        let (mut bytes, mut space) = ([0; 64], [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))]);
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let read = recvmsg(&session, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC);
        assert_eq!(&bytes[..read.unwrap().bytes], SOCKETS.as_bytes());
        let mut files = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        });
        files.next().unwrap().next().unwrap().into()
    }

    fn told(error: io::Error) {
        panic!("{error}");
    }

    async fn taken(folder: &Path) -> UnixListener {
        let folder = folder.to_owned();
        tokio::task::spawn_blocking(move || take(&folder)).await.unwrap()
    }

    struct App {
        sockets: Sockets,
        place: PathBuf,
        service: tempfile::TempDir,
        _home: tempfile::TempDir,
    }

    impl App {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            // Longer than the name of a socket may be.
            let deep = home.path().join("a".repeat(100)).join("b".repeat(100));
            fs::create_dir_all(&deep).unwrap();
            let (sockets, place) = (Sockets::default(), deep.join("sockets"));
            sockets.open(&place).unwrap();
            Self { sockets, place, service: tempfile::tempdir().unwrap(), _home: home }
        }
    }

    #[tokio::test]
    async fn a_host_that_is_started_again_gets_another_socket_of_the_same_name() {
        let app = App::new();
        app.sockets.hand("map", app.service.path(), "map:8080", told).unwrap();
        let is_taken = app.sockets.expect().unwrap();
        assert!(!*is_taken.borrow() && app.sockets.expect().is_none());
        let place = app.sockets.find("map:8080").unwrap();
        assert_eq!(place.connect().await.unwrap_err().kind(), io::ErrorKind::NotFound);
        for answer in [b"first", b"again"] {
            let listener = taken(app.service.path()).await;
            assert!(*is_taken.borrow() && !app.sockets.give_up());
            let caller = place.connect().await.unwrap();
            listener.accept().unwrap().0.write_all(answer).unwrap();
            let mut read = String::new();
            let mut caller = caller.into_std().unwrap();
            caller.set_nonblocking(false).unwrap();
            caller.read_to_string(&mut read).unwrap();
            assert_eq!(read.as_bytes(), answer);
            drop(listener);
            // Killed, it leaves its socket, and nobody waits for an answer from it.
            assert_eq!(place.connect().await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&app.place), mode(&app.place.join("map:8080"))), (0o700, 0o600));
    }

    #[tokio::test]
    async fn what_was_made_for_a_service_goes_with_it_and_all_of_it_with_the_app() {
        let app = App::new();
        app.sockets.hand("map", app.service.path(), "map:8080", told).unwrap();
        drop(taken(app.service.path()).await);
        let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
        assert_eq!((names(&app.place), names(app.service.path())), (1, 1));
        app.sockets.forget("map");
        assert_eq!((names(&app.place), names(app.service.path())), (0, 0));
        // What a session that was killed left is no obstacle.
        app.sockets.hand("map", app.service.path(), "map:8080", told).unwrap();
        app.sockets.open(&app.place).unwrap();
        drop(UnixListener::bind(app.service.path().join(format!(".{HANDOVER}"))));
        app.sockets.hand("map", app.service.path(), "map:8080", told).unwrap();
        drop(taken(app.service.path()).await);
        app.sockets.close();
        assert!(!app.place.exists() && app.sockets.path().is_none());
        app.sockets.hand("map", app.service.path(), "map:8080", told).unwrap();
        assert_eq!(names(app.service.path()), 0, "nothing is handed over any more");
    }

    #[tokio::test]
    async fn a_service_that_moves_is_met_at_both_sockets_and_one_that_stays_at_the_first() {
        let app = App::new();
        let is_met = async |address: &str| app.sockets.find(address).unwrap().connect().await.is_ok();
        app.sockets.hand("map", app.service.path(), "map:8080", told).unwrap();
        let _old = taken(app.service.path()).await;
        app.sockets.hand("map", app.service.path(), "map:8081", told).unwrap();
        let new = taken(app.service.path()).await;
        assert!(is_met("map:8080").await && is_met("map:8081").await);
        // It did not come to that: the first one goes on, and a host that is started again is handed its name.
        drop(new);
        app.sockets.hand("map", app.service.path(), "map:8080", told).unwrap();
        assert!(is_met("map:8080").await && !is_met("map:8081").await);
        let _again = taken(app.service.path()).await;
        // It moves twice: of where it was, the last place is kept.
        for address in ["map:8082", "map:8083"] {
            app.sockets.hand("map", app.service.path(), address, told).unwrap();
            drop(taken(app.service.path()).await);
        }
        let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
        assert_eq!((names(&app.place), names(app.service.path())), (2, 1));
        app.sockets.forget("map");
        assert_eq!((names(&app.place), names(app.service.path())), (0, 0));
    }

    #[tokio::test]
    async fn where_no_host_takes_a_socket_none_is_handed_over_later() {
        let app = App::new();
        app.sockets.hand("map", app.service.path(), "map:8080", told).unwrap();
        assert!(app.sockets.give_up() && app.sockets.path().is_none() && app.sockets.find("map:8080").is_none());
        app.sockets.hand("map", app.service.path(), "map:8080", told).unwrap();
        assert_eq!(fs::read_dir(app.service.path()).unwrap().count(), 0);
        assert!(app.place.exists(), "containers have it mounted, and are started again with it");
        app.sockets.close();
        assert!(!app.place.exists());
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_told() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, []).unwrap();
        let sockets = Sockets::default();
        assert!(sockets.open(&file.join("sockets")).is_err() && sockets.path().is_none());
        let app = App::new();
        for address in ["../get:8080", ""] {
            assert!(app.sockets.hand("get", app.service.path(), address, told).is_err(), "{address}");
        }
        assert!(app.sockets.hand("get", Path::new("/nowhere"), "get:8080", told).is_err());
    }
}
