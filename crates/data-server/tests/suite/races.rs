//! F8: writers that overwrite each other's objects, while they are copied.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;

use crate::server::{Server, hashes, noise};
use crate::weed::{KEY, Weed};

/// An object with the hash of its rest in front: any whole version can be told from a mix.
fn version(seed: u64, size: usize) -> Vec<u8> {
    let rest = noise(seed, size);
    let mut bytes = blake3::hash(&rest).to_hex().as_bytes().to_vec();
    bytes.extend_from_slice(&rest);
    bytes
}

fn is_whole(bytes: &[u8]) -> bool {
    bytes.len() >= 64 && blake3::hash(&bytes[64..]).to_hex().as_bytes() == &bytes[..64]
}

#[test]
fn overwritten_objects_are_never_a_mix_and_copies_end_equal() {
    let weed = Weed::start();
    let text = format!(
        "[places.hpc]\n[stores.hpc]\nplace = \"hpc\"\nfolder = \"FOLDER/hpc\"\n{}[places.cc1]\n[stores.cc1]\nplace = \"cc1\"\n\
         folder = \"FOLDER/cc1\"\n[server]\nplace = \"s3\"\n[buckets.images]\nmaster = \"s3\"\nreplicas = 2\naudit = \"1s\"\n",
        Weed::settings("s3", weed.port())
    );
    let server = Server::start(&text);
    std::fs::write(server.path("s3.key"), KEY.0).expect("written");
    std::fs::write(server.path("s3.secret"), KEY.1).expect("written");
    server.whole();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (server, is_over) = (&server, &is_over);
        let writers: Vec<_> = (0..4_u64)
            .map(|writer| {
                scope.spawn(move || {
                    for number in 0..30_u64 {
                        let seed = writer * 1_000 + number;
                        let key = format!("k{:02}", seed.wrapping_mul(31) % 20);
                        match number % 15 {
                            14 => drop(server.ask(Method::DELETE, &format!("objects/images/{key}"), None)),
                            // In parts.
                            4 => drop(server.put(&key, &version(seed, 9 << 20))),
                            _ => drop(server.put(&key, &version(seed, 2_000))),
                        }
                    }
                })
            })
            .collect();
        let reader = scope.spawn(move || {
            let mut seen = 0;
            while !is_over.load(Ordering::Relaxed) {
                for number in 0..20 {
                    // A key that is there, or not yet, or not any more.
                    if let (200, bytes) = server.read(&format!("k{number:02}?store=hpc")) {
                        assert!(is_whole(&bytes), "k{number:02} is a mix of {} bytes", bytes.len());
                        seen += 1;
                    }
                }
            }
            seen
        });
        writers.into_iter().for_each(|writer| writer.join().expect("a writer"));
        is_over.store(true, Ordering::Relaxed);
        assert!(reader.join().expect("a reader") > 0);
    });
    server.whole();
    let master = weed.hashes("images");
    assert!(!master.is_empty());
    assert_eq!((hashes(&server.objects("hpc")), hashes(&server.objects("cc1"))), (master.clone(), master));
    assert_eq!(server.get("conflicts"), serde_json::json!([]));
}
