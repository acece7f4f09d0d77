//! Certificates that end soon are made anew by the node that has the fleet's key.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;
use nodes::FleetRole;
use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::authority::{AskedKey, LIFETIME, clock, read_key};
use crate::error::NodeError;
use crate::folder::{hex, unhex};
use crate::http::{HttpTarget, json, refusal, request, why};
use crate::tls::PeerIdentity;

/// When the certificate of this node was made, in seconds since 1970.
const MADE: &str = "renewed.json";

#[derive(Serialize, Deserialize)]
struct RenewRequest {
    public_key: String,
}

#[derive(Serialize, Deserialize)]
struct RenewAnswer {
    certificate: String,
}

/// Renews the certificate where a third of its time or less is left.
pub(crate) async fn renew(agent: &Arc<Agent>) -> Result<(), NodeError> {
    let folder = &agent.settings.folder;
    let made: u64 = match folder.json(MADE)? {
        Some(made) => made,
        None => {
            folder.save_json(MADE, &clock())?;
            return Ok(());
        }
    };
    if clock().saturating_sub(made) < LIFETIME.as_secs() / 3 * 2 {
        return Ok(());
    }
    let key = read_key(&folder.needed("node.key")?)?;
    let certificate = match &agent.authority {
        Some(authority) => authority.lock().issue(agent.record.id, &agent.record.name, FleetRole::Node, &key)?,
        None => {
            let to = "the node with the fleet's key".to_owned();
            let members = agent.membership.lock().members();
            let at = members.into_iter().find(|member| member.id == agent.record.authority);
            let Some(at) = at else {
                let why = "it is not there, and the certificate of this node ends soon".to_owned();
                return Err(NodeError::Unreachable { to, why });
            };
            let asked = RenewRequest { public_key: hex(key.public_key_raw()) };
            let body = serde_json::to_vec(&asked).unwrap_or_default();
            let target = HttpTarget::Node { id: at.id, address: at.address, tls: agent.tls.configs().http };
            let asked =
                agent.pool.ask(&target, request(&Method::POST, "/v1/renew", HeaderMap::new(), body.into())).await;
            let answer = asked.map_err(|error| NodeError::Unreachable { to: to.clone(), why: error.to_string() })?;
            if !answer.status.is_success() {
                return Err(NodeError::Refused { to, why: why(&answer) });
            }
            let read: Result<RenewAnswer, _> = serde_json::from_slice(&answer.body);
            let certificate = read.ok().and_then(|read| unhex(&read.certificate));
            certificate.ok_or_else(|| NodeError::Refused { to, why: "its answer does not read".to_owned() })?
        }
    };
    agent.tls.renew(certificate.clone())?;
    folder.save("node.der", &certificate)?;
    folder.save_json(MADE, &clock())
}

/// Makes the certificate of a node anew that has a good one: `POST /v1/renew`.
pub(crate) fn answer(agent: &Agent, peer: &PeerIdentity, body: &[u8]) -> Response<Full<Bytes>> {
    let Some(authority) = &agent.authority else {
        return refusal(StatusCode::NOT_FOUND, "this node has no key of the fleet");
    };
    let key = serde_json::from_slice::<RenewRequest>(body).ok().and_then(|asked| unhex(&asked.public_key));
    let Some(key) = key.filter(|key| key.len() == crate::join::KEY) else {
        return refusal(StatusCode::BAD_REQUEST, "the request does not read");
    };
    match authority.lock().issue(peer.id, &peer.name, peer.role, &AskedKey(key)) {
        Ok(certificate) => json(StatusCode::OK, &RenewAnswer { certificate: hex(&certificate) }),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
