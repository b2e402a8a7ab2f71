//! Bodies in Kubernetes' protobuf envelope (`k8s\0` and a `runtime.Unknown`), decoded to JSON.
//!
//! **In scope:** reading the kinds that clients send so, driven by the table `fields.txt`. **Out of scope:** writing:
//! replies are JSON, which every client that sends protobuf takes as well.

mod table;
mod wire;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use table::{Field, Message, Type};
use wire::{Fields, Payload};

/// Why a body cannot be read. Sending JSON always helps.
#[derive(Debug, thiserror::Error)]
pub enum ProtobufError {
    /// It does not begin as it must.
    #[error("it does not begin with the magic bytes k8s\\0")]
    NoEnvelope,
    /// It ends in the middle of a field, or a field is not what its type says.
    #[error("{0}")]
    Damaged(#[from] wire::WireError),
    /// A kind that is taken as JSON only.
    #[error("{api_version} {kind} is read as JSON or YAML only")]
    UnknownKind {
        /// Its version.
        api_version: String,
        /// Its name.
        kind: String,
    },
    /// Messages in messages in messages.
    #[error("it is nested too deeply")]
    TooDeep,
}

const MAGIC: &[u8] = b"k8s\0";
/// As `serde_json` for JSON.
const DEEPEST: usize = 128;

/// Decodes a body. `kind` and `apiVersion` are those of the envelope.
///
/// # Errors
/// It is no such body; see [`ProtobufError`].
pub fn decode(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = bytes.strip_prefix(MAGIC).ok_or(ProtobufError::NoEnvelope)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[] as &[u8]);
    for field in Fields::of(envelope) {
        match field? {
            (1, Payload::Bytes(meta)) => {
                for part in Fields::of(meta) {
                    match part? {
                        (1, Payload::Bytes(text)) => api_version = utf8(text),
                        (2, Payload::Bytes(text)) => kind = utf8(text),
                        _ => {}
                    }
                }
            }
            (2, Payload::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    // Delete options come under the version of whatever group is deleted from.
    let known = table::root(&api_version, &kind).or_else(|| {
        (kind == "DeleteOptions")
            .then(|| table::root("v1", &kind))
            .flatten()
    });
    let Some(message) = known else {
        return Err(ProtobufError::UnknownKind { api_version, kind });
    };
    let mut out = json!({"kind": kind, "apiVersion": api_version});
    if let Value::Object(fields) = message_value(message, raw, 0)?
        && let Some(out) = out.as_object_mut()
    {
        out.extend(fields);
    }
    Ok(out)
}

fn message_value(message: &Message, bytes: &[u8], depth: usize) -> Result<Value, ProtobufError> {
    if depth > DEEPEST {
        return Err(ProtobufError::TooDeep);
    }
    let mut out = Map::new();
    for part in Fields::of(bytes) {
        let (number, payload) = part?;
        let Some(field) = message.field(number) else {
            continue;
        };
        if field.is_map {
            let (key, value) = entry(field, &payload, depth)?;
            out.entry(field.name.clone()).or_insert_with(|| json!({}))[key] = value;
            continue;
        }
        let value = value(&field.kind, &payload, depth)?;
        if field.is_inline {
            if let Value::Object(inner) = value {
                out.extend(inner);
            }
        } else if field.is_repeated {
            let list = out
                .entry(field.name.clone())
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(value);
            }
        } else {
            out.insert(field.name.clone(), value);
        }
    }
    Ok(Value::Object(out))
}

fn entry(
    field: &Field,
    payload: &Payload<'_>,
    depth: usize,
) -> Result<(String, Value), ProtobufError> {
    let (mut key, mut found) = (String::new(), None);
    for part in Fields::of(payload.bytes()?) {
        match part? {
            (1, Payload::Bytes(text)) => key = utf8(text),
            (2, payload) => found = Some(value(&field.kind, &payload, depth)?),
            _ => {}
        }
    }
    let found = found.unwrap_or_else(|| match field.kind {
        Type::Text | Type::Bytes => Value::String(String::new()),
        _ => Value::Null,
    });
    Ok((key, found))
}

fn value(kind: &Type, payload: &Payload<'_>, depth: usize) -> Result<Value, ProtobufError> {
    Ok(match kind {
        Type::Text => utf8(payload.bytes()?).into(),
        Type::Integer => payload.integer()?.into(),
        Type::Bool => (payload.integer()? != 0).into(),
        Type::Bytes => STANDARD.encode(payload.bytes()?).into(),
        Type::Double => json!(payload.double()?),
        Type::Time => time(payload.bytes()?, false)?,
        Type::MicroTime => time(payload.bytes()?, true)?,
        Type::Quantity => first_text(payload.bytes()?)?.into(),
        Type::IntOrString => int_or_string(payload.bytes()?)?,
        Type::Json => raw_json(payload.bytes()?)?,
        Type::Texts => {
            let mut out = Vec::new();
            for part in Fields::of(payload.bytes()?) {
                if let (1, Payload::Bytes(text)) = part? {
                    out.push(Value::from(utf8(text)));
                }
            }
            Value::Array(out)
        }
        Type::Message(name) => match table::message(name) {
            Some(message) => message_value(message, payload.bytes()?, depth + 1)?,
            None => Value::Null,
        },
    })
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn first_text(bytes: &[u8]) -> Result<String, ProtobufError> {
    for part in Fields::of(bytes) {
        if let (1, Payload::Bytes(text)) = part? {
            return Ok(utf8(text));
        }
    }
    Ok(String::new())
}

/// Seconds and nanoseconds; nothing at all is no time.
fn time(bytes: &[u8], micro: bool) -> Result<Value, ProtobufError> {
    let (mut seconds, mut nanos) = (None, 0);
    for part in Fields::of(bytes) {
        match part? {
            (1, payload) => seconds = Some(payload.integer()?),
            (2, payload) => nanos = payload.integer()?,
            _ => {}
        }
    }
    let nanos = i32::try_from(nanos).unwrap_or(0);
    let time = seconds.and_then(|seconds| jiff::Timestamp::new(seconds, nanos).ok());
    let format = if micro {
        "%Y-%m-%dT%H:%M:%S%.6fZ"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    // Go's zero time is a time that was not set.
    Ok(time
        .filter(|t| t.as_second() > -62_135_596_800)
        .map_or(Value::Null, |t| t.strftime(format).to_string().into()))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let (mut is_text, mut number, mut text) = (false, 0, String::new());
    for part in Fields::of(bytes) {
        match part? {
            (1, payload) => is_text = payload.integer()? == 1,
            (2, payload) => number = payload.integer()?,
            (3, payload) => text = utf8(payload.bytes()?),
            _ => {}
        }
    }
    Ok(if is_text { text.into() } else { number.into() })
}

fn raw_json(bytes: &[u8]) -> Result<Value, ProtobufError> {
    for part in Fields::of(bytes) {
        if let (1, Payload::Bytes(raw)) = part? {
            return Ok(serde_json::from_slice(raw).unwrap_or(Value::Null));
        }
    }
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
        out.extend_from_slice(content);
        out
    }

    fn body(api_version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
        let meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &meta), bytes(2, object)].concat()
    }

    #[test]
    fn a_config_map_is_read_with_its_maps() {
        let metadata = bytes(1, &[bytes(1, b"c"), bytes(8, b"")].concat());
        let data = bytes(2, &[bytes(1, b"k"), bytes(2, b"v")].concat());
        let expected = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c", "creationTimestamp": null},
            "data": {"k": "v"}});
        assert_eq!(
            decode(&body("v1", "ConfigMap", &[metadata, data].concat())).unwrap(),
            expected
        );
    }

    #[test]
    fn an_ephemeral_container_is_one_object_in_json() {
        let common = bytes(1, &bytes(1, b"dbg"));
        let container = [common, bytes(2, b"app")].concat();
        let spec = [
            vec![0x92, 0x02, u8::try_from(container.len()).unwrap()],
            container,
        ]
        .concat();
        let decoded = decode(&body("v1", "Pod", &bytes(2, &spec))).unwrap();
        assert_eq!(decoded["spec"]["ephemeralContainers"][0]["name"], "dbg");
        assert_eq!(
            decoded["spec"]["ephemeralContainers"][0]["targetContainerName"],
            "app"
        );
    }

    #[test]
    fn damaged_bodies_are_rejected() {
        for bytes in [
            &b"{}"[..],
            b"k8s\0\x0a\xff",
            b"k8s\0\x0a\x05ab",
            b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn every_message_that_the_table_names_is_in_it() {
        assert_eq!(table::dangling(), Vec::<String>::new());
    }
}
