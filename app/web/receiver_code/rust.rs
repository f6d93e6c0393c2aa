// A receiver's verification in Rust. In Cargo.toml: base64 = "0.22", hmac = "0.12", sha2 = "0.10".
use base64::{engine::general_purpose::STANDARD, Engine};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const TOLERANCE: u64 = 5 * 60; // seconds

/// Whether the bytes of a body were signed with the secret, within five minutes of now (Unix, seconds).
///
/// `header` finds a header by its name in lower case: with axum `|name| headers.get(name)?.to_str().ok()`.
/// Give the body as it came (axum: `Bytes`): JSON that is parsed and written anew has another signature.
pub fn verify<'a>(header: impl Fn(&str) -> Option<&'a str>, body: &[u8], secret: &str, now: u64) -> bool {
    ["webhook", "svix"].iter().any(|family| {
        let part = |name: &str| header(&format!("{family}-{name}"));
        match (part("id"), part("timestamp"), part("signature")) {
            (Some(id), Some(timestamp), Some(signatures)) => is_signed(id, timestamp, signatures, body, secret, now),
            _ => false,
        }
    })
}

fn is_signed(id: &str, timestamp: &str, signatures: &str, body: &[u8], secret: &str, now: u64) -> bool {
    let is_number = timestamp.len() <= 12 && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let Some(seconds) = timestamp.parse::<u64>().ok().filter(|_| is_number) else {
        return false;
    };
    if now.abs_diff(seconds) > TOLERANCE {
        return false;
    }
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap_or_default();
    if key.is_empty() {
        return false;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    // While a secret is rotated there are several signatures, divided by spaces: one of them must be right.
    signatures
        .split(' ')
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .filter_map(|encoded| STANDARD.decode(encoded).ok())
        // Takes the same time wherever they differ.
        .any(|given| mac.clone().verify_slice(&given).is_ok())
}

// Answer 401 to what is not verified. Keep what is, then answer 204 at once. The same id may come again: do its work
// only once.
