//! The process that functions run again in, for the tests of the host.

fn main() -> std::io::Result<()> {
    host::replay::work()
}
