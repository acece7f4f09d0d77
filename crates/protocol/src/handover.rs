//! How a host in a container comes by a unix socket to listen on: it may write nowhere, so the session makes the socket
//! and hands it over, listening.
//!
//! A host that finds [`HANDOVER`] in a service's folder connects to it. It gets one message: the folder in which the
//! sockets of all services are found, as text, and with it the descriptor of its own. The socket of a service is named by
//! the address that its peers are told.

/// Name of the socket in a service's folder at which its listener is handed over.
pub const HANDOVER: &str = "handover.sock";
/// The folder of sockets, in a container.
pub const SOCKETS: &str = "/dyninka-sockets";

/// The name of a service's socket in that folder, by the address that its peers are told; none where that is no file's.
pub fn socket_name(address: &str) -> Option<&str> {
    let is_name = !address.is_empty() && !address.starts_with('.') && !address.contains(['/', '\0']);
    is_name.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_file_of_the_folder_and_no_other() {
        assert_eq!(socket_name("moving-avg:8080"), Some("moving-avg:8080"));
        for other in ["", ".", "..", "../get:8080", "get/:8080", ".get:8080", "a\0:8080"] {
            assert_eq!(socket_name(other), None, "{other:?}");
        }
    }
}
