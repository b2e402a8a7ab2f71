//! A disk without room.

use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::json;

use crate::client::{Address, Client};
use crate::{start, story};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Room for the database with what every cluster has, and not for much more.
const SIZE: &str = "size=12m";

/// A small file system that goes away with this value.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Self {
        let options = std::ffi::CString::new(SIZE).expect("no zero");
        mount("tmpfs", folder, "tmpfs", MountFlags::empty(), &*options).expect("mounted");
        Self(folder.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).expect("unmounted");
    }
}

/// Fills the disk: a write is refused with what is wrong, what was acknowledged stays, and when there is room again
/// writes go on; also after a restart.
pub(crate) fn refuses_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::mount(folder.path());
    story(async {
        let server = start(folder.path()).await;
        let address = Address {
            url: server.url(),
            token: server.admin_token().to_owned(),
            folder: folder.path().to_owned(),
        };
        let mut client = Client::connect(&address).await;
        let map = |number: usize| json!({"metadata": {"name": format!("m{number}")}, "data": {"filler": "x".repeat(200_000)}});
        let mut acknowledged = 0;
        let refusal = loop {
            let answer = client.ask("POST", MAPS, Some(&map(acknowledged))).await;
            match answer.expect("an answer") {
                (201, _) => acknowledged += 1,
                refusal => break refusal,
            }
            assert!(acknowledged < 100, "the disk is never full");
        };
        assert_eq!(refusal.0, 500, "{}", refusal.1);
        let message = refusal.1["message"].as_str().unwrap_or_default();
        assert!(message.contains("database or disk is full"), "{message}");
        assert!(acknowledged > 0);

        let path = format!("{MAPS}/m{acknowledged}");
        let (code, _) = client.ask("GET", &path, None).await.expect("an answer");
        assert_eq!(code, 404, "what was refused is not there");
        let removed = client.ask("DELETE", &format!("{MAPS}/m0"), None).await;
        let removed = removed.expect("an answer").0 == 200;

        rustix::mount::mount_remount(folder.path(), MountFlags::empty(), "size=40m")
            .expect("more room");
        let (code, answer) = client
            .ask("POST", MAPS, Some(&map(acknowledged)))
            .await
            .expect("an answer");
        assert_eq!(code, 201, "{answer}");
        server.stop().await;

        let server = start(folder.path()).await;
        let address = Address {
            url: server.url(),
            ..address
        };
        let mut client = Client::connect(&address).await;
        for number in 0..=acknowledged {
            let path = format!("{MAPS}/m{number}");
            let (code, _) = client.ask("GET", &path, None).await.expect("an answer");
            let gone = number == 0 && removed;
            assert_eq!(code, if gone { 404 } else { 200 }, "{path}");
        }
        server.stop().await;
    });
    drop(disk);
}
