//! What runs a service: server, upstream calls, deadlines, measuring, taking over new code.
