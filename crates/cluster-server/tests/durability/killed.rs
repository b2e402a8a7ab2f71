//! A server that is killed while many write.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::client::{Address, Client, Process};
use crate::story;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const WRITERS: usize = 6;
/// How often the server is killed, each time after so many more acknowledged writes.
const KILLS: [usize; 4] = [37, 61, 90, 143];
/// An object is created, replaced until it is at this version, and removed with the one after.
const LAST: u64 = 4;

/// What the clients know of every object: the version that was acknowledged last, and the one asked for last.
type Known = BTreeMap<String, (u64, u64)>;

#[derive(Default)]
struct Round {
    known: Mutex<Known>,
    acknowledged: AtomicUsize,
    /// The highest `resourceVersion` that a client was told.
    revision: Mutex<u64>,
}

pub(crate) fn writes() {
    story(async {
        let folder = tempfile::tempdir().expect("a folder");
        let round = Arc::new(Round::default());
        for (number, count) in KILLS.into_iter().enumerate() {
            let process = Process::start(folder.path());
            compare(&process.address, &round).await;
            let goal = round.acknowledged.load(Ordering::SeqCst) + count;
            let writers = (0..WRITERS).map(|writer| {
                let (address, round) = (process.address.clone(), Arc::clone(&round));
                tokio::spawn(write(address, round, format!("r{number}-w{writer}")))
            });
            let writers: Vec<_> = writers.collect();
            while round.acknowledged.load(Ordering::SeqCst) < goal {
                tokio::task::yield_now().await;
            }
            process.kill();
            for writer in writers {
                writer.await.expect("a writer ends with its connection");
            }
        }
        let process = Process::start(folder.path());
        compare(&process.address, &round).await;
    });
}

fn object(name: &str, version: u64) -> Value {
    let filler = version.to_string().repeat(4000);
    json!({"metadata": {"name": name}, "data": {"version": version.to_string(), "filler": filler}})
}

/// The version that an object shows, if it is whole.
fn version(object: &Value) -> Option<u64> {
    let data = &object["data"];
    let version = data["version"].as_str()?;
    (data["filler"] == *version.repeat(4000)).then_some(version.parse().ok()?)
}

/// Creates, replaces and removes objects, one after the other, until the connection breaks.
async fn write(address: Address, round: Arc<Round>, prefix: String) {
    let mut client = Client::connect(&address).await;
    for number in 0.. {
        let name = format!("{prefix}-{number}");
        for version in 1..=LAST + 1 {
            let known = |acknowledged| {
                let mut known = round.known.lock().expect("no panic");
                known.insert(name.clone(), (acknowledged, version));
            };
            known(version - 1);
            let (path, body) = (format!("{MAPS}/{name}"), object(&name, version));
            let answer = match version {
                1 => client.ask("POST", MAPS, Some(&body)).await,
                2..=LAST => client.ask("PUT", &path, Some(&body)).await,
                _ => client.ask("DELETE", &path, None).await,
            };
            let Some((code, answer)) = answer else { return };
            assert!(matches!(code, 200 | 201), "{code} {answer}");
            known(version);
            round.acknowledged.fetch_add(1, Ordering::SeqCst);
            if let Some(told) = revision(&answer) {
                let mut highest = round.revision.lock().expect("no panic");
                *highest = told.max(*highest);
            }
        }
    }
}

fn revision(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

/// Every object is as its client last was told, or as it asked for without an answer: nothing between, nothing older.
async fn compare(address: &Address, round: &Round) {
    let mut client = Client::connect(address).await;
    let (_, list) = client.ask("GET", MAPS, None).await.expect("an answer");
    let told = *round.revision.lock().expect("no panic");
    assert!(revision(&list) >= Some(told), "revisions go on: {told}");
    let mut found = BTreeMap::new();
    for item in list["items"].as_array().expect("items") {
        let name = item["metadata"]["name"].as_str().expect("a name");
        if name.starts_with('r') {
            let version = version(item).unwrap_or_else(|| panic!("{name} is torn"));
            found.insert(name.to_owned(), version);
        }
    }
    let mut known = round.known.lock().expect("no panic");
    for (name, (acknowledged, asked)) in known.iter_mut() {
        // Absent is both: not made yet, and removed.
        let shows = |version: u64| Some(version).filter(|v| (1..=LAST).contains(v));
        let found = found.remove(name);
        assert!(
            found == shows(*acknowledged) || found == shows(*asked),
            "{name}: acknowledged {acknowledged}, asked for {asked}, found {found:?}"
        );
        let settled = if found == shows(*asked) {
            *asked
        } else {
            *acknowledged
        };
        (*acknowledged, *asked) = (settled, settled);
    }
    assert!(found.is_empty(), "nobody wrote {found:?}");
}
