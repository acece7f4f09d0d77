//! The edge to a cluster's API server.
