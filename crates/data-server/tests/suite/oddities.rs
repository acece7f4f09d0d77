//! Bad days of a store that answers otherwise than S3: garbage, half of it, other clocks, tags of no known make, full disks.

use serde_json::{Value, json};

use crate::odd::{Mood, Odd};
use crate::server::{LOOK, PATIENCE, Server, hashes, noise, write};

/// A folder and the odd store, one of them the master and the other one its copy.
fn server(master: &str, odd: &Odd) -> Server {
    let text = format!(
        "[places.hpc]\n[stores.hpc]\nplace = \"hpc\"\nfolder = \"FOLDER/hpc\"\n{}[places.cc1]\n[stores.cc1]\nplace = \"cc1\"\n\
         folder = \"FOLDER/cc1\"\n[server]\nplace = \"s3\"\n[buckets.images]\nmaster = \"{master}\"\nreplicas = 2\naudit = \"1s\"\n",
        crate::weed::Weed::settings("s3", odd.port)
    );
    let server = Server::start(&text);
    std::fs::write(server.path("s3.key"), "key").expect("written");
    std::fs::write(server.path("s3.secret"), "secret").expect("written");
    server
}

/// F14: any answer of the master is named, asked again, and never taken for a deletion.
#[test]
fn answers_that_are_no_answers_are_named_and_delete_nothing() {
    let odd = Odd::start();
    let server = server("s3", &odd);
    server.whole();
    for number in 0..250 {
        odd.put(&format!("k{number:03}"), &noise(number, 300), &storage::Md5Sum::of(&noise(number, 300)).hex());
    }
    server.whole();
    let before = hashes(&server.objects("hpc"));
    assert_eq!(before.len(), 250);
    for (mood, words) in [
        (Mood::Garbage, "cannot be read: a listing"),
        (Mood::HalfList, "does not answer"),
        (Mood::Endless, "a listing that goes back"),
        (Mood::Elsewhere, "the store leads elsewhere"),
        (Mood::Nothing, "without saying of what"),
    ] {
        odd.set(mood);
        // Events lead to questions of single keys.
        let hook = server.hook("s3");
        for number in 0..20 {
            assert_eq!(server.event("s3", &format!("k{number:03}"), &hook), 204);
        }
        let away = server.until(words, |bucket| bucket["why"].as_str().is_some_and(|why| why.contains(words)));
        assert_eq!(away["state"], "away", "{mood:?}");
        assert_eq!((hashes(&server.objects("hpc")), hashes(&server.objects("cc1"))), (before.clone(), before.clone()));
        odd.set(Mood::Good);
        server.until("back", |bucket| bucket["state"] == "following" && bucket["why"].is_null());
        server.whole();
    }
    assert_eq!(server.events("bucket-held"), Vec::<Value>::new());
    // A body that ends early is no object.
    odd.set(Mood::Short);
    odd.put("late", &noise(1, 5_000), "00000000000000000000000000000001");
    let bucket = server.until("named", |bucket| !bucket["replicas"]["hpc"]["trouble"].is_null());
    let trouble = bucket["replicas"]["hpc"]["trouble"].as_str().expect("why");
    assert!(trouble.contains("the connection ended") || trouble.contains("does not answer"), "{trouble}");
    assert!(!server.objects("hpc").join("late").exists());
    odd.set(Mood::Good);
    odd.put("late", &noise(1, 5_000), &storage::Md5Sum::of(&noise(1, 5_000)).hex());
    server.whole();
    assert_eq!(hashes(&server.objects("hpc")), odd.hashes());
}

/// F14, F13: a copy whose store ends uploads with 200 and an error, or cannot write, is refusing; the other copy goes on.
#[test]
fn copies_that_cannot_be_written_are_told_and_the_others_go_on() {
    let odd = Odd::start();
    let server = server("hpc", &odd);
    server.whole();
    for (mood, key, size) in [(Mood::NoEnd, "large", 20 << 20), (Mood::Full, "small", 4_000)] {
        odd.set(mood);
        server.put(key, &noise(size, size as usize));
        let bucket = server.until("refusing", |bucket| bucket["replicas"]["s3"]["state"] == "refusing");
        let trouble = bucket["replicas"]["s3"]["trouble"].as_str().expect("why");
        assert!(trouble.contains("the store failed: InternalError"), "{mood:?}: {trouble}");
        server.until("the other one", |bucket| bucket["replicas"]["cc1"]["pending"] == 0);
        assert_eq!(hashes(&server.objects("cc1")), hashes(&server.objects("hpc")));
        assert!(!odd.hashes().contains_key(key), "{mood:?}");
        assert_eq!(server.read(key), (200, noise(size, size as usize)), "reads go on");
        odd.set(Mood::Good);
        server.whole();
        assert_eq!(odd.hashes(), hashes(&server.objects("hpc")), "{mood:?}");
    }
    assert!(!odd.has_uploads(), "an upload is left");
}

/// F11: a store whose clock is another one is asked by its own time.
#[test]
fn clocks_that_are_wrong_sign_all_the_same() {
    for ahead in [-1_200, 1_200, 86_400] {
        let odd = Odd::start();
        odd.set_ahead(ahead);
        let server = server("hpc", &odd);
        server.put("k", b"k");
        server.whole();
        assert_eq!(odd.hashes(), hashes(&server.objects("hpc")), "{ahead}");
        // Once it is known, it is not asked by another time again.
        let (_, skewed) = odd.counts();
        assert!(skewed > 0, "{ahead}: the clock was not looked at");
        server.put("l", b"l");
        server.whole();
        assert_eq!((odd.hashes().len(), odd.counts().1), (2, skewed), "{ahead}");
    }
}

/// F16: a tag that nobody can compute again is no reason to copy an object again and again.
#[test]
fn tags_of_no_known_make_are_copied_once() {
    let odd = Odd::start();
    let server = server("s3", &odd);
    server.whole();
    let (large, small) = (noise(1, 20 << 20), noise(2, 5_000));
    odd.put("large", &large, "0123456789abcdef0123456789abcdef-7");
    odd.put("small", &small, "not-a-digest");
    server.whole();
    assert_eq!(hashes(&server.objects("hpc")), odd.hashes());
    let (read, _) = odd.counts();
    for _ in 0..3 {
        server.whole();
    }
    assert_eq!((odd.counts().0, server.get("conflicts")), (read, json!([])), "it was read again");
    let verified = server.post("buckets/images/verify", &Value::Null);
    assert_eq!((verified["copies"].clone(), verified["wrong"].clone()), (json!(4), json!([])));
    // Another version under another such tag is another version.
    odd.put("large", &noise(3, 18 << 20), "fedcba9876543210fedcba9876543210-7");
    server.whole();
    assert_eq!(hashes(&server.objects("cc1")), odd.hashes());
}

/// F4: a way that is cut, in one direction or in both: the others go on, nothing is deleted, and what is late comes after.
#[test]
fn ways_that_are_cut_delay_their_copy_and_delete_nothing() {
    let weed = crate::weed::Weed::start();
    let link = crate::link::Link::to(weed.port());
    let text = format!(
        "[places.hpc]\n[stores.hpc]\nplace = \"hpc\"\nfolder = \"FOLDER/hpc\"\n{}[places.cc1]\n[stores.cc1]\nplace = \"cc1\"\n\
         folder = \"FOLDER/cc1\"\n[server]\nplace = \"s3\"\n[buckets.images]\nmaster = \"hpc\"\nreplicas = 2\naudit = \"1s\"\n",
        crate::weed::Weed::settings("s3", link.port)
    );
    let server = Server::start(&text);
    std::fs::write(server.path("s3.key"), crate::weed::KEY.0).expect("written");
    std::fs::write(server.path("s3.secret"), crate::weed::KEY.1).expect("written");
    for number in 0..20 {
        write(&server.objects_made("hpc"), &format!("k{number:02}"), &noise(number, 3_000));
    }
    server.whole();
    let lag = || server.bucket()["replicas"]["s3"]["pending"].as_u64().expect("a number");
    for (round, (there, back)) in [(true, false), (false, true), (true, true)].into_iter().enumerate() {
        let before = weed.hashes("images");
        link.cut(there, back);
        let mut known = 0;
        for number in 0..3 {
            server.put(&format!("new{round}{number}"), &noise(number, 2_000));
            // It is seen how far behind it is, and rises.
            let begun = std::time::Instant::now();
            while lag() <= known {
                assert!(begun.elapsed() < PATIENCE, "the lag stays {known}");
                std::thread::sleep(LOOK);
            }
            known = lag();
        }
        server.until("the other one", |bucket| bucket["replicas"]["cc1"]["pending"] == 0);
        assert_eq!(hashes(&server.objects("cc1")), hashes(&server.objects("hpc")));
        if there && back {
            // Nobody says that it is cut, and it is seen all the same; what is written by hand comes to the others.
            server.until("away", |bucket| bucket["replicas"]["s3"]["state"] == "away");
            write(&server.objects("hpc"), "by-hand", b"by hand");
            server.until("seen", |_| server.objects("cc1").join("by-hand").exists());
        }
        let now = weed.hashes("images");
        assert!(before.iter().all(|(key, hash)| now.get(key) == Some(hash)), "{there} {back}");
        link.cut(false, false);
        server.whole();
        assert_eq!(weed.hashes("images"), hashes(&server.objects("hpc")), "{there} {back}");
    }
    assert_eq!(server.get("conflicts"), json!([]));
}
