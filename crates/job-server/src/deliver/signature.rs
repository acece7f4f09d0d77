//! Signatures of callbacks, as Standard Webhooks has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jobs::token::JobToken;
use sha2::Sha256;

/// What secrets of tenants are made of. It follows from the operator's token, and says nothing of it.
pub(crate) fn base(operator: &JobToken) -> [u8; 32] {
    blake3::derive_key("dyninka jobs: secrets of callbacks", operator.text().as_bytes())
}

/// The secret of a tenant's callbacks, as its receivers are given it.
pub(crate) fn secret(base: &[u8; 32], tenant: &str) -> String {
    format!("whsec_{}", STANDARD.encode(blake3::keyed_hash(base, tenant.as_bytes()).as_bytes()))
}

/// The signature of a message.
pub(super) fn sign(secret: &str, id: &str, at: i64, body: &str) -> String {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap_or_default();
    let mac = Hmac::<Sha256>::new_from_slice(&key).map(|mut mac| {
        mac.update(format!("{id}.{at}.{body}").as_bytes());
        mac.finalize().into_bytes()
    });
    // A key may have any length.
    mac.map(|mac| format!("v1,{}", STANDARD.encode(mac))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn signatures_are_those_of_the_specification() {
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_tenant_has_a_secret_of_its_own() {
        let (a, b) = (secret(&[1; 32], "alice"), secret(&[1; 32], "bob"));
        assert!(a != b && a != secret(&[2; 32], "alice") && a == secret(&[1; 32], "alice"));
        assert_eq!(a.len(), "whsec_".len() + 44);
    }
}
