//! A page that acknowledges late, and one loopback that somebody else has.

use std::net::IpAddr;

use serde_json::Value;

use super::*;

/// What a page says and hears, without a browser.
struct Page {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Page {
    fn open(address: SocketAddr, head: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut page = Self { stream, bytes: Vec::new() };
        while !page.bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            page.read();
        }
        let end = page.bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        page.bytes.drain(..end);
        page
    }

    fn read(&mut self) {
        let mut piece = [0; 4096];
        let count = self.stream.read(&mut piece).unwrap();
        assert!(count > 0, "the page was closed");
        self.bytes.extend_from_slice(&piece[..count]);
    }

    /// The next message: a text of less than 64 KiB.
    fn next(&mut self) -> Value {
        loop {
            let short = self.bytes.get(1).map(|byte| usize::from(byte & 0x7f));
            let (from, length) = match short {
                Some(126) if self.bytes.len() >= 4 => {
                    (4, usize::from(u16::from_be_bytes([self.bytes[2], self.bytes[3]])))
                }
                Some(short) if short < 126 => (2, short),
                _ => (0, usize::MAX),
            };
            if length != usize::MAX && self.bytes.len() >= from + length {
                let message = serde_json::from_slice(&self.bytes[from..from + length]).unwrap();
                self.bytes.drain(..from + length);
                return message;
            }
            self.read();
        }
    }

    fn say(&mut self, text: &str) {
        let mut bytes = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        bytes.extend_from_slice(text.as_bytes());
        self.stream.write_all(&bytes).unwrap();
    }
}

#[tokio::test]
async fn page_that_acknowledges_late_is_told_the_last_picture_and_none_in_between() {
    let played = Played::start().await;
    let cookie = played.enter().await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, played.port));
    let mut head = format!("GET /live HTTP/1.1\r\nhost: {}\r\norigin: {}\r\n", played.host, played.origin());
    UPGRADE.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    head += &format!("cookie: {cookie}\r\n\r\n");
    let pictures = played.pictures.clone();
    let told = tokio::task::spawn_blocking(move || {
        let mut page = Page::open(address, &head);
        assert!(page.next()["hello"]["session"].is_string());
        page.say("{\"look\":{}}");
        let mut told = vec![page.next()];
        for edit in 1..=1_000 {
            pictures.send_replace(Arc::new(Snapshot { edit, ..Snapshot::default() }));
        }
        page.say("{\"ack\":1}");
        told.push(page.next());
        // What it never was told of is no acknowledgement.
        page.say("{\"ack\":77}");
        for edit in 1_001..=2_000 {
            pictures.send_replace(Arc::new(Snapshot { edit, ..Snapshot::default() }));
        }
        page.say("{\"ack\":2}");
        told.push(page.next());
        told
    });
    let told = told.await.unwrap();
    let seen: Vec<_> = told.iter().map(|told| (told["seq"].as_u64(), told["frame"]["set"]["edit"].as_u64())).collect();
    assert_eq!(seen, [(Some(1), Some(0)), (Some(2), Some(1_000)), (Some(3), Some(2_000))]);
}

#[tokio::test]
async fn port_of_which_somebody_has_one_loopback_is_not_used() {
    let has_six = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let sides: &[IpAddr] = match has_six {
        true => &[IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)],
        false => &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
    };
    for side in sides {
        let played = Played::start().await;
        let (cookie, port) = (played.enter().await, played.port);
        let Played { page, folder, .. } = played;
        drop(page);
        let both = taken(port).await;
        let squatter: Vec<_> = both.into_iter().filter(|one| one.local_addr().unwrap().ip() == *side).collect();
        assert_eq!(squatter.len(), 1);
        let options = PageOptions { name: "app-1".to_owned(), folder: folder.path().to_owned(), port: Some(port) };
        let refused = PageListener::bind(options).await.map(drop).unwrap_err().to_string();
        assert!(refused.contains(&format!("port {port} of both loopbacks")), "{refused}");
        let moved = Played::start_in(folder, None).await;
        assert_ne!(moved.port, port, "{side}");
        let headers = [("host", moved.host.clone()), ("cookie", cookie)];
        assert_eq!(moved.ask("GET", "/v1/snapshot", &headers, None).await.status, 401, "{side}");
        drop(squatter);
    }
}
