//! Routes as they are followed: read and checked once, however many requests come with the same.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use protocol::{Config, Expression, Peer, Route, RouteError};

/// Different routes that are remembered; an app has one for each of its services, and callers may send others. What
/// comes beyond is read each time.
const MOST_KNOWN: usize = 64;

/// What feeds an input.
#[derive(Debug)]
pub(crate) enum Step {
    /// A service is asked.
    Call {
        /// Its Rust name.
        service: String,
        peer: Peer,
        /// The route of its own inputs, as it is sent on.
        route: String,
    },
    /// A value, as JSON.
    Literal(Bytes),
}

/// One step for each input.
pub(crate) type Steps = Arc<[Step]>;

/// The routes of one configuration.
#[derive(Debug)]
pub(crate) struct Routes {
    /// The flow's.
    pub(crate) default: Option<Steps>,
    known: RwLock<HashMap<String, Steps>>,
}

impl Routes {
    /// The flow's route is read now.
    pub(crate) fn new(config: &Config) -> Result<Self, RouteError> {
        let default = config.route.as_deref().map(|text| read(text, config)).transpose()?;
        Ok(Self { default, known: RwLock::default() })
    }

    /// A route that came with a request, for the configuration that these routes are of.
    pub(crate) fn find(&self, text: &str, config: &Config) -> Result<Steps, RouteError> {
        if let Some(known) = self.known.read().get(text) {
            return Ok(known.clone());
        }
        let steps = read(text, config)?;
        let mut known = self.known.write();
        if known.len() < MOST_KNOWN {
            known.insert(text.to_owned(), steps.clone());
        }
        Ok(steps)
    }
}

fn read(text: &str, config: &Config) -> Result<Steps, RouteError> {
    let route = Route::parse(text)?;
    route.check(&config.service, &config.peers, config.limits.depth)?;
    let step = |expression| match expression {
        Expression::Literal(value) => Ok(Step::Literal(value.as_str().to_owned().into())),
        Expression::Call { service, inputs } => match config.peers.get(&service).cloned() {
            Some(peer) => Ok(Step::Call { peer, route: inputs.to_string(), service }),
            None => Err(RouteError::Unknown(service)),
        },
    };
    route.0.into_iter().map(step).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn config(route: Option<&str>) -> Config {
        let peers = r#"{ "get": { "address": "a:1", "host": "get", "inputs": [] },
                         "map": { "address": "b:2", "host": "map", "inputs": ["value"] },
                         "join": { "address": "c:3", "host": "join", "inputs": ["a", "b"] } }"#;
        let text = format!(r#"{{ "app": "a", "service": "join", "listen": "0.0.0.0:1", "peers": {peers} }}"#);
        Config { route: route.map(str::to_owned), ..serde_json::from_str(&text).unwrap() }
    }

    #[test]
    fn a_route_is_read_once_and_says_who_is_asked_for_what() {
        let config = config(Some("get, 1"));
        let routes = Routes::new(&config).unwrap();
        assert_eq!(routes.default.as_ref().unwrap().len(), 2);
        let steps = routes.find("map(get), [1, 2]", &config).unwrap();
        let [Step::Call { service, peer, route }, Step::Literal(value)] = &steps[..] else { panic!("{steps:?}") };
        assert_eq!((service.as_str(), peer.address.as_str(), route.as_str()), ("map", "b:2", "get"));
        assert_eq!(&value[..], b"[1,2]");
        assert!(Arc::ptr_eq(&steps, &routes.find("map(get), [1, 2]", &config).unwrap()));
        assert!(routes.find("", &config).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_followed_is_told_each_time_and_not_remembered() {
        let config = config(None);
        let routes = Routes::new(&config).unwrap();
        assert!(routes.default.is_none());
        for _ in 0..2 {
            assert!(matches!(routes.find("nobody", &config), Err(RouteError::Unknown(_))));
        }
        for at in 0..MOST_KNOWN * 2 {
            assert_eq!(routes.find(&format!("{at}"), &config).unwrap().len(), 1);
        }
        assert_eq!(routes.known.read().len(), MOST_KNOWN);
        assert!(Routes::new(&self::config(Some("nobody"))).is_err());
    }
}
