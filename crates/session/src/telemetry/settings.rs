//! Where to send what was measured, as OpenTelemetry's environment variables say.
//!
//! Of "OpenTelemetry Protocol Exporter" in the specification: endpoint, headers, timeout and protocol, each for traces
//! alone before the one for everything. Only what names an endpoint switches the exporter on: a developer's machine
//! mostly has no collector.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// The specification's default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where and how to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSettings {
    /// The collector's address for traces.
    pub endpoint: Url,
    /// Headers of every request: keys of a vendor, mostly.
    pub headers: HeaderMap,
    /// How long one request may take.
    pub timeout: Duration,
    /// What the environment asks for and is not done, in words for the user.
    pub ignored: Vec<String>,
}

/// A variable that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is {value:?}: {why}")]
pub struct ExportSettingsError {
    pub variable: String,
    /// Its value; the names only, where it carries secrets.
    pub value: String,
    /// What is wrong.
    pub why: String,
}

impl ExportSettings {
    /// Reads the environment. None where it names no collector, or wants none.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ExportSettingsError> {
        // Empty is unset, by the specification.
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value.trim() == "none");
        let either = |suffix: &str| {
            let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{suffix}"), format!("OTEL_EXPORTER_OTLP_{suffix}")];
            names.into_iter().find_map(|name| variable(&name).map(|value| (name, value)))
        };
        let Some((name, value)) = either("ENDPOINT").filter(|_| !is_off) else { return Ok(None) };
        let endpoint = endpoint(name, value)?;
        if let Some((name, value)) = either("PROTOCOL").filter(|(_, value)| value.trim() != "http/protobuf") {
            return Err(wrong(name, value, "only http/protobuf is spoken here"));
        }
        let headers = either("HEADERS").map(|(name, value)| headers(name, &value)).transpose()?.unwrap_or_default();
        let timeout = match either("TIMEOUT") {
            None => TIMEOUT,
            Some((name, value)) => match value.trim().parse() {
                Ok(millis) => Duration::from_millis(millis),
                Err(_) => return Err(wrong(name, value, "this is no number of milliseconds")),
            },
        };
        let compression = either("COMPRESSION").filter(|(_, value)| value.trim() != "none");
        let ignored = compression.map(|(name, value)| format!("{name} is {value}: spans are sent uncompressed"));
        Ok(Some(Self { endpoint, headers, timeout, ignored: ignored.into_iter().collect() }))
    }
}

fn endpoint(name: String, value: String) -> Result<Url, ExportSettingsError> {
    let mut url: Url = match value.trim().parse() {
        Ok(url) => url,
        Err(error) => return Err(wrong(name, value, &format!("this is no address: {error}"))),
    };
    match url.scheme() {
        "http" => {}
        "https" => {
            return Err(wrong(name, value, "TLS is not spoken here; a collector on this machine can pass spans on"));
        }
        _ => return Err(wrong(name, value, "an address begins with http://")),
    }
    if url.host_str().is_none() {
        return Err(wrong(name, value, "this names no host"));
    }
    // The one for traces is used as it is; to the one for everything the signal's path is added.
    if !name.contains("TRACES") {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(url)
}

/// `name=value,name=value`, values percent-encoded as in W3C Baggage.
fn headers(variable: String, text: &str) -> Result<HeaderMap, ExportSettingsError> {
    let names = || {
        let names = text.split(',').map(|pair| pair.split('=').next().unwrap_or_default().trim());
        names.collect::<Vec<_>>().join(",")
    };
    let mut headers = HeaderMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let wrong = |why: &str| wrong(variable.clone(), names(), why);
        let (name, value) = pair.split_once('=').ok_or_else(|| wrong("a header is name=value"))?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| wrong("a name is none of a header"))?;
        let value = decoded(value.trim()).ok_or_else(|| wrong("a value is not percent-encoded"))?;
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| wrong("a value is none of a header"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?
            }
            byte => byte,
        });
    }
    Some(decoded)
}

fn wrong(variable: String, value: String, why: &str) -> ExportSettingsError {
    ExportSettingsError { variable, value, why: why.to_owned() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Option<ExportSettings>, ExportSettingsError> {
        ExportSettings::read(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const BASE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[test]
    fn the_endpoint_is_found_as_the_specification_says() {
        let endpoint = |pairs: &[_]| read(pairs).unwrap().map(|settings| settings.endpoint.to_string());
        assert_eq!(endpoint(&[]), None);
        assert_eq!(endpoint(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), None);
        assert_eq!(endpoint(&[BASE]).unwrap(), "http://collector:4318/v1/traces");
        let below = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector/mine/");
        assert_eq!(endpoint(&[below]).unwrap(), "http://collector/mine/v1/traces");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other:1/as/it/is");
        assert_eq!(endpoint(&[BASE, own]).unwrap(), "http://other:1/as/it/is");
        assert_eq!(endpoint(&[BASE, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        assert_eq!(endpoint(&[BASE, ("OTEL_TRACES_EXPORTER", "none")]), None);
    }

    #[test]
    fn headers_and_timeouts_read() {
        let settings = read(&[
            BASE,
            ("OTEL_EXPORTER_OTLP_HEADERS", "ignored=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-key=a%20b%3D , Y = 2,"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!((settings.headers.len(), &settings.headers["y"]), (2, &HeaderValue::from_static("2")));
        assert_eq!(settings.headers["x-key"], "a b=");
        assert_eq!((settings.timeout, settings.ignored.len()), (Duration::from_millis(1_500), 1));
        assert!(!format!("{settings:?}").contains("a b="), "a key is no word for a log");
    }

    #[test]
    fn what_cannot_be_followed_is_said_without_secrets() {
        let words = |name: &str, value: &str| read(&[(name, value), BASE]).unwrap_err().to_string();
        assert!(words("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector").contains("this is no address"));
        assert!(words("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector").contains("TLS is not spoken"));
        assert!(words("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://collector").contains("begins with http://"));
        assert!(words("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").contains("only http/protobuf"));
        assert!(words("OTEL_EXPORTER_OTLP_TIMEOUT", "10s").contains("no number of milliseconds"));
        for wrong in ["key=%4", "key=%zz", "key=a,secret", "a key=secret", "key=secret%0a"] {
            let words = words("OTEL_EXPORTER_OTLP_HEADERS", wrong);
            assert!(words.starts_with("OTEL_EXPORTER_OTLP_HEADERS is ") && !words.contains("=secret"), "{words}");
        }
    }
}
