//! A service with three hosts, of which one is gone or stands still: the others answer.

use std::net::{SocketAddr, TcpListener};

use protocol::Limits;

use crate::chain::{Host, TOKEN, host, host_of};

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

async fn first() -> Host {
    host("first", NOWHERE, Limits::default(), TOKEN, false).await
}

/// Requests that a host answered with a value.
async fn answered(client: &reqwest::Client, host: &Host) -> u64 {
    let text = client.get(format!("http://{}/metrics", host.address)).send().await.expect("metrics");
    let text = text.text().await.expect("text");
    let values = text.lines().filter(|line| line.contains("requests_total") && line.contains("value"));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

async fn status(client: &reqwest::Client, last: &Host, deadline: &str) -> u16 {
    let asked = client.get(format!("http://{}/", last.address)).header(protocol::header::DEADLINE, deadline);
    asked.send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn an_instance_that_ends_loses_no_request_and_the_others_share_them() {
    let (one, two, three) = (first().await, first().await, first().await);
    let all = [one.address, two.address, three.address];
    let last = host_of("last", &all, Limits::default(), TOKEN, false).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    for _ in 0..120 {
        assert_eq!(status(&client, &last, "30000").await, 200);
    }
    for instance in [&one, &two, &three] {
        assert!(answered(&client, instance).await > 10);
    }
    let before = answered(&client, &one).await;
    three.end().await;
    for _ in 0..120 {
        assert_eq!(status(&client, &last, "30000").await, 200);
    }
    assert!(answered(&client, &one).await > before + 10);
    two.end().await;
    one.end().await;
    // All of them are gone: the caller is told, as of a service of one instance.
    assert_eq!(status(&client, &last, "30000").await, 502);
    last.end().await;
}

#[tokio::test]
async fn an_instance_that_stands_still_keeps_few_requests_waiting() {
    // The kernel takes connections for it, and nobody reads.
    let still = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (one, two) = (first().await, first().await);
    let all = [still.local_addr().expect("its address"), one.address, two.address];
    let last = host_of("last", &all, Limits::default(), TOKEN, false).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let ask = async |number: usize| {
        let mut late = 0;
        for _ in 0..25 {
            match status(&client, &last, "400").await {
                200 => {}
                504 => late += 1,
                other => panic!("caller {number} was answered {other}"),
            }
        }
        late
    };
    let late: usize = futures_util::future::join_all((0..8).map(ask)).await.into_iter().sum();
    // A caller waits for it once in a while, when it was not asked for a second.
    assert!(late < 60, "{late} of 200 requests waited for an instance that stands still");
    assert!(answered(&client, &one).await + answered(&client, &two).await >= 140);
    for host in [last, one, two] {
        host.end().await;
    }
}
