//! A database that is not what it was.

use std::error::Error as _;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cluster_server::Server;
use cluster_server::store::Store;
use serde_json::json;

use crate::{config, story};

/// Damages the database in different places; the server says so rather than start with what is left.
pub(crate) fn said() {
    let check = |damage: fn(&Path)| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        story(async {
            let store = Store::open(&path).expect("a store");
            for number in 0..200 {
                let object = json!({"data": {"filler": "x".repeat(500)}});
                let name = format!("a{number}");
                let created = store.create("configmaps", "n", &name, object).await;
                created.expect("created");
            }
            store.close();
        });
        damage(&path);
        let error = story(Server::start(config(folder.path())))
            .map(|_| ())
            .expect_err("it does not start");
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        assert!(text.contains("store.db"), "it names the file: {text}");
        assert!(text.contains("damaged"), "it says what is wrong: {text}");
    };
    // The header.
    check(|path| overwrite(path, 0, &[b'x'; 100]));
    // A page in the middle.
    check(|path| overwrite(path, 5 * 4096, &[0xff; 4096]));
    // The end is gone.
    check(|path| {
        let file = OpenOptions::new().write(true).open(path).expect("a file");
        let length = file.metadata().expect("a length").len();
        file.set_len(length / 2).expect("shorter");
    });
    // An object that is no JSON.
    check(|path| {
        let database = rusqlite::Connection::open(path).expect("a database");
        let damage = "UPDATE objects SET value = '{' WHERE name = 'a7'";
        database.execute(damage, []).expect("damaged");
    });
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).expect("a file");
    file.write_all_at(bytes, at).expect("damaged");
}
