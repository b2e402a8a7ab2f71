//! The log file: whole lines, turned over by size, age and number.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use super::*;

fn clock() -> Clock {
    let now: Timestamp = "2026-01-02T15:04:05.25Z".parse().expect("a time");
    Clock::new(move || now)
}

/// The lines of all files of the folder.
fn lines(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).expect("a folder");
    let texts = files.map(|file| std::fs::read_to_string(file.expect("a file").path()));
    texts
        .flat_map(|text| {
            text.expect("text")
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut out: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into()
        })
        .collect();
    out.sort();
    out
}

fn config(folder: &Path) -> LogConfig {
    LogConfig {
        max_size: 1,
        ..LogConfig::new(folder.join("audit.log"))
    }
}

fn event(number: usize, length: usize) -> String {
    format!(
        "{{\"auditID\":\"{number}\",\"filler\":\"{}\"}}",
        "x".repeat(length)
    )
}

#[test]
fn no_line_is_lost_when_the_file_is_turned_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let sink = LogSink::open(&config(folder.path()), &clock()).expect("a log");
    // The fifth is longer than a file may be; the clock stands still, so names would collide.
    for number in 0..10 {
        let length = if number == 5 { 2_000_000 } else { 300_000 };
        assert!(sink.write(&event(number, length)));
    }
    let all = lines(folder.path());
    assert_eq!(all.len(), 10);
    assert!(all.iter().all(|line| {
        line.starts_with("{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"auditID\":\"")
            && line.ends_with("\"}")
    }));
    assert_eq!(
        files(folder.path()),
        [
            "audit-2026-01-02T15-04-05.250.log",
            "audit-2026-01-02T15-04-05.251.log",
            "audit-2026-01-02T15-04-05.252.log",
            "audit-2026-01-02T15-04-05.253.log",
            "audit.log"
        ]
    );
}

#[test]
fn old_files_go_by_number_and_by_age() {
    let check = |max_backup, max_age, expected: &[&str]| {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "audit-2025-12-30T00-00-00.000.log",
            "audit-2026-01-01T00-00-00.000.log",
            "audit-notes.log",
        ] {
            std::fs::File::create(folder.path().join(name)).expect("a file");
        }
        let config = LogConfig {
            max_age,
            max_backup,
            ..config(folder.path())
        };
        let sink = LogSink::open(&config, &clock()).expect("a log");
        for number in 0..2 {
            assert!(sink.write(&event(number, 900_000)));
        }
        assert_eq!(files(folder.path()), expected, "{max_backup} {max_age}");
    };
    let (new, old, older) = (
        "audit-2026-01-02T15-04-05.250.log",
        "audit-2026-01-01T00-00-00.000.log",
        "audit-2025-12-30T00-00-00.000.log",
    );
    check(0, 0, &[older, old, new, "audit-notes.log", "audit.log"]);
    check(1, 0, &[new, "audit-notes.log", "audit.log"]);
    check(0, 2, &[old, new, "audit-notes.log", "audit.log"]);
}

#[test]
fn a_log_is_continued_and_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..2 {
        let sink = LogSink::open(&config(folder.path()), &clock()).expect("a log");
        assert!(sink.write(&event(number, 1)));
    }
    assert_eq!(lines(folder.path()).len(), 2);
    let metadata = std::fs::metadata(folder.path().join("audit.log")).expect("a file");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_waits_is_written_before_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = LogConfig {
        mode: Mode::Batch,
        ..config(folder.path())
    };
    let sink = LogSink::open(&config, &clock()).expect("a log");
    for number in 0..500 {
        assert!(sink.write(&event(number, 10)));
    }
    sink.stop();
    assert_eq!(lines(folder.path()).len(), 500);
}

#[test]
fn a_request_is_refused_for_its_log_only_in_strict_mode() {
    for (mode, expected) in [(Mode::Blocking, true), (Mode::BlockingStrict, false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let config = LogConfig {
            mode,
            ..LogConfig::new("/dev/full")
        };
        let sink = LogSink::open(&config, &clock()).expect("a log");
        assert_eq!(sink.write(&event(0, 1)), expected);
        drop(folder);
    }
}
