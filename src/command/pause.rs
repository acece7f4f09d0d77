//! `dyn pause`: what a pod that is to go does first, since there is no shell beside `dyn` to sleep with.

use std::time::Duration;

pub(crate) fn run(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}
