//! Numbers of the fields of OTLP's messages (opentelemetry-proto 1.9: trace/v1, common/v1, resource/v1, collector/trace/v1).

pub(super) mod request {
    pub(in super::super) const RESOURCE_SPANS: u32 = 1;
}

pub(super) mod resource_spans {
    pub(in super::super) const RESOURCE: u32 = 1;
    pub(in super::super) const SCOPE_SPANS: u32 = 2;
    pub(in super::super) const SCHEMA_URL: u32 = 3;
}

pub(super) mod resource {
    pub(in super::super) const ATTRIBUTES: u32 = 1;
}

pub(super) mod scope_spans {
    pub(in super::super) const SCOPE: u32 = 1;
    pub(in super::super) const SPANS: u32 = 2;
}

pub(super) mod scope {
    pub(in super::super) const NAME: u32 = 1;
    pub(in super::super) const VERSION: u32 = 2;
}

pub(super) mod span {
    pub(in super::super) const TRACE_ID: u32 = 1;
    pub(in super::super) const SPAN_ID: u32 = 2;
    pub(in super::super) const PARENT_SPAN_ID: u32 = 4;
    pub(in super::super) const NAME: u32 = 5;
    pub(in super::super) const KIND: u32 = 6;
    pub(in super::super) const START: u32 = 7;
    pub(in super::super) const END: u32 = 8;
    pub(in super::super) const ATTRIBUTES: u32 = 9;
    pub(in super::super) const STATUS: u32 = 15;
    pub(in super::super) const FLAGS: u32 = 16;

    /// Of the kinds.
    pub(in super::super) const SERVER: u64 = 2;
    /// Of the kinds.
    pub(in super::super) const CLIENT: u64 = 3;
}

pub(super) mod status {
    pub(in super::super) const CODE: u32 = 3;

    /// Of the codes.
    pub(in super::super) const ERROR: u64 = 2;
}

pub(super) mod key_value {
    pub(in super::super) const KEY: u32 = 1;
    pub(in super::super) const VALUE: u32 = 2;
}

pub(super) mod any_value {
    pub(in super::super) const STRING: u32 = 1;
    pub(in super::super) const BOOL: u32 = 2;
    pub(in super::super) const INT: u32 = 3;
}
