//! The command line.

use crate::{Ask, AskError, Command, Variable};

/// A container that no line of `kubectl debug` yields for certain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSayable {
    /// kubectl would not take the flags.
    #[error(transparent)]
    Flags(#[from] AskError),
    /// kubectl keeps `--env` in a map and writes it in random order, and another order is another container.
    #[error(
        "kubectl writes several --env in random order: let the controller add the container, or use one --env"
    )]
    EnvOrder,
    /// kubectl's flag cannot hold this text.
    #[error(
        "kubectl cannot take the value of {0} on its command line: let the controller add the container"
    )]
    EnvValue(String),
}

/// Where the container goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Context of the kubeconfig, if one has to be named.
    pub context: Option<&'a str>,
    /// Namespace.
    pub namespace: &'a str,
    /// Pod name.
    pub pod: &'a str,
}

/// The line of `kubectl debug` that adds exactly the container of this ask to this Pod.
///
/// The profile is always named, since its default differs between versions.
pub fn kubectl_line(place: Place<'_>, ask: &Ask) -> Result<String, NotSayable> {
    ask.validate()?;
    let mut words = vec!["kubectl".to_owned(), "debug".to_owned()];
    if let Some(context) = place.context {
        words.push(format!("--context={context}"));
    }
    words.extend(["-n", place.namespace, place.pod].map(str::to_owned));
    words.push(format!("--image={}", ask.image));
    if let Some(target) = &ask.target {
        words.push(format!("--target={target}"));
    }
    words.extend(["-c".to_owned(), ask.name.clone()]);
    words.push(format!("--profile={}", ask.profile));
    if let Some(policy) = ask.pull_policy {
        words.push(format!("--image-pull-policy={}", policy.as_str()));
    }
    match ask.env.as_slice() {
        [] => {}
        [only] => words.push(format!("--env={}", env_flag(only)?)),
        _ => return Err(NotSayable::EnvOrder),
    }
    match (ask.stdin, ask.tty) {
        (true, true) => words.push("-it".to_owned()),
        (true, false) => words.push("-i".to_owned()),
        _ => {}
    }
    let (flag, command) = match &ask.command {
        Command::OfTheImage => (None, [].as_slice()),
        Command::Instead(command) => (None, command.as_slice()),
        Command::Arguments(arguments) => (Some("--arguments-only"), arguments.as_slice()),
    };
    if !command.is_empty() {
        words.extend(flag.map(str::to_owned));
        words.push("--".to_owned());
        words.extend(command.iter().cloned());
    }
    let quoted: Vec<String> = words.iter().map(|word| self::quoted(word)).collect();
    Ok(quoted.join(" "))
}

/// One variable as pflag's `StringToString` reads it: with a single `=` the text is taken as it is but for
/// quotes at its ends, with more it is a line of CSV.
fn env_flag(variable: &Variable) -> Result<String, NotSayable> {
    let Variable { name, value } = variable;
    let text = format!("{name}={value}");
    let not_sayable = || NotSayable::EnvValue(name.clone());
    if name.is_empty() || name.contains(['=', '"', ',']) {
        return Err(not_sayable());
    }
    if !value.contains('=') {
        return if value.ends_with('"') {
            Err(not_sayable())
        } else {
            Ok(text)
        };
    }
    // Go's CSV reader turns \r\n into \n even within quotes.
    if value.contains('\r') {
        return Err(not_sayable());
    }
    if text.contains(['"', ',', '\n']) {
        return Ok(format!("\"{}\"", text.replace('"', "\"\"")));
    }
    Ok(text)
}

/// One word for a POSIX shell; characters that a terminal would obey are written as `$'…'`, which bash, zsh
/// and ksh read.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.chars().any(is_obeyed) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut out = String::from("$'");
    for character in word.chars() {
        match character {
            '\'' | '\\' => out.extend(['\\', character]),
            c if is_obeyed(c) => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    out.extend(octal(byte));
                }
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// `\` and the three octal digits of a byte.
fn octal(byte: u8) -> [char; 4] {
    let digit = |shift: u8| char::from(b'0' + ((byte >> shift) & 7));
    ['\\', digit(6), digit(3), digit(0)]
}

/// Control characters, and those that turn or hide the text around them.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}
