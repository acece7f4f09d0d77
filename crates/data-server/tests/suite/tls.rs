//! TLS in front of a port, with a certificate of its own.

use std::sync::Arc;

use base64::Engine as _;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A certificate as a file has it.
pub(crate) fn pem(certificate: &rcgen::Certificate) -> String {
    let text = base64::prelude::BASE64_STANDARD.encode(certificate.der());
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// A port on `localhost` that speaks TLS, and the certificate, as PEM. It ends with the process.
pub(crate) fn front(behind: u16) -> (u16, String) {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config =
        config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).expect("a certificate");
    let (told, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            told.send(listener.local_addr().expect("an address").port()).expect("somebody listens");
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((caller, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Callers that do not trust it hang up.
                    let Ok(mut caller) = acceptor.accept(caller).await else { return };
                    let Ok(mut called) = TcpStream::connect(("127.0.0.1", behind)).await else { return };
                    drop(copy_bidirectional(&mut caller, &mut called).await);
                });
            }
        });
    });
    (port.recv().expect("a port"), pem(&own.cert))
}
