//! Sealing one secret text for one place (table, row, column, version) and opening it only there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead as _, AeadCore as _, KeyInit as _, OsRng, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::keyring::{KeyRing, MasterKey};

/// First field of every sealed text: how it is laid out.
const LAYOUT: &str = "v1";
/// Bytes of an XChaCha20 nonce: long enough to be drawn at random for each text.
const NONCE_BYTES: usize = 24;

/// Where a sealed text lives. It opens nowhere else: a ciphertext copied to another row, column or version is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Table name.
    pub table: &'a str,
    /// Key of the row.
    pub row: &'a str,
    /// Column name.
    pub column: &'a str,
    /// Version of the row, counted up with each change, so that an old ciphertext cannot be put back.
    pub version: i64,
}

/// Why a text cannot be sealed or opened. Never holds a secret, nor the sealed text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The ring lacks the key: give it back to the ring.
    #[error("{place} was sealed with the master key {key_id:?}, which the key ring lacks")]
    NoKey {
        /// Id of the key that sealed it.
        key_id: String,
        /// Where the text lives.
        place: String,
    },
    /// The ring has a key of that id, but it is another one.
    #[error("{place} was sealed with another master key than the one that is now called {key_id:?}")]
    WrongKey {
        /// Id of the key that sealed it.
        key_id: String,
        /// Where the text lives.
        place: String,
    },
    /// The key is right, but the text was altered or belongs to another place.
    #[error("{place} was altered, or moved there from another place")]
    Altered {
        /// Where the text was found.
        place: String,
    },
    /// Not a sealed text at all.
    #[error("{place} does not hold a sealed text")]
    NotSealed {
        /// Where the text was found.
        place: String,
    },
}

impl KeyRing {
    /// Seals `secret` for `place` with the active key: `v1:key_id:check:base64(nonce, ciphertext, tag)`.
    ///
    /// # Panics
    /// When the system has no randomness to give, or the secret is longer than 256 GiB.
    pub fn seal(&self, place: Place<'_>, secret: &SecretString) -> String {
        let master = self.active();
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: &bound_data(place, &master.id) };
        let ciphertext = cipher(master).encrypt(&nonce, payload).expect("a text that fits in memory can be sealed");
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&ciphertext);
        format!("{LAYOUT}:{}:{}:{}", master.id, master.check_value(), BASE64.encode(bytes))
    }

    /// Opens what [`seal`](Self::seal) made for the same place.
    ///
    /// # Errors
    /// Says whether the key is missing, another one, or the text is not what was sealed for this place.
    pub fn open(&self, place: Place<'_>, sealed: &str) -> Result<SecretString, VaultError> {
        let not_sealed = || VaultError::NotSealed { place: place.to_string() };
        let altered = || VaultError::Altered { place: place.to_string() };
        let (key_id, check, encoded) = split(sealed).ok_or_else(not_sealed)?;
        let master = self
            .get(key_id)
            .ok_or_else(|| VaultError::NoKey { key_id: key_id.to_owned(), place: place.to_string() })?;
        if master.check_value() != check {
            return Err(VaultError::WrongKey { key_id: key_id.to_owned(), place: place.to_string() });
        }
        let bytes = BASE64.decode(encoded).map_err(|_not_base64| not_sealed())?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or_else(not_sealed)?;
        let payload = Payload { msg: ciphertext, aad: &bound_data(place, key_id) };
        let opened = cipher(master).decrypt(XNonce::from_slice(nonce), payload).map_err(|_opaque| altered())?;
        let opened = Zeroizing::new(opened);
        let text = std::str::from_utf8(&opened).map_err(|_not_text| altered())?;
        Ok(SecretString::from(text))
    }

    /// The id of the key that sealed a text, without opening it; `None` when it is not a sealed text.
    pub fn key_id_of(sealed: &str) -> Option<&str> {
        split(sealed).map(|(key_id, ..)| key_id)
    }
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{} of {:?} (version {})", self.table, self.column, self.row, self.version)
    }
}

fn split(sealed: &str) -> Option<(&str, &str, &str)> {
    let mut fields = sealed.splitn(4, ':');
    if fields.next()? != LAYOUT {
        return None;
    }
    Some((fields.next()?, fields.next()?, fields.next()?))
}

fn cipher(master: &MasterKey) -> XChaCha20Poly1305 {
    let key = master.derive("seal");
    XChaCha20Poly1305::new(key.as_slice().into())
}

/// The place as bytes that no other place has: each part with its length before it.
fn bound_data(place: Place<'_>, key_id: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [LAYOUT, place.table, place.row, place.column, key_id] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes.extend_from_slice(&place.version.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::generate_key_line;
    use super::*;

    const HERE: Place<'static> =
        Place { table: "credentials", row: "connections.acme/access_token", column: "sealed", version: 3 };

    fn line(id: &str) -> String {
        generate_key_line(id).expect("a legal id").expose_secret().to_owned()
    }

    fn ring(lines: &[&str]) -> KeyRing {
        KeyRing::from_text(&SecretString::from(lines.join("\n"))).expect("lines of keys")
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_and_shows_nothing() {
        let ring = ring(&[&line("a")]);
        let sealed = ring.seal(HERE, &SecretString::from("shpat_grüße"));
        assert!(!sealed.contains("shpat"));
        assert_ne!(sealed, ring.seal(HERE, &SecretString::from("shpat_grüße")));
        let opened = ring.open(HERE, &sealed).expect("its own place");
        assert_eq!(opened.expose_secret(), "shpat_grüße");
    }

    #[test]
    fn it_opens_in_no_other_place() {
        let ring = ring(&[&line("a")]);
        let sealed = ring.seal(HERE, &SecretString::from("secret"));
        for place in [
            Place { table: "credential", row: "sconnections.acme/access_token", ..HERE },
            Place { row: "connections.other/access_token", ..HERE },
            Place { column: "previous", ..HERE },
            Place { version: 2, ..HERE },
        ] {
            let error = ring.open(place, &sealed).expect_err("another place");
            assert!(matches!(error, VaultError::Altered { .. }), "{error}");
        }
    }

    #[test]
    fn a_flipped_bit_or_a_renamed_key_is_refused() {
        let (a, b) = (line("a"), line("b"));
        let ring = ring(&[&a, &b]);
        let sealed = ring.seal(HERE, &SecretString::from("secret"));
        let mut flipped = sealed.clone().into_bytes();
        let last = flipped.len() - 4;
        flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(flipped).expect("base64");
        assert!(matches!(ring.open(HERE, &flipped), Err(VaultError::Altered { .. })));
        let renamed = sealed.replacen(":a:", ":b:", 1);
        assert!(matches!(ring.open(HERE, &renamed), Err(VaultError::WrongKey { .. })));
        for text in ["", "secret", "v1:a", "v2:a:b:c"] {
            assert!(matches!(ring.open(HERE, text), Err(VaultError::NotSealed { .. })), "{text}");
        }
    }

    #[test]
    fn a_missing_and_a_wrong_key_are_told_apart_and_named() {
        let (old, new) = (line("old"), line("new"));
        let sealed = ring(&[&old]).seal(HERE, &SecretString::from("secret"));
        assert_eq!(KeyRing::key_id_of(&sealed), Some("old"));
        let rotated = ring(&[&new, &old]);
        assert_eq!(rotated.open(HERE, &sealed).expect("kept key").expose_secret(), "secret");
        let missing = ring(&[&new]).open(HERE, &sealed).expect_err("no such key");
        assert!(matches!(&missing, VaultError::NoKey { key_id, .. } if key_id == "old"));
        let wrong = ring(&[&line("old")]).open(HERE, &sealed).expect_err("same id, other key");
        assert!(matches!(&wrong, VaultError::WrongKey { key_id, .. } if key_id == "old"));
        assert!(!wrong.to_string().contains("secret"));
    }
}
