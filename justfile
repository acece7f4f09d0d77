# All commands: `just --list`.

# Run the main job: an app of four services on real readings
dev *ARGS:
    cargo run -- dev examples/building.rs {{ARGS}}

# Everything CI runs
ci:
    .ci/run

# All tests, with the set-up they need
test:
    tests/run

# Format, lint, document
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

# Parse and slice an app of 200 services and 10,000 lines
bench:
    cargo bench -p app

# What measuring costs: a chain with and without it, in turns
bench-telemetry:
    cargo bench -p host

# All that is measured, in one table and one JSON in target/bench; installs what a hop is compared with
bench-all *ARGS:
    bench/run {{ARGS}}

# What a hop costs beside the floor, gateways and a broker; the paper's profiles; crowds, lengths, sizes, idle, soak
bench-chain *ARGS:
    cargo run --release -p bench -- chain {{ARGS}}

# From a save to the first answer of the new code, beside what one would pick instead: a table, and JSON in target/bench
bench-edits *ARGS:
    cargo run --release -p bench -- edits {{ARGS}}

# From the word to push to the rollout's end on the cluster for tests, beside kubectl: a table, and JSON in target/bench
bench-push *ARGS:
    cargo run --release -p bench -- push {{ARGS}}

# Licences, bans, sources (cargo install cargo-deny)
deny:
    cargo deny check bans licenses sources
