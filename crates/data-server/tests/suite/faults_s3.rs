//! Bad days of a real S3: it is killed, refuses, and bytes change on their way.

use std::fs;

use serde_json::json;

use crate::link::{Link, MARK};
use crate::server::{Server, hashes, noise, write};
use crate::weed::{KEY, Weed};

/// A folder as master, SeaweedFS as its copy, or the other way around.
pub(crate) fn server(master: &str, port: u16, more: &str) -> Server {
    let text = format!(
        "[places.hpc]\n[stores.hpc]\nplace = \"hpc\"\nfolder = \"FOLDER/hpc\"\n{}[server]\nplace = \"s3\"\n\
         [buckets.images]\nmaster = \"{master}\"\nreplicas = 1\naudit = \"1s\"\n{more}",
        Weed::settings("s3", port)
    );
    let server = Server::start(&text);
    secret(&server, KEY.1);
    server
}

fn secret(server: &Server, secret: &str) {
    fs::write(server.path("s3.key"), KEY.0).expect("written");
    fs::write(server.path("s3.secret"), secret).expect("written");
}

/// F1: the store of the copy is killed in the midst, and comes back. Parts that were there are not sent again.
#[test]
fn a_store_that_is_killed_while_it_is_copied_to_goes_on() {
    let mut weed = Weed::start();
    let link = Link::to(weed.port());
    let server = server("hpc", link.port, "");
    server.whole();
    for number in 0..200 {
        write(&server.objects("hpc"), &format!("a/k{number:03}"), &noise(number, 5_000));
    }
    let large = 96 << 20;
    write(&server.objects("hpc"), "large", &noise(1, large));
    server.until("begun", |bucket| bucket["replicas"]["s3"]["pending"].as_u64().is_some_and(|left| left > 0));
    let sent = link.bytes().0;
    // In the midst of the large one.
    let begun = std::time::Instant::now();
    while link.bytes().0 < sent + (60 << 20) {
        assert!(begun.elapsed() < crate::server::PATIENCE, "{:?}", link.bytes());
        std::thread::sleep(crate::server::LOOK);
    }
    weed.kill();
    server.until("away", |bucket| bucket["replicas"]["s3"]["state"] == "away");
    weed.run();
    server.whole();
    assert_eq!(weed.hashes("images"), hashes(&server.objects("hpc")));
    assert_eq!(weed.uploads("images"), Vec::<String>::new(), "an upload is left");
    // All once, and a second time no more than the four parts that were under way. Begun anew it would be 60 MiB more.
    let (there, _) = link.bytes();
    assert!(there < (large as u64) + (36 << 20) + 200 * 20_000, "{there}");
}

/// F10: a wrong secret is told, with what mends it, and asked seldom. It is mended without a restart.
#[test]
fn a_wrong_secret_is_told_and_mended_without_a_restart() {
    let weed = Weed::start();
    let link = Link::to(weed.port());
    let server = server("hpc", link.port, "");
    server.whole();
    secret(&server, "wrong");
    // The store is opened anew with it, as after an edit of the settings.
    let (status, _) = server.apply(|settings| settings["stores"]["s3"]["region"] = json!("eu-central-1"), false);
    assert_eq!(status, 200);
    let look = server.until("away", |_| server.get("catalog")["stores"]["s3"]["state"] == "away");
    let trouble = server.get("catalog")["stores"]["s3"]["trouble"].to_string();
    assert!(trouble.contains("SignatureDoesNotMatch"), "{look} {trouble}");
    assert!(!trouble.contains("wrong"), "{trouble}");
    server.put("k", b"k");
    secret(&server, KEY.1);
    server.whole();
    assert_eq!(weed.hashes("images"), hashes(&server.objects("hpc")));
}

/// F12: a byte that is flipped on its way is found, and copied again; one that is flipped each time is given up with its key,
/// and the others go on.
#[test]
fn a_flipped_byte_is_found_before_a_copy_is_whole() {
    let weed = Weed::start();
    let link = Link::to(weed.port());
    let server = server("s3", link.port, "");
    server.whole();
    link.flip(1);
    server.put("small", &[MARK, b" once"].concat());
    let mut large = noise(1, 20 << 20);
    large[9 << 20..(9 << 20) + MARK.len()].copy_from_slice(MARK);
    server.whole();
    assert_eq!(link.flips_left(), 0, "no byte was flipped");
    link.flip(1);
    server.put("large", &large);
    server.whole();
    assert_eq!(link.flips_left(), 0, "no byte was flipped");
    assert_eq!(hashes(&server.objects("hpc")), weed.hashes("images"));
    // Always.
    link.flip(i64::MAX);
    server.put("never", &[MARK, b" never"].concat());
    server.put("other", b"goes on");
    let bucket = server.until("given up", |bucket| bucket["replicas"]["hpc"]["failed"] == 1);
    let trouble = bucket["replicas"]["hpc"]["trouble"].as_str().expect("why");
    assert!(trouble.contains("never") && trouble.contains("changed on their way"), "{trouble}");
    server.until("the other", |bucket| bucket["replicas"]["hpc"]["pending"] == 1);
    let copies = hashes(&server.objects("hpc"));
    assert!(copies.contains_key("other") && !copies.contains_key("never"), "{:?}", copies.keys());
    assert_ne!(bucket["replicas"]["hpc"]["state"], "whole");
    // A new version is tried again.
    link.flip(0);
    server.put("never", b"now");
    server.whole();
    assert_eq!(hashes(&server.objects("hpc")), weed.hashes("images"));
}

/// F15: keys that one of the stores cannot hold are named with the reason, and the others go on.
#[test]
fn keys_that_a_copy_cannot_hold_are_named_and_the_others_go_on() {
    let weed = Weed::start();
    let server = server("s3", weed.port(), "");
    server.whole();
    for key in ["a", "ü %25 +&=%3F/\u{1f600}", "x/y/z", "empty", "plus+plus"] {
        server.put(&key.replace(' ', "%20"), if key == "empty" { b"" } else { b"bytes" });
    }
    // A file cannot lie below a file.
    server.put("a/b", b"below");
    let bucket = server.until("given up", |bucket| bucket["replicas"]["hpc"]["failed"].as_u64() == Some(1));
    let trouble = bucket["replicas"]["hpc"]["trouble"].as_str().expect("why");
    assert!(trouble.contains("a folder"), "{trouble}");
    server.until("the others", |bucket| bucket["replicas"]["hpc"]["pending"] == 1);
    // The filer lists an object that others lie below as a folder.
    let (mut master, mut copies) = (weed.hashes("images"), hashes(&server.objects("hpc")));
    assert_eq!((master.remove("a/b").is_some(), copies.remove("a").is_some()), (true, true));
    assert_eq!((copies.len(), &copies), (4, &master));
    assert_eq!(server.read("x/y/z").1, b"bytes");
}

/// A probe says what SeaweedFS was measured to do.
#[test]
fn a_store_is_probed_and_not_believed() {
    let weed = Weed::start();
    let server = server("hpc", weed.port(), "");
    server.whole();
    let found = server.post("stores/s3/probe", &json!(null));
    for ability in
        ["md5_tags", "md5_part_tags", "part_sizes", "put_if_absent", "put_if_match", "get_if_match", "listing_after"]
    {
        assert_eq!(found[ability], true, "{ability}: {found}");
    }
}

/// F15: keys as long as S3 takes them, and with control characters, are copied, or named with the reason.
#[test]
fn keys_of_any_length_and_make_are_copied_or_named() {
    let weed = Weed::start();
    let server = server("s3", weed.port(), "");
    server.whole();
    let long: String = (0..5).map(|at| format!("{}/", char::from(b'a' + at).to_string().repeat(200))).collect();
    let long = format!("{long}{}", "z".repeat(1_024 - long.len()));
    let parts = "p".repeat(1_000);
    assert_eq!(long.len(), 1_024);
    let too_long = format!("{long}z");
    // A store may refuse any of them: then nobody was told that it is there.
    let mut taken = std::collections::BTreeSet::new();
    for key in [&long, &parts, "tab%09tab", "line%0Aline", "bell%07bell", "del%7Fdel", "plain"] {
        let status = server.try_put(key, key.as_bytes()).status().as_u16();
        assert!([200, 422, 502].contains(&status), "{key:.40}: {status}");
        if status == 200 {
            taken.insert(key.to_owned());
        }
    }
    assert!(taken.contains(&long) && taken.contains("plain"), "{taken:?}");
    assert_eq!(server.try_put(&too_long, b"x").status().as_u16(), 422, "longer than S3 takes");
    let bucket = server.until("all tried", |bucket| {
        bucket["state"] == "following" && bucket["replicas"]["hpc"]["pending"] == bucket["replicas"]["hpc"]["failed"]
    });
    let failed = bucket["replicas"]["hpc"]["failed"].as_u64().expect("a number");
    let copies = hashes(&server.objects("hpc"));
    assert_eq!(copies.len() as u64 + failed, taken.len() as u64, "{bucket:#}\n{:?}", copies.keys());
    assert!(copies.contains_key(&long) && copies.contains_key("plain"), "{:?}", copies.keys());
    if failed > 0 {
        assert!(bucket["replicas"]["hpc"]["trouble"].as_str().is_some_and(|why| !why.is_empty()), "{bucket:#}");
    }
    assert_eq!(server.read(&long), (200, long.clone().into_bytes()));
}

/// F15: an object that is larger than one put may be.
#[test]
#[ignore = "long: copies 5 GiB + 1 byte, and needs 11 GiB of disk"]
fn object_of_five_gib_and_a_byte_is_copied_in_parts() {
    use std::io::{Seek as _, SeekFrom, Write as _};
    const SIZE: u64 = (5 << 30) + 1;
    let weed = Weed::start();
    let link = Link::to(weed.port());
    let server = server("hpc", link.port, "");
    server.whole();
    let path = server.path("large");
    let mut file = fs::File::create(&path).expect("a file");
    file.set_len(SIZE).expect("a size");
    for (number, at) in [0, SIZE / 5, SIZE - 4, SIZE - 1].into_iter().enumerate() {
        file.seek(SeekFrom::Start(at)).expect("a place");
        file.write_all(&[number as u8 + 1]).expect("written");
    }
    drop(file);
    fs::rename(&path, server.objects("hpc").join("large")).expect("in place");
    // As long as bytes come, it goes on.
    let (mut sent, mut since) = (0, std::time::Instant::now());
    loop {
        let bucket = server.bucket();
        if bucket["head"] != 0 && bucket["replicas"]["s3"]["state"] == "whole" {
            break;
        }
        if link.bytes().0 > sent {
            (sent, since) = (link.bytes().0, std::time::Instant::now());
        }
        assert!(since.elapsed() < crate::server::PATIENCE, "nothing is copied any more: {bucket:#}");
        std::thread::sleep(crate::server::LOOK);
    }
    let hash = |from: &mut dyn std::io::Read| {
        let (mut hasher, mut bytes, mut size) = (blake3::Hasher::new(), vec![0; 1 << 20], 0);
        loop {
            match from.read(&mut bytes).expect("bytes") {
                0 => return (size, hasher.finalize()),
                read => {
                    hasher.update(&bytes[..read]);
                    size += read as u64;
                }
            }
        }
    };
    let master = hash(&mut fs::File::open(server.objects("hpc").join("large")).expect("a file"));
    let copy = hash(&mut weed.reader("images", "large"));
    assert_eq!((master.0, copy), (SIZE, master));
}
