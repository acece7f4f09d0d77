#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::mpsc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::*;

/// A runtime with an open lane, and a pace that is quick.
fn open() -> (Runtime, Lane, Arc<Pace>) {
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    let (lane, pace) = (Lane::closed(), Arc::new(Pace::new()));
    assert!(!lane.takes(&pace, &[]), "nobody looks");
    lane.open(runtime.handle());
    while lane.0.state.load(Ordering::SeqCst) != FREE {
        thread::yield_now();
    }
    be_quick(&pace);
    (runtime, lane, pace)
}

fn be_quick(pace: &Pace) {
    (0..5000).for_each(|_| pace.measure(|| {}));
}

/// Runs a call in the lane of a runtime; whether it was run there.
async fn run(lane: &Lane, pace: &Arc<Pace>, call: impl FnOnce() + Send + 'static) -> bool {
    let (lane, pace) = (lane.clone(), pace.clone());
    tokio::spawn(async move { lane.run(&pace, call).is_ok() }).await.unwrap()
}

#[test]
fn quick_calls_run_on_the_worker_and_large_ones_elsewhere() {
    let (runtime, lane, pace) = open();
    for _ in 0..100 {
        let (sender, receiver) = oneshot::channel();
        assert!(lane.takes(&pace, &[Bytes::from_static(b"1")]));
        let ran = runtime.block_on(run(&lane, &pace, move || sender.send(Handle::try_current().is_ok()).unwrap()));
        // Where the machine is busy a call may be left behind; that is told by the lane, and it is opened again.
        assert!(ran && receiver.blocking_recv().unwrap());
        while !lane.takes(&pace, &[]) {
            be_quick(&pace);
        }
    }
    assert!(!lane.takes(&pace, &[Bytes::from(vec![b'1'; LARGEST + 1])]));
    assert!(!lane.takes(&Pace::new(), &[]));
    lane.close();
}

#[test]
fn a_call_that_takes_long_is_left_behind_and_all_else_goes_on() {
    let (runtime, lane, pace) = open();
    for _ in 0..3 {
        let (end, ended) = mpsc::channel::<()>();
        let (long, paced) = (lane.clone(), pace.clone());
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
        while lane.0.state.load(Ordering::SeqCst) != LEFT {
            thread::yield_now();
        }
        assert!(!lane.takes(&pace, &[]) && !runtime.block_on(run(&lane, &pace, || unreachable!())));
        end.send(()).unwrap();
        assert!(runtime.block_on(call).unwrap());
        assert!(!pace.is_quick(), "it was not");
        be_quick(&pace);
        while !lane.takes(&pace, &[]) {
            thread::yield_now();
        }
    }
    lane.close();
}

#[test]
fn a_call_that_waits_for_a_task_gets_what_it_waits_for() {
    let (runtime, lane, pace) = open();
    let (asking, handle) = (lane.clone(), runtime.handle().clone());
    let ran = run(&lane, &pace, move || {
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
    assert!(!lane.ask(), "no call runs on this thread");
    lane.close();
}

#[test]
fn a_lane_that_was_not_called_for_long_is_looked_after_again() {
    let (runtime, lane, pace) = open();
    while !lane.0.asleep.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let (end, ended) = mpsc::channel::<()>();
    let (long, paced) = (lane.clone(), pace.clone());
    let call = runtime.spawn(async move { run(&long, &paced, move || ended.recv().unwrap()).await });
    runtime.block_on(runtime.spawn(async { tokio::time::sleep(TICK).await })).unwrap();
    end.send(()).unwrap();
    assert!(runtime.block_on(call).unwrap());
    lane.close();
}
