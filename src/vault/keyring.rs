//! The master keys: reading them, naming them, and deriving from each what it is used for. No key leaves this folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Length of a master key in bytes.
const KEY_BYTES: usize = 32;
/// Longest key id.
const KEY_ID_CHARS_MAX: usize = 32;
/// Most keys that a ring takes: more is a mistake, not a rotation.
const KEYS_MAX: usize = 16;

/// 32 secret bytes, wiped when dropped.
pub(super) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// The master keys by id. The first one is active: it seals; the others only open what they once sealed. Clones share them.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<[MasterKey]>,
}

pub(super) struct MasterKey {
    pub(super) id: String,
    key: Key,
}

/// Why a key ring cannot be used. Never holds any part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The file cannot be read.
    #[error("the master key file {path} cannot be read")]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The environment variable is not set, or not text.
    #[error("the environment variable {name} that should hold the master keys is not set or not text")]
    NoVariable {
        /// The variable asked for.
        name: String,
    },
    /// No key in it.
    #[error("there is no master key: want at least one line key_id:base64 of 32 bytes")]
    Empty,
    /// A line that is no key.
    #[error("line {line} of the master keys {problem}")]
    BadLine {
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl KeyRing {
    /// Reads lines `key_id:base64(32 bytes)`; blank lines and lines that begin with `#` are skipped. The first key is the active one.
    ///
    /// # Errors
    /// The first line that is not such a key, a repeated id, or no key at all.
    pub fn from_text(text: &SecretString) -> Result<Self, KeyRingError> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (index, line) in text.expose_secret().lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |problem| KeyRingError::BadLine { line: index + 1, problem };
            let key = parse_line(line).map_err(bad)?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(bad("repeats the id of an earlier key"));
            }
            if keys.len() == KEYS_MAX {
                return Err(bad("is one more than the 16 keys that a ring holds"));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyRingError::Empty);
        }
        Ok(Self { keys: keys.into() })
    }

    /// Reads the ring from a file, as [`from_text`](Self::from_text) does.
    ///
    /// # Errors
    /// The file cannot be read as text, or is no ring.
    pub fn from_file(path: &Path) -> Result<Self, KeyRingError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| KeyRingError::Unreadable { path: path.to_owned(), source })?;
        Self::from_text(&SecretString::from(text))
    }

    /// Reads the ring from an environment variable, as [`from_text`](Self::from_text) does.
    ///
    /// # Errors
    /// The variable is not set, or is no ring.
    pub fn from_env(name: &str) -> Result<Self, KeyRingError> {
        let text =
            std::env::var(name).map_err(|_not_set_or_not_text| KeyRingError::NoVariable { name: name.to_owned() })?;
        Self::from_text(&SecretString::from(text))
    }

    /// The id of the key that seals.
    pub fn active_id(&self) -> &str {
        &self.active().id
    }

    /// All ids, the active one first: what a replica announces, so that a rotation can refuse a key that one of them lacks.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// Eight hex digits by which a person tells two secrets apart. Keyed with the active master key, so that a short secret cannot be
    /// found from it by trying; it changes with that key.
    pub fn fingerprint(&self, secret: &SecretString) -> String {
        let key = self.active().derive("fingerprint");
        let digest = mac(&key, secret.expose_secret().as_bytes());
        hex::encode(&digest[..4])
    }

    pub(super) fn active(&self) -> &MasterKey {
        self.keys.first().expect("a ring is never empty")
    }

    pub(super) fn get(&self, id: &str) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.id == id)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl MasterKey {
    /// A key for one purpose only, so that what one use gives away says nothing about another.
    pub(super) fn derive(&self, purpose: &str) -> Key {
        mac(&self.key, format!("ml-connector/vault/1/{purpose}").as_bytes())
    }

    /// Sixteen hex digits that tell this key from any other; stored beside what it sealed, so that a wrong key is not taken for damage.
    pub(super) fn check_value(&self) -> String {
        hex::encode(&self.derive("check")[..8])
    }
}

/// A fresh random key as a line for the key file. Handle it as the secret that it is.
///
/// # Errors
/// The id is not one that a ring would read.
pub fn generate_key_line(key_id: &str) -> Result<SecretString, KeyRingError> {
    check_id(key_id).map_err(|problem| KeyRingError::BadLine { line: 1, problem })?;
    let mut key = Key::default();
    OsRng.fill_bytes(key.as_mut());
    let encoded = Zeroizing::new(BASE64.encode(key.as_ref()));
    Ok(SecretString::from(format!("{key_id}:{}", *encoded)))
}

fn parse_line(line: &str) -> Result<MasterKey, &'static str> {
    let (id, encoded) = line.split_once(':').ok_or("is not of the form key_id:base64")?;
    check_id(id)?;
    let decoded = Zeroizing::new(
        BASE64.decode(encoded.trim()).map_err(|_secret| "has a key that is not base64 (standard alphabet, padded)")?,
    );
    let key =
        <[u8; KEY_BYTES]>::try_from(decoded.as_slice()).map_err(|_secret| "has a key that is not 32 bytes long")?;
    Ok(MasterKey { id: id.to_owned(), key: Zeroizing::new(key) })
}

fn check_id(id: &str) -> Result<(), &'static str> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > KEY_ID_CHARS_MAX || !id.chars().all(legal) {
        return Err("has a key id that is not 1 to 32 of a-z, 0-9 and -");
    }
    Ok(())
}

fn mac(key: &Key, message: &[u8]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).expect("HMAC takes a key of any length");
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(text: &str) -> Result<KeyRing, KeyRingError> {
        KeyRing::from_text(&SecretString::from(text))
    }

    #[test]
    fn a_generated_line_is_a_ring_and_no_two_are_alike() {
        let line = generate_key_line("k-2026").expect("a legal id");
        assert_eq!(KeyRing::from_text(&line).expect("a ring").active_id(), "k-2026");
        let other = generate_key_line("k-2026").expect("a legal id");
        assert_ne!(line.expose_secret(), other.expose_secret());
    }

    #[test]
    fn a_bad_line_is_named_without_its_content() {
        let good = generate_key_line("a").expect("a legal id");
        let good = good.expose_secret();
        for bad in ["nocolon", "b:c2hvcnQ=", "b:%%%%", "B:AAAA", good] {
            let error = ring(&format!("# keys\n{good}\n{bad}\n")).expect_err(bad).to_string();
            assert!(error.starts_with("line 3 "), "{error}");
            assert!(!error.contains("c2hv"), "{error}");
        }
        assert!(matches!(ring("\n# nothing\n"), Err(KeyRingError::Empty)));
    }

    #[test]
    fn a_fingerprint_depends_on_the_secret_and_on_the_key() {
        let line = |id| generate_key_line(id).expect("a legal id").expose_secret().to_owned();
        let (one, two) = (ring(&line("a")).expect("a ring"), ring(&line("a")).expect("a ring"));
        let (short, long) = (SecretString::from("1234"), SecretString::from("12345"));
        assert_eq!(one.fingerprint(&short).len(), 8);
        assert_eq!(one.fingerprint(&short), one.fingerprint(&short));
        assert_ne!(one.fingerprint(&short), one.fingerprint(&long));
        assert_ne!(one.fingerprint(&short), two.fingerprint(&short));
    }
}
