//! Built services to running services: plain processes or Docker.
