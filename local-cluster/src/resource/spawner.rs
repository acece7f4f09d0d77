//! The thread that servers are started from. The kernel signals a process when the *thread* that started it ends
//! (prctl(2), `PR_SET_PDEATHSIG`), and threads of the runtime come and go.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Starts processes that end with this.
#[derive(Debug)]
pub(super) struct Spawner(Sender<Order>);

#[derive(Debug)]
struct Order {
    command: Command,
    done: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    pub(super) fn new() -> io::Result<Self> {
        let (orders, inbox) = channel::<Order>();
        let runtime = Handle::current();
        thread::Builder::new().name("resources".to_owned()).spawn(move || {
            let _inside = runtime.enter();
            for Order { mut command, done } in inbox {
                // Where nobody waits any more, the child is dropped, and that ends it.
                drop(done.send(command.spawn()));
            }
        })?;
        Ok(Self(orders))
    }

    pub(super) async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (done, child) = oneshot::channel();
        let gone = |_| io::Error::other("the thread that starts servers has ended");
        self.0.send(Order { command, done }).map_err(|_| gone(()))?;
        child.await.map_err(|_| gone(()))?
    }
}
