//! How a fleet begins, and how a machine comes into one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;
use nodes::{FleetMember, FleetRole, InvitationRefusal, InvitationToken, MemberId, is_name};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::agent::Agent;
use crate::authority::{AskedKey, Authority, clock, new_key};
use crate::error::NodeError;
use crate::folder::{FleetFolder, FleetRecord, hex, unhex};
use crate::http::{ask_node, json, refusal, request, why};
use crate::tls::{files, pinned};

/// Bytes of a public key: an uncompressed point of P-256.
pub(crate) const KEY: usize = 65;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinRequest {
    secret: String,
    name: String,
    public_key: String,
}

#[derive(Serialize, Deserialize)]
struct JoinAnswer {
    fleet: String,
    id: MemberId,
    role: FleetRole,
    authority: MemberId,
    certificate: String,
    crl: String,
    members: Vec<FleetMember>,
}

fn checked(name: &str) -> Result<(), NodeError> {
    if is_name(name) { Ok(()) } else { Err(NodeError::Name(format!("{name:?}"))) }
}

fn nobody_yet(folder: &FleetFolder) -> Result<(), NodeError> {
    match folder.record() {
        Ok(record) => Err(NodeError::InFleet { fleet: record.fleet, name: record.name }),
        Err(NodeError::NoFleet) => folder.make(),
        Err(error) => Err(error),
    }
}

/// Begins a fleet: its key, and certificates of its first node and of whoever sits there.
pub fn init(
    folder: &FleetFolder,
    fleet: &str,
    name: &str,
    labels: BTreeMap<String, String>,
) -> Result<FleetRecord, NodeError> {
    checked(fleet)?;
    checked(name)?;
    nobody_yet(folder)?;
    let authority = Authority::begin(folder, fleet)?;
    let id = MemberId(rand::random());
    for (role, id) in [(FleetRole::Node, id), (FleetRole::Operator, MemberId(rand::random()))] {
        let key = new_key()?;
        let (certificate_file, key_file) = files(role);
        folder.save(certificate_file, &authority.issue(id, name, role, &key)?)?;
        folder.save(key_file, key.serialized_der())?;
    }
    let record = FleetRecord {
        fleet: fleet.to_owned(),
        name: name.to_owned(),
        id,
        role: FleetRole::Node,
        authority: id,
        restarts: 0,
        labels,
    };
    folder.save_record(&record)?;
    Ok(record)
}

/// Comes into a fleet by an invitation. The key is made here and stays here; nothing is said before the other side has
/// shown the certificate that the invitation names.
pub async fn join(
    folder: &FleetFolder,
    token: &str,
    name: &str,
    labels: BTreeMap<String, String>,
) -> Result<FleetRecord, NodeError> {
    let token: InvitationToken = token.parse()?;
    checked(name)?;
    nobody_yet(folder)?;
    let key = new_key()?;
    let asked =
        JoinRequest { secret: hex(&token.secret), name: name.to_owned(), public_key: hex(key.public_key_raw()) };
    let body = serde_json::to_vec(&asked).unwrap_or_default();
    let tls = Arc::new(pinned(token.fingerprint)?);
    let asked = request(&Method::POST, "/v1/join", HeaderMap::new(), body.into());
    let (answer, peer, authority) = ask_node(&token.address, None, tls, asked).await?;
    let refused = |why: String| NodeError::Refused { to: token.address.clone(), why };
    if !answer.status.is_success() {
        return Err(refused(why(&answer)));
    }
    let read: JoinAnswer =
        serde_json::from_slice(&answer.body).map_err(|error| refused(format!("its answer does not read: {error}")))?;
    let bytes = |text: &str| unhex(text).ok_or_else(|| refused("its answer does not read".to_owned()));
    let (certificate_file, key_file) = files(read.role);
    folder.save("ca.der", &authority)?;
    folder.save("crl.der", &bytes(&read.crl)?)?;
    folder.save(certificate_file, &bytes(&read.certificate)?)?;
    folder.save(key_file, key.serialized_der())?;
    let mut members = read.members;
    // Where the invitation led is where this machine asks again, whatever the node says of itself.
    if let Ok(address) = token.address.parse::<SocketAddr>()
        && !members.iter().any(|member| member.address == address)
    {
        members.push(FleetMember { id: peer.id, life: 0, address, name: peer.name });
    }
    folder.save_json("members.json", &members)?;
    let record = FleetRecord {
        fleet: read.fleet,
        name: name.to_owned(),
        id: read.id,
        role: read.role,
        authority: read.authority,
        restarts: 0,
        labels,
    };
    folder.save_record(&record)?;
    Ok(record)
}

/// Lets a machine in that has an invitation: `POST /v1/join`.
pub(crate) fn answer(agent: &Agent, body: &[u8]) -> Response<Full<Bytes>> {
    let Some(authority) = &agent.authority else {
        return refusal(StatusCode::NOT_FOUND, "this node has no key of the fleet: it lets nobody in");
    };
    let asked = serde_json::from_slice::<JoinRequest>(body).ok();
    let read = asked.and_then(|asked| Some((unhex(&asked.secret)?, unhex(&asked.public_key)?, asked.name)));
    let Some((secret, key, name)) = read.filter(|(_, key, name)| key.len() == KEY && is_name(name)) else {
        return refusal(StatusCode::BAD_REQUEST, "the request does not read");
    };
    let redeemed = agent.invitations.lock().redeem(&secret, clock(), agent.now());
    let role = match redeemed {
        Ok(role) => role,
        Err(error) => {
            let status = match error {
                InvitationRefusal::Invalid => StatusCode::FORBIDDEN,
                InvitationRefusal::TooOften => StatusCode::TOO_MANY_REQUESTS,
            };
            tracing::warn!(name, why = %error, "an invitation is refused");
            return refusal(status, &error.to_string());
        }
    };
    let id = MemberId(rand::random());
    let issued = {
        let authority = authority.lock();
        match authority.knows(&name) {
            Ok(false) => authority.issue(id, &name, role, &AskedKey(key)),
            Ok(true) => {
                agent.invitations.lock().give_back(&secret);
                let words = format!("there is a node {name} in the fleet: join by another --name");
                agent.events.tell("node.refused", &name, json!({ "why": words }));
                return refusal(StatusCode::CONFLICT, &words);
            }
            Err(error) => Err(error),
        }
    };
    let kept = agent.keep_invitations();
    match issued.and_then(|certificate| kept.map(|()| certificate)) {
        Ok(certificate) => {
            agent.events.tell("node.invited", &name, json!({ "role": role }));
            let mut members = agent.membership.lock().members();
            members.push(agent.me());
            let answer = JoinAnswer {
                fleet: agent.record.fleet.clone(),
                id,
                role,
                authority: agent.record.id,
                certificate: hex(&certificate),
                crl: hex(&agent.tls.crl().0),
                members,
            };
            json(StatusCode::OK, &answer)
        }
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
