//! The process that functions run again in, for the tests of the host.

use host::replay::{Freedom, work};

fn main() -> std::io::Result<()> {
    work(if std::env::args().any(|word| word == "--free") { Freedom::All } else { Freedom::Compute })
}
