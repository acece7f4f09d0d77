#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::*;

/// A runtime with inline execution open, and a pace that is quick.
fn open() -> (Runtime, Inline, Arc<Pace>) {
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    let (inline, pace) = (Inline::closed(), Arc::new(Pace::new()));
    assert!(!inline.takes(&pace, &[]), "nobody looks");
    inline.open(runtime.handle());
    while inline.0.state.load(Ordering::SeqCst) != FREE {
        thread::yield_now();
    }
    be_quick(&pace);
    (runtime, inline, pace)
}

fn be_quick(pace: &Pace) {
    (0..5000).for_each(|_| pace.measure(|| {}));
}

/// Runs a call inline in a runtime; whether it was run there.
async fn run(inline: &Inline, pace: &Arc<Pace>, call: impl FnOnce() + Send + 'static) -> bool {
    let (inline, pace) = (inline.clone(), pace.clone());
    tokio::spawn(async move { inline.run(&pace, call).is_ok() }).await.unwrap()
}

#[test]
fn quick_calls_run_on_the_worker_and_large_ones_elsewhere() {
    let (runtime, inline, pace) = open();
    for _ in 0..100 {
        let (sender, receiver) = oneshot::channel();
        assert!(inline.takes(&pace, &[Bytes::from_static(b"1")]));
        let ran = runtime.block_on(run(&inline, &pace, move || sender.send(Handle::try_current().is_ok()).unwrap()));
        // Where the machine is busy a call may be left behind; inline execution says so, and it is opened again.
        assert!(ran && receiver.blocking_recv().unwrap());
        while !inline.takes(&pace, &[]) {
            be_quick(&pace);
        }
    }
    assert!(!inline.takes(&pace, &[Bytes::from(vec![b'1'; LARGEST + 1])]));
    assert!(!inline.takes(&Pace::new(), &[]));
    inline.close();
}

#[test]
fn a_call_that_takes_long_is_left_behind_and_all_else_goes_on() {
    let (runtime, inline, pace) = open();
    for _ in 0..3 {
        let (end, ended) = mpsc::channel::<()>();
        let (long, paced) = (inline.clone(), pace.clone());
        let call = runtime.spawn(async move { run(&long, &paced, move || ended.recv().unwrap()).await });
        // Tasks, clocks and sockets: all on the one worker that is left.
        let others = async {
            tokio::time::sleep(TICK * 2).await;
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let near = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
            let (near, far) = tokio::join!(near, listener.accept());
            (near.unwrap(), far.unwrap())
        };
        runtime.block_on(runtime.spawn(others)).unwrap();
        while inline.0.state.load(Ordering::SeqCst) != LEFT {
            thread::yield_now();
        }
        assert!(!inline.takes(&pace, &[]) && !runtime.block_on(run(&inline, &pace, || unreachable!())));
        end.send(()).unwrap();
        assert!(runtime.block_on(call).unwrap());
        assert!(!pace.is_quick(), "it was not");
        be_quick(&pace);
        while !inline.takes(&pace, &[]) {
            thread::yield_now();
        }
    }
    inline.close();
}

#[test]
fn a_call_that_waits_for_a_task_gets_what_it_waits_for() {
    let (runtime, inline, pace) = open();
    let (asking, handle) = (inline.clone(), runtime.handle().clone());
    let ran = run(&inline, &pace, move || {
        let (answer, answered) = mpsc::channel();
        assert!(asking.ask());
        handle.spawn(async move { answer.send(7).unwrap() });
        handle.spawn(async {});
        assert_eq!(answered.recv(), Ok(7));
    });
    assert!(runtime.block_on(ran));
    assert!(!pace.is_quick(), "it asks");
    be_quick(&pace);
    assert!(!pace.is_quick(), "and always will");
    assert!(!inline.ask(), "no call runs on this thread");
    inline.close();
}

#[test]
fn a_lane_that_was_not_called_for_long_is_looked_after_again() {
    let (runtime, inline, pace) = open();
    while !inline.0.asleep.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let (end, ended) = mpsc::channel::<()>();
    let (long, paced) = (inline.clone(), pace.clone());
    let call = runtime.spawn(async move { run(&long, &paced, move || ended.recv().unwrap()).await });
    runtime.block_on(runtime.spawn(async { tokio::time::sleep(TICK).await })).unwrap();
    end.send(()).unwrap();
    assert!(runtime.block_on(call).unwrap());
    inline.close();
}

/// Far longer than a host that hears takes to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A runtime, and this end of a socket whose other end answers on it.
fn echo() -> (Runtime, std::os::unix::net::UnixStream) {
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    runtime.spawn(async move {
        let far = tokio::net::UnixStream::from_std(far).unwrap();
        loop {
            let mut byte = [0];
            far.readable().await.unwrap();
            match far.try_read(&mut byte) {
                Ok(0) => return,
                Ok(_) => drop(far.try_write(&byte).unwrap()),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
    });
    (runtime, near)
}

fn hears(near: &mut std::os::unix::net::UnixStream) -> bool {
    use std::io::{Read, Write};
    near.write_all(b"?").unwrap();
    near.read_exact(&mut [0]).is_ok()
}

/// Opens lanes, one after the other, each while tasks come and end on both workers, as when a host starts.
fn open_many(lanes: usize) {
    for n in 0..lanes {
        let (runtime, mut near) = echo();
        let inline = Inline::closed();
        inline.open(runtime.handle());
        (0..n % 4).for_each(|_| drop(runtime.spawn(tokio::task::yield_now())));
        let heard = hears(&mut near);
        inline.close();
        assert!(heard, "inline {n} left nobody who waits for the system");
    }
}

#[test]
fn a_thousand_lanes_are_opened_on_each_of_eight_threads_and_none_is_deaf() {
    std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| open_many(1000)))));
}
