//! `dyn jobs function`: functions of tenants.

use reqwest::Method;
use serde_json::Value;

use super::Server;
use crate::arguments::JobFunctions;
use crate::fault::{Fault, Kind};
use crate::speech;

pub(super) async fn run(act: &JobFunctions) -> Result<(), Fault> {
    let of = |request: reqwest::RequestBuilder, tenant: &Option<String>| match tenant {
        Some(tenant) => request.header("dyninka-tenant", tenant),
        None => request,
    };
    match act {
        JobFunctions::Put { file, name, source, timeout, memory, attempts, tenant } => {
            let server = Server::of(file)?;
            let text = std::fs::read_to_string(source)
                .map_err(|error| Fault::new(Kind::Usage, format!("cannot read {}: {error}", source.display())))?;
            let attempts = attempts.map(|attempts| attempts.to_string());
            let bounds = [("timeout", timeout), ("memory", memory), ("attempts", &attempts)];
            let said: Vec<(&str, &String)> =
                bounds.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect();
            let asked = server.request(Method::PUT, &path(name)?).query(&said);
            let asked = asked.header("content-type", "text/javascript").body(text);
            drop(speech::json(server.good(of(asked, tenant)).await?));
        }
        JobFunctions::Source { file, name, version, tenant } => {
            let server = Server::of(file)?;
            let asked = server.request(Method::GET, &format!("{}/source", path(name)?));
            let asked = version.iter().fold(asked, |asked, version| asked.query(&[("version", version)]));
            drop(speech::script(server.good(of(asked, tenant)).await?.as_bytes()));
        }
        JobFunctions::List { file, tenant } => {
            let server = Server::of(file)?;
            let all = server.value(of(server.request(Method::GET, "functions"), tenant)).await?;
            for one in all.as_array().into_iter().flatten() {
                let text = |name: &str| one[name].as_str().unwrap_or("-");
                let names = one["parameters"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let parameters = names.collect::<Vec<_>>().join(", ");
                drop(speech::out(format_args!(
                    "{}  {}({parameters})  {}",
                    text("tenant"),
                    text("name"),
                    text("version")
                )));
            }
        }
        JobFunctions::Remove { file, name, tenant } => {
            let server = Server::of(file)?;
            server.good(of(server.request(Method::DELETE, &path(name)?), tenant)).await?;
        }
    }
    Ok(())
}

/// The path of a function. A name that no path can hold is no function's.
fn path(name: &str) -> Result<String, Fault> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match !name.is_empty() && name.bytes().all(is_fit) {
        true => Ok(format!("functions/{name}")),
        false => Err(Fault::new(Kind::Usage, format!("{name:?} is no name of a function"))
            .hint("a name is 1 to 63 of letters, digits, _ and -")),
    }
}
