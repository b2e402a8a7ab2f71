//! What is another at each run, written as what it is: times, ages, addresses, identifiers.

use std::sync::LazyLock;

use regex::Regex;

/// What is looked for, and what is written instead. In this order: a time holds what looks like an age.
const MASKS: &[(&str, &str)] = &[
    (
        r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)",
        "TIME",
    ),
    (
        r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000",
        "DATE",
    ),
    (r"\b[IEW]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", "LOG "),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UID"),
    (
        r"(containerd|cri|[a-z-]+)://[0-9a-f]{64}\b",
        "$1://CONTAINER",
    ),
    (r"\b[0-9a-f]{64}\b", "DIGEST"),
    (r"\b[0-9a-f]{32}\b", "DIGEST"),
    (r"\beyJ[\w-]+\.[\w-]+\.[\w-]+", "TOKEN"),
    (r"\bkube-api-access-[a-z0-9]{5}\b", "kube-api-access-RAND"),
    (
        r"\bdebugger-([a-z0-9-]+-)?[a-z0-9]{5}\b",
        "debugger-${1}RAND",
    ),
    (r"\bgenerated-[a-z0-9]{5}\b", "generated-RAND"),
    (r"https://127\.0\.0\.1:\d+", "https://SERVER"),
    (r"\b127\.0\.0\.1:\d+", "ADDRESS"),
    (r"\b10\.(\d{1,3}\.){2}\d{1,3}\b", "IP"),
    (
        r#"\b(resourceVersion|ResourceVersion)("?: *)"?\d+"?"#,
        "${1}${2}RV",
    ),
    (r"\bresourceVersion=\d+", "resourceVersion=RV"),
    (r"/(LIVE|MERGED)-\d+/", "/$1/"),
    (r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000", "TIME"),
    // Of this machine.
    (
        r"^( *)(cpu|memory|ephemeral-storage|hugepages-\S+|Kernel Version|OS Image|Machine ID|System UUID|Boot ID):( +)\d\S*$",
        "$1$2:${3}MACHINE",
    ),
    (
        r"^(\s+)(Kernel Version|OS Image|Machine ID|System UUID|Boot ID|Architecture):( *).*$",
        "$1$2:${3}MACHINE",
    ),
    (
        r"(\.\d+ +<none> +)\S.*? {2,}\S+( +libcontainer://)",
        "${1}OS-IMAGE   KERNEL$2",
    ),
    // The ages of a cluster that lives some minutes: below two minutes in seconds.
    (
        r"(<invalid>|\b(\d+m\d{1,2}s|1[01]\ds|\d{1,2}s))( ago)?( \(x\d+ over \d+[sm]\))?(\s|,|$)",
        "AGE$3$5",
    ),
];

static COMPILED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let compiled =
        |(pattern, with): &(&str, &'static str)| Some((Regex::new(pattern).ok()?, *with));
    MASKS.iter().filter_map(compiled).collect()
});

/// The text with everything masked that no two runs share.
pub(super) fn masked(text: &str) -> String {
    let mask = |line: &str| {
        let line = COMPILED
            .iter()
            .fold(line.to_owned(), |line, (regex, with)| {
                regex.replace_all(&line, *with).into_owned()
            });
        line.trim_end().to_owned() + "\n"
    };
    text.lines().map(mask).collect()
}

/// Whether two masked texts say the same. Columns are as wide as their widest cell, and that may be a masked one:
/// blanks between words count as one, those before the first word count.
pub(super) fn alike(one: &str, other: &str) -> bool {
    let shape = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        (indent, words)
    };
    one.lines().map(shape).eq(other.lines().map(shape))
}
