//! The network of an app's containers.

use bollard::errors::Error;
use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};

use super::Inner;
use crate::backend::{BackendError, BackendEvent};

impl Inner {
    /// Makes the app's network. Where the engine has no subnet left, or the one it picks is taken, others are tried.
    pub(super) async fn network(&self) -> Result<(), BackendError> {
        let request = |subnet: Option<String>| NetworkCreateRequest {
            name: self.network_name(),
            labels: Some(self.labels(None)),
            ipam: subnet.map(|subnet| Ipam {
                config: Some(vec![IpamConfig { subnet: Some(subnet), ..IpamConfig::default() }]),
                ..Ipam::default()
            }),
            ..NetworkCreateRequest::default()
        };
        let mut refused = match self.engine.create_network(request(None)).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        for third in 0..=255_u8 {
            if !is_about_subnets(&refused) {
                break;
            }
            let subnet = format!("10.213.{third}.0/24");
            match self.engine.create_network(request(Some(subnet.clone()))).await {
                Ok(_) => {
                    self.tell(BackendEvent::Notice(format!(
                        "the engine has no subnet of its own left, so the app uses {subnet}"
                    )));
                    return Ok(());
                }
                Err(error) => refused = error,
            }
        }
        Err(BackendError::engine("make a network")(refused))
    }
}

fn is_about_subnets(error: &Error) -> bool {
    let words = error.to_string().to_ascii_lowercase();
    words.contains("overlap") || words.contains("address pool") || words.contains("non-overlapping")
}
