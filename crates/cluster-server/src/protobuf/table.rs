//! The table of messages, read once from `fields.txt`.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Integer,
    Bool,
    Bytes,
    Double,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    Json,
    Texts,
    Message(String),
}

/// One field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) is_repeated: bool,
    pub(super) is_map: bool,
    pub(super) is_inline: bool,
}

/// One message: its fields by number.
#[derive(Debug, Default)]
pub(super) struct Message(HashMap<u64, Field>);

impl Message {
    pub(super) fn field(&self, number: u64) -> Option<&Field> {
        self.0.get(&number)
    }
}

struct Table {
    /// By `apiVersion` and `kind`.
    roots: HashMap<(String, String), String>,
    messages: HashMap<String, Message>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| parse(include_str!("fields.txt")));

/// The message of a kind.
pub(super) fn root(api_version: &str, kind: &str) -> Option<&'static Message> {
    let name = TABLE
        .roots
        .get(&(api_version.to_owned(), kind.to_owned()))?;
    message(name)
}

/// A message by its name in the table.
pub(super) fn message(name: &str) -> Option<&'static Message> {
    TABLE.messages.get(name)
}

/// Names that are used in the table and not explained in it.
#[cfg(test)]
pub(super) fn dangling() -> Vec<String> {
    let fields = TABLE
        .messages
        .values()
        .flat_map(|message| message.0.values());
    let used = fields.filter_map(|field| match &field.kind {
        Type::Message(name) => Some(name),
        _ => None,
    });
    let mut out: Vec<String> = used
        .chain(TABLE.roots.values())
        .filter(|n| !TABLE.messages.contains_key(*n))
        .cloned()
        .collect();
    out.sort();
    out.dedup();
    out
}

fn parse(text: &str) -> Table {
    let mut table = Table {
        roots: HashMap::new(),
        messages: HashMap::new(),
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(root) = line.strip_prefix("= ") {
            if let [version, kind, name] = root.split(' ').collect::<Vec<_>>()[..] {
                table
                    .roots
                    .insert((version.to_owned(), kind.to_owned()), name.to_owned());
            }
        } else if let Some((name, fields)) = line.split_once(':') {
            let fields = fields
                .split(',')
                .filter_map(|field| parse_field(field.trim()));
            table
                .messages
                .insert(name.to_owned(), Message(fields.collect()));
        }
    }
    table
}

fn parse_field(text: &str) -> Option<(u64, Field)> {
    let mut parts = text.split(' ');
    let (number, name, kind) = (
        parts.next()?.parse().ok()?,
        parts.next()?.to_owned(),
        parts.next()?,
    );
    let bare = kind.trim_start_matches(['*', '%', '^']);
    let has = |mark| kind.starts_with(mark);
    let parsed = match bare {
        "s" => Type::Text,
        "i" => Type::Integer,
        "b" => Type::Bool,
        "y" => Type::Bytes,
        "d" => Type::Double,
        "T" => Type::Time,
        "U" => Type::MicroTime,
        "Q" => Type::Quantity,
        "I" => Type::IntOrString,
        "J" => Type::Json,
        "E" => Type::Texts,
        name => Type::Message(name.to_owned()),
    };
    Some((
        number,
        Field {
            name,
            kind: parsed,
            is_repeated: has('*'),
            is_map: has('%'),
            is_inline: has('^'),
        },
    ))
}
