//! Servers of this machine beside a session, for its page: they are asked while somebody looks, and never otherwise.

use std::sync::Arc;

use futures_util::FutureExt as _;
use web::{AskBeside, BesideAnswer, BesideQuestion, BesideServer};

use crate::fault::Fault;

/// Answers the page's questions.
pub(crate) fn asked() -> AskBeside {
    Arc::new(|question: BesideQuestion| {
        async move {
            match question.server {
                BesideServer::Node => node().await,
                BesideServer::Data => data(question).await,
            }
        }
        .boxed()
    })
}

#[cfg(feature = "nodes")]
async fn node() -> BesideAnswer {
    let seen = match super::node::folder() {
        Ok(folder) => node_agent::NodeClient::new(folder).nodes().await.map_err(Fault::from),
        Err(fault) => Err(fault),
    };
    match seen.map(|view| serde_json::to_vec(&view)) {
        Ok(Ok(body)) => BesideAnswer::Said { status: 200, body },
        Ok(Err(error)) => BesideAnswer::Silent(error.to_string()),
        Err(fault) => BesideAnswer::Absent(fault.words()),
    }
}

#[cfg(not(feature = "nodes"))]
async fn node() -> BesideAnswer {
    without("nodes")
}

#[cfg(feature = "data")]
async fn data(question: BesideQuestion) -> BesideAnswer {
    match super::data::DataClient::here() {
        Ok(client) => match client.relay(&question.path, question.body).await {
            Ok((status, body)) => BesideAnswer::Said { status, body },
            Err(fault) => BesideAnswer::Silent(fault.words()),
        },
        Err(fault) => BesideAnswer::Absent(fault.words()),
    }
}

#[cfg(not(feature = "data"))]
async fn data(_question: BesideQuestion) -> BesideAnswer {
    without("data")
}

#[cfg(not(all(feature = "nodes", feature = "data")))]
fn without(feature: &str) -> BesideAnswer {
    let fault = Fault::new(crate::fault::Kind::Usage, format!("this dyn was built without the feature `{feature}`"));
    BesideAnswer::Absent(fault.hint("`cargo install --path .` builds dyn with it").words())
}
