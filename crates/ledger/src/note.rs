//! Signed notes: C2SP *signed-note*, with Ed25519 keys (signature type `0x01`).
//!
//! In scope: one key signs, one key is asked for; signatures of others (cosignatures of
//! witnesses) are passed over. Out of scope: the other signature types, and checking cosignatures.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The signature type of an Ed25519 signature over the text.
const ED25519: u8 = 1;
/// Between the text and its signatures.
const SEPARATOR: &str = "\n\n";
/// Before each signature line: an em dash.
const DASH: &str = "\u{2014} ";
/// A verifier "SHOULD apply a maximum limit" and "MUST accept at least up to 16 signatures".
const MAX_SIGNATURES: usize = 64;
const PRIVATE: &str = "PRIVATE+KEY+";

/// Why a text is not a key. Nothing in it repeats the key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// The name is empty, or has a space, a plus or a control character in it.
    #[error("a key's name must be non-empty, without spaces, plus signs and control characters")]
    Name,
    /// Not `name+hash+base64`.
    #[error("not of the form name+hash+base64")]
    Form,
    /// Another kind of key than Ed25519, or not a point of the curve.
    #[error("not an Ed25519 key")]
    Algorithm,
    /// The hash in the text is not the hash of name and key: a typing error, or a mixture of two keys.
    #[error("the hash in the key's text does not fit its name and key")]
    Hash,
}

/// Why a note is not to be believed. There is nothing to retry.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoteError {
    /// Not a text, a blank line and signature lines, or control characters in it.
    #[error("not a signed note")]
    Form,
    /// No signature of the key that was asked for.
    #[error("no signature by {name} (key {key_id})")]
    Unsigned {
        /// The key's name.
        name: String,
        /// The key's id.
        key_id: KeyId,
    },
    /// A line says that this key signed, and it did not sign this text.
    #[error("the signature by {name} (key {key_id}) is not over this text")]
    Signature {
        /// The key's name.
        name: String,
        /// The key's id.
        key_id: KeyId,
    },
}

/// The first four bytes of `SHA-256(name || 0x0A || 0x01 || public key)`: a label, not a fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 4]);

impl KeyId {
    fn of(name: &str, key: &VerifyingKey) -> Self {
        let digest = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', ED25519])
            .chain_update(key.as_bytes())
            .finalize();
        Self([digest[0], digest[1], digest[2], digest[3]])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A public key with its name. Its text form is the *vkey*: `name+hash+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key_id: KeyId,
    key: VerifyingKey,
}

impl Verifier {
    fn new(name: &str, key: VerifyingKey) -> Result<Self, KeyError> {
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.contains(odd) {
            return Err(KeyError::Name);
        }
        Ok(Self {
            name: name.to_owned(),
            key_id: KeyId::of(name, &key),
            key,
        })
    }

    /// The name; for the key of a log, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id that signature lines carry.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The text of a note, if this key signed it.
    ///
    /// Signatures of other keys are passed over, as *signed-note* demands; a line that claims
    /// this key and does not verify condemns the whole note.
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let (text, signatures) = split(note)?;
        let mut signed = false;
        for line in signatures.lines() {
            let (name, key_id, signature) = signature_line(line).ok_or(NoteError::Form)?;
            if name != self.name || key_id != self.key_id {
                continue;
            }
            let wrong = || NoteError::Signature {
                name: self.name.clone(),
                key_id,
            };
            let signature = Signature::from_slice(&signature).map_err(|_| wrong())?;
            self.key
                .verify_strict(text.as_bytes(), &signature)
                .map_err(|_| wrong())?;
            signed = true;
        }
        if signed {
            Ok(text)
        } else {
            Err(NoteError::Unsigned {
                name: self.name.clone(),
                key_id: self.key_id,
            })
        }
    }
}

fn split(note: &str) -> Result<(&str, &str), NoteError> {
    if note.contains(|c: char| c < ' ' && c != '\n') || !note.ends_with('\n') {
        return Err(NoteError::Form);
    }
    let end = note.rfind(SEPARATOR).ok_or(NoteError::Form)?;
    let (text, signatures) = (&note[..=end], &note[end + SEPARATOR.len()..]);
    if signatures.is_empty() || signatures.lines().count() > MAX_SIGNATURES {
        return Err(NoteError::Form);
    }
    Ok((text, signatures))
}

fn signature_line(line: &str) -> Option<(&str, KeyId, Vec<u8>)> {
    let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (key_id, signature) = bytes.split_first_chunk::<4>()?;
    if name.is_empty() || name.contains('+') || signature.is_empty() {
        return None;
    }
    Some((name, KeyId(*key_id), signature.to_vec()))
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}+{}+{}",
            self.name,
            self.key_id,
            encode_key(self.key.as_bytes())
        )
    }
}

impl FromStr for Verifier {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, hash, bytes) = split_key(text)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Algorithm)?;
        let verifier = Self::new(name, key)?;
        if verifier.key_id.to_string() == hash {
            Ok(verifier)
        } else {
            Err(KeyError::Hash)
        }
    }
}

/// A private key with its name. `Debug` shows the public half only.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    verifier: Verifier,
}

impl Signer {
    /// A key from the 32 bytes of an RFC 8032 seed, which must come from a source of real randomness.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = SigningKey::from_bytes(seed);
        let verifier = Verifier::new(name, key.verifying_key())?;
        Ok(Self { key, verifier })
    }

    /// Reads the text form of Go's `note` package: `PRIVATE+KEY+name+hash+base64`.
    pub fn from_skey(text: &str) -> Result<Self, KeyError> {
        let (name, hash, seed) = split_key(text.strip_prefix(PRIVATE).ok_or(KeyError::Form)?)?;
        let signer = Self::from_seed(name, &seed)?;
        if signer.verifier.key_id.to_string() == hash {
            Ok(signer)
        } else {
            Err(KeyError::Hash)
        }
    }

    /// The text form, to be kept where only its owner reads it.
    pub fn to_skey(&self) -> String {
        let Verifier { name, key_id, .. } = &self.verifier;
        format!(
            "{PRIVATE}{name}+{key_id}+{}",
            encode_key(self.key.as_bytes())
        )
    }

    /// The public half.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The whole note: the text, a blank line, and this key's signature. Signing is deterministic.
    ///
    /// The text must end with a newline and have no other control characters, or nobody can open the note.
    pub fn sign(&self, text: &str) -> String {
        let mut signature = self.verifier.key_id.0.to_vec();
        signature.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!(
            "{text}\n{DASH}{} {}\n",
            self.verifier.name,
            STANDARD.encode(signature)
        )
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

fn encode_key(bytes: &[u8; 32]) -> String {
    let mut typed = [ED25519; 33];
    typed[1..].copy_from_slice(bytes);
    STANDARD.encode(typed)
}

fn split_key(text: &str) -> Result<(&str, &str, [u8; 32]), KeyError> {
    let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
    let (hash, key) = rest.split_once('+').ok_or(KeyError::Form)?;
    let key = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
    match key.split_first() {
        Some((&ED25519, key)) => Ok((name, hash, key.try_into().map_err(|_| KeyError::Algorithm)?)),
        _ => Err(KeyError::Algorithm),
    }
}
