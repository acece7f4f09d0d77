//! The public listener of containers that are met by sockets: a port of this process that leads to the last service. An
//! engine's own proxy would lead there through the network of the containers.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::sockets::Place;

/// Callers at a time, as many as a host lets in; more wait to be let in.
const MOST: usize = 4096;
/// Bytes that are carried at once.
const BLOCK: usize = 16 << 10;

/// Where callers are led.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The socket of the last service, where it may have one.
    pub(super) socket: Option<Place>,
    /// Its published port, for where its host has taken none.
    pub(super) port: SocketAddr,
}

/// The public listener.
#[derive(Default)]
pub(super) struct Front(Mutex<Option<Open>>);

struct Open {
    at: SocketAddr,
    lead: Arc<Lead>,
    task: JoinHandle<()>,
}

/// Where callers are led now, and how often that was told.
struct Lead {
    target: Mutex<Target>,
    told: AtomicU64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    /// Leads callers of an address to a service from now on. Who is connected stays until the request under way is
    /// answered; the next one of that connection goes there, too.
    pub(super) fn lead(&self, at: SocketAddr, target: Target) -> io::Result<()> {
        let mut open = self.0.lock();
        if let Some(open) = open.as_ref().filter(|open| open.at == at) {
            *open.lead.target.lock() = target;
            open.lead.told.fetch_add(1, Ordering::Release);
            return Ok(());
        }
        let listener = listen(at)?;
        let lead = Arc::new(Lead { target: Mutex::new(target), told: AtomicU64::new(0) });
        let task = tokio::spawn(let_in(listener, lead.clone()));
        *open = Some(Open { at, lead, task });
        Ok(())
    }

    /// Lets nobody in any more, and parts those that are connected.
    pub(super) fn close(&self) {
        self.0.lock().take();
    }
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(MOST as u32)
}

async fn let_in(listener: TcpListener, lead: Arc<Lead>) {
    // Gone with the task that holds them.
    let mut callers = JoinSet::new();
    let permits = Arc::new(Semaphore::new(MOST));
    loop {
        // It is never closed.
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let caller = loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((caller, _)) => break caller,
                    // Out of files, as a rule: others give some back.
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                },
                Some(_) = callers.join_next() => {}
            }
        };
        let lead = lead.clone();
        callers.spawn(async move {
            join(caller, &lead).await;
            drop(permit);
        });
    }
}

/// Whatever ends it is seen by both sides as the end of their connection.
async fn join(mut caller: TcpStream, lead: &Lead) {
    // A request is one small packet: waiting to fill it is waiting for nothing.
    if caller.set_nodelay(true).is_err() {
        return;
    }
    let mut first = Vec::new();
    loop {
        // Counted before it is read: what is told in between is seen at the next request.
        let told = lead.told.load(Ordering::Acquire);
        let target = lead.target.lock().clone();
        let is_led_elsewhere = || lead.told.load(Ordering::Acquire) != told;
        let service = match &target.socket {
            Some(socket) => socket.connect().await.ok(),
            None => None,
        };
        let next = if let Some(service) = service {
            carry(&mut caller, service, &first, is_led_elsewhere).await
        } else if let Ok(service) = TcpStream::connect(target.port).await {
            carry(&mut caller, service, &first, is_led_elsewhere).await
        } else {
            return;
        };
        match next {
            Ok(Some(request)) => first = request,
            Ok(None) | Err(_) => return,
        }
    }
}

/// Carries what both say until both have ended, or until the caller begins another request while callers are led
/// elsewhere: that is what it answers.
async fn carry(
    caller: &mut TcpStream,
    service: impl AsyncRead + AsyncWrite,
    first: &[u8],
    is_led_elsewhere: impl Fn() -> bool,
) -> io::Result<Option<Vec<u8>>> {
    let (mut from_caller, mut to_caller) = caller.split();
    let (mut from_service, mut to_service) = tokio::io::split(service);
    // Whether the service spoke last.
    let is_answered = AtomicBool::new(false);
    let requests = async {
        to_service.write_all(first).await?;
        let mut block = vec![0; BLOCK];
        loop {
            let read = from_caller.read(&mut block).await?;
            let said = &block[..read];
            if read == 0 {
                to_service.shutdown().await?;
                return Ok::<_, io::Error>(None);
            }
            if is_answered.swap(false, Ordering::Relaxed) && is_led_elsewhere() && begins_request(said) {
                return Ok(Some(said.to_vec()));
            }
            to_service.write_all(said).await?;
        }
    };
    let answers = async {
        let mut block = vec![0; BLOCK];
        loop {
            let read = from_service.read(&mut block).await?;
            if read == 0 {
                return to_caller.shutdown().await;
            }
            is_answered.store(true, Ordering::Relaxed);
            to_caller.write_all(&block[..read]).await?;
        }
    };
    let (mut requests, mut answers) = (pin!(requests), pin!(answers));
    let (mut has_asked, mut has_answered) = (false, false);
    while !(has_asked && has_answered) {
        tokio::select! {
            said = &mut requests, if !has_asked => match said? {
                Some(request) => return Ok(Some(request)),
                None => has_asked = true,
            },
            answered = &mut answers, if !has_answered => {
                answered?;
                has_answered = true;
            }
        }
    }
    Ok(None)
}

/// Whether this is the beginning of a request (RFC 9112, section 3): what follows `100 Continue` is not.
fn begins_request(said: &[u8]) -> bool {
    let method = said.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    method > 2 && said.get(method) == Some(&b' ')
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::super::sockets::Sockets;
    use super::*;
    use crate::port::free_port;

    struct Service {
        _home: tempfile::TempDir,
        listener: tokio::net::UnixListener,
        socket: Place,
    }

    /// A service that has a socket without a handover.
    fn service() -> Service {
        let home = tempfile::tempdir().unwrap();
        let sockets = Sockets::default();
        let folder = home.path().join("sockets");
        sockets.open(&folder).unwrap();
        let socket = sockets.find("last:8080").unwrap();
        let listener = UnixListener::bind(folder.join("last:8080")).unwrap();
        listener.set_nonblocking(true).unwrap();
        Service { _home: home, listener: tokio::net::UnixListener::from_std(listener).unwrap(), socket }
    }

    fn address() -> SocketAddr {
        ([127, 0, 0, 1], free_port(0).unwrap()).into()
    }

    #[tokio::test]
    async fn a_caller_who_has_said_all_still_gets_a_long_answer_whole() {
        const LONG: usize = 64 << 20;
        let (service, at, front) = (service(), address(), Front::default());
        front.lead(at, Target { socket: Some(service.socket.clone()), port: address() }).unwrap();
        let serves = tokio::spawn(async move {
            let (mut caller, _) = service.listener.accept().await.unwrap();
            let mut asked = Vec::new();
            caller.read_to_end(&mut asked).await.unwrap();
            let block = vec![42; 1 << 20];
            for _ in 0..LONG >> 20 {
                caller.write_all(&block).await.unwrap();
            }
            asked
        });
        let mut caller = TcpStream::connect(at).await.unwrap();
        caller.write_all(b"how long").await.unwrap();
        caller.shutdown().await.unwrap();
        let mut answer = Vec::new();
        caller.read_to_end(&mut answer).await.unwrap();
        assert!(answer.len() == LONG && answer.iter().all(|byte| *byte == 42), "{}", answer.len());
        assert_eq!(serves.await.unwrap(), b"how long");
    }

    #[tokio::test]
    async fn the_next_request_of_a_connection_goes_where_callers_are_led_by_then() {
        let (first, second, at, front) = (service(), service(), address(), Front::default());
        let target = |service: &Service| Target { socket: Some(service.socket.clone()), port: address() };
        front.lead(at, target(&first)).unwrap();
        let mut caller = TcpStream::connect(at).await.unwrap();
        let (mut old, _) = first.listener.accept().await.unwrap();
        let mut read = [0; 4];
        caller.write_all(b"GET ").await.unwrap();
        old.read_exact(&mut read).await.unwrap();
        front.lead(at, target(&second)).unwrap();
        // The rest of a request, and a body that was asked for, stay with who has its beginning.
        for (said, answer) in [(b"/ 1\n", b"wait"), (b"body", b"done")] {
            caller.write_all(said).await.unwrap();
            old.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, said);
            old.write_all(answer).await.unwrap();
            caller.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, answer);
        }
        caller.write_all(b"POST / 2").await.unwrap();
        let (mut new, _) = second.listener.accept().await.unwrap();
        let mut read = [0; 8];
        new.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"POST / 2");
        assert_eq!(old.read(&mut read).await.unwrap_or(0), 0, "the one before is let go");
        new.write_all(b"answered").await.unwrap();
        caller.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"answered");
    }

    #[tokio::test]
    async fn callers_are_led_to_the_next_service_without_a_gap_and_to_a_port_where_there_is_no_socket() {
        let (first, second, at, front) = (service(), service(), address(), Front::default());
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target =
            |service: &Service| Target { socket: Some(service.socket.clone()), port: port.local_addr().unwrap() };
        front.lead(at, target(&first)).unwrap();
        let mut before = TcpStream::connect(at).await.unwrap();
        let (mut led, _) = first.listener.accept().await.unwrap();
        front.lead(at, target(&second)).unwrap();
        let _after = TcpStream::connect(at).await.unwrap();
        second.listener.accept().await.unwrap();
        // Who was connected stays.
        led.write_all(b"still").await.unwrap();
        let mut read = [0; 5];
        before.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"still");
        drop(second.listener);
        let _third = TcpStream::connect(at).await.unwrap();
        port.accept().await.unwrap();
        // Nobody is there at all: the caller is told by the end of the connection.
        drop(port);
        let mut nobody = TcpStream::connect(at).await.unwrap();
        assert_eq!(nobody.read(&mut read).await.unwrap_or(0), 0);
        front.close();
        while TcpStream::connect(at).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(before.read(&mut read).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn a_port_that_somebody_has_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = service();
        let target = Target { socket: Some(service.socket), port: address() };
        let refused = Front::default().lead(taken.local_addr().unwrap(), target).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }
}
