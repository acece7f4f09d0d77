//! The attributes we know, of a resource or a span.

use super::field::{any_value, key_value};
use super::message::{DecodeError, Reader, Value};
use super::name;

/// None: not there, or of another type. Of two under one name the first holds.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a> {
    pub(super) app: Option<&'a str>,
    pub(super) service: Option<&'a str>,
    pub(super) version: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) status: Option<u64>,
    pub(super) request_size: Option<u64>,
    pub(super) response_size: Option<u64>,
    pub(super) host: Option<&'a str>,
    pub(super) port: Option<u64>,
    pub(super) error: Option<&'a str>,
    pub(super) peer: Option<&'a str>,
    pub(super) function: Option<u64>,
    pub(super) waiting: Option<u64>,
    pub(super) server: Option<u64>,
    pub(super) entry: bool,
    pub(super) filtered: bool,
}

impl<'a> Attributes<'a> {
    /// Reads one more, a `KeyValue`.
    pub(super) fn read(&mut self, pair: &'a [u8]) -> Result<(), DecodeError> {
        let (mut key, mut any) = (&[][..], &[][..]);
        let mut fields = Reader::new(pair);
        while let Some((field, value)) = fields.next()? {
            match (field, value) {
                (key_value::KEY, Value::Bytes(bytes)) => key = bytes,
                (key_value::VALUE, Value::Bytes(bytes)) => any = bytes,
                _ => {}
            }
        }
        let Ok(key) = std::str::from_utf8(key) else { return Ok(()) };
        let mut fields = Reader::new(any);
        while let Some((field, value)) = fields.next()? {
            match (field, value) {
                (any_value::STRING, Value::Bytes(bytes)) => self.text(key, std::str::from_utf8(bytes).ok()),
                // They are signed there.
                (any_value::INT, Value::Varint(number)) => {
                    self.number(key, Some(number).filter(|number| *number <= i64::MAX as u64));
                }
                (any_value::BOOL, Value::Varint(yes)) => self.flag(key, yes != 0),
                _ => {}
            }
        }
        Ok(())
    }

    fn text(&mut self, key: &str, text: Option<&'a str>) {
        let place = match key {
            name::NAMESPACE => &mut self.app,
            name::SERVICE => &mut self.service,
            name::VERSION => &mut self.version,
            name::METHOD => &mut self.method,
            name::ADDRESS => &mut self.host,
            name::ERROR => &mut self.error,
            name::PEER => &mut self.peer,
            _ => return,
        };
        *place = place.or(text);
    }

    fn number(&mut self, key: &str, number: Option<u64>) {
        let place = match key {
            name::STATUS => &mut self.status,
            name::REQUEST_SIZE => &mut self.request_size,
            name::RESPONSE_SIZE => &mut self.response_size,
            name::PORT => &mut self.port,
            name::FUNCTION => &mut self.function,
            name::WAITING => &mut self.waiting,
            name::SERVER => &mut self.server,
            _ => return,
        };
        *place = place.or(number);
    }

    fn flag(&mut self, key: &str, yes: bool) {
        match key {
            name::ENTRY => self.entry |= yes,
            name::FILTERED => self.filtered |= yes,
            _ => {}
        }
    }
}
