//! The image store knocked on from outside: archives that are what they say, and archives that lie.
//! Needs no root: owners and layers are only kept for root, everything is checked for everybody.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use cluster_sandbox::images::ImageStore;
use serde_json::json;
use sha2::{Digest as _, Sha256};

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A layer's tar stream, made by hand so that it can lie.
struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn entry(mut self, name: &str, kind: tar::EntryType, content: &[u8], link: &str) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(name, tar::EntryType::Regular, content, "")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// What of an archive is a lie.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    None,
    LayerDigest,
    DiffId,
    Architecture,
    LayerCount,
    MissingLayer,
    Name,
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "amd64"
    } else {
        "arm64"
    }
}

fn write_tar(path: &Path, files: &[(String, Vec<u8>)]) {
    let mut tar = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes.as_slice())
            .unwrap();
    }
    tar.finish().unwrap();
}

fn oci_archive(folder: &Path, layer: &[u8], lie: Lie) -> PathBuf {
    let blob = gzip(layer);
    let diff = if lie == Lie::DiffId {
        digest(b"other")
    } else {
        digest(layer)
    };
    let architecture = if lie == Lie::Architecture {
        "s390x"
    } else {
        architecture()
    };
    let diffs = if lie == Lie::LayerCount {
        vec![]
    } else {
        vec![diff]
    };
    let config = serde_json::to_vec(&json!({
        "architecture": architecture, "os": "linux", "config": { "User": "web", "Env": ["A=1"], "Cmd": ["sh"] },
        "rootfs": { "type": "layers", "diff_ids": diffs },
    }))
    .unwrap();
    let name = digest(&blob);
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&config), "size": config.len() },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": name, "size": blob.len() }],
    }))
    .unwrap();
    let reference = if lie == Lie::Name {
        "Not Valid"
    } else {
        "example.org/tool:1"
    };
    let index = serde_json::to_vec(&json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(&manifest), "size": manifest.len(),
        "annotations": { "io.containerd.image.name": reference },
    }] }))
    .unwrap();
    let at = |bytes: &[u8]| digest(bytes).replace("sha256:", "blobs/sha256/");
    let mut files = vec![
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        ),
        ("index.json".to_owned(), index),
        (at(&config), config.clone()),
        (at(&manifest), manifest.clone()),
    ];
    match lie {
        Lie::MissingLayer => {}
        Lie::LayerDigest => files.push((
            name.replace("sha256:", "blobs/sha256/"),
            gzip(b"something else"),
        )),
        _ => files.push((at(&blob), blob)),
    }
    let path = folder.join("image.tar");
    write_tar(&path, &files);
    path
}

/// Every file below a folder, but for the lock.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        }
        found.push(entry.path());
    }
    found.retain(|path| !path.ends_with("lock"));
    found.sort();
    found
}

#[track_caller]
fn refused(layer: Layer, lie: Lie, words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(&folder.path().join("images")).unwrap();
    let before = files(&folder.path().join("images"));
    let archive = oci_archive(folder.path(), &layer.bytes(), lie);
    let error = store.load_archive(&archive).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
    assert_eq!(
        files(&folder.path().join("images")),
        before,
        "a refused archive leaves nothing"
    );
    assert!(!folder.path().join("escaped").exists() && !Path::new("/escaped").exists());
}

#[test]
fn an_archive_is_taken_in_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(&folder.path().join("images")).unwrap();
    let before = files(&folder.path().join("images"));
    let archive = oci_archive(
        folder.path(),
        &Layer::new().file("etc/hello", b"hi").bytes(),
        Lie::None,
    );
    let loaded = store.load_archive(&archive).unwrap();
    assert_eq!(
        (loaded.len(), loaded[0].tags.as_slice()),
        (1, &["example.org/tool:1".to_owned()][..])
    );
    assert_eq!((loaded[0].user.as_str(), loaded[0].size), ("web", 2));
    assert_eq!(
        store.load_archive(&archive).unwrap(),
        loaded,
        "again is the same"
    );
    for name in ["example.org/tool:1", &loaded[0].id, &loaded[0].digests[0]] {
        assert_eq!(
            store.status(name).unwrap().as_ref(),
            Some(&loaded[0]),
            "{name}"
        );
    }
    for name in ["example.org/tool:2", "tool:1", "", "Not Valid"] {
        assert_eq!(store.status(name).unwrap(), None, "{name}");
    }
    store.remove("example.org/tool:1").unwrap();
    assert_eq!(store.list().unwrap(), []);
    let left: Vec<_> = files(&folder.path().join("images"))
        .into_iter()
        .filter(|path| !path.ends_with("index.json"))
        .collect();
    assert_eq!(left, before);
    assert!(
        store
            .remove("example.org/tool:1")
            .unwrap_err()
            .to_string()
            .contains("is not here")
    );
}

#[test]
fn what_docker_save_writes_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let layer = Layer::new().file("etc/hello", b"hi").bytes();
    let config = serde_json::to_vec(&json!({
        "architecture": architecture(), "os": "linux", "config": { "Cmd": null, "Entrypoint": ["x"] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    }))
    .unwrap();
    let manifest = json!([{ "Config": "abc.json", "RepoTags": ["tool:1", "other:2"], "Layers": ["1/layer.tar"] }]);
    let path = folder.path().join("docker.tar");
    let manifest = (
        "manifest.json".to_owned(),
        serde_json::to_vec(&manifest).unwrap(),
    );
    write_tar(
        &path,
        &[
            manifest,
            ("abc.json".to_owned(), config.clone()),
            ("1/layer.tar".to_owned(), layer),
        ],
    );
    let store = ImageStore::open(&folder.path().join("images")).unwrap();
    let loaded = store.load_archive(&path).unwrap();
    assert_eq!(loaded[0].id, digest(&config));
    assert_eq!(
        loaded[0].tags,
        ["docker.io/library/other:2", "docker.io/library/tool:1"]
    );
}

#[test]
fn an_archive_that_lies_is_refused() {
    let layer = || Layer::new().file("a", b"a");
    refused(layer(), Lie::LayerDigest, "is really sha256:");
    refused(layer(), Lie::DiffId, "the image says");
    refused(layer(), Lie::Architecture, "no image for linux/");
    refused(
        layer(),
        Lie::LayerCount,
        "its config has 0 layers, its manifest 1",
    );
    refused(layer(), Lie::MissingLayer, "which is not in it");
    refused(layer(), Lie::Name, "must be lowercase");
}

#[test]
fn a_layer_that_leads_out_is_refused() {
    use tar::EntryType;
    refused(
        Layer::new().file("../../escaped", b"x"),
        Lie::None,
        "leads out of the layer",
    );
    refused(
        Layer::new().file("a/../../escaped", b"x"),
        Lie::None,
        "leads out of the layer",
    );
    refused(
        Layer::new().entry("up", EntryType::Symlink, b"", "../../escaped"),
        Lie::None,
        "leads out of the layer",
    );
    refused(
        Layer::new().entry("hard", EntryType::Link, b"", "../escaped"),
        Lie::None,
        "leads out of the layer",
    );
    refused(
        Layer::new().entry("hard", EntryType::Link, b"", "/etc/passwd"),
        Lie::None,
        "cannot be written",
    );
    refused(
        Layer::new().entry("null", EntryType::Char, b"", ""),
        Lie::None,
        "holds the device",
    );
    refused(
        Layer::new().entry("disk", EntryType::Block, b"", ""),
        Lie::None,
        "holds the device",
    );
}

#[test]
fn a_file_behind_an_absolute_link_stays_in_the_layer() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let link = outside.to_string_lossy().into_owned();
    let layer = Layer::new()
        .entry("out", tar::EntryType::Symlink, b"", &link)
        .file("out/file", b"x")
        .bytes();
    let store = ImageStore::open(&folder.path().join("images")).unwrap();
    let outcome = store.load_archive(&oci_archive(folder.path(), &layer, Lie::None));
    assert!(outcome.is_err(), "the link leads nowhere inside the layer");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn what_is_no_archive_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(&folder.path().join("images")).unwrap();
    let path = folder.path().join("x.tar");
    write_tar(&path, &[("readme".to_owned(), b"hello".to_vec())]);
    assert!(
        store
            .load_archive(&path)
            .unwrap_err()
            .to_string()
            .contains("is no image archive")
    );
    assert!(
        store
            .load_archive(&folder.path().join("none.tar"))
            .unwrap_err()
            .to_string()
            .contains("No such file")
    );
}

#[test]
fn programs_of_this_machine_make_the_same_image_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let build = |name: &str| {
        let store = ImageStore::open(&folder.path().join(name)).unwrap();
        store
            .build_from_host("tools:1", &[PathBuf::from("bash"), PathBuf::from("cat")])
            .unwrap()
    };
    let (one, two) = (build("one"), build("two"));
    assert_eq!(one, two);
    assert_eq!(one.tags, ["docker.io/library/tools:1"]);
}

#[test]
fn a_program_that_is_not_here_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(folder.path()).unwrap();
    let build = |name: &str, programs: &[&str]| {
        let programs: Vec<PathBuf> = programs.iter().map(PathBuf::from).collect();
        store
            .build_from_host(name, &programs)
            .unwrap_err()
            .to_string()
    };
    assert!(
        build("tools", &["no-such-program"]).contains("no-such-program is not on this machine")
    );
    assert!(build("tools", &[]).contains("name at least one program"));
    assert!(build("No Name", &["cat"]).contains("is no image name"));
}

#[test]
fn only_the_owner_enters_the_store_because_images_hold_set_uid_programs() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    std::fs::set_permissions(&images, std::fs::Permissions::from_mode(0o755)).unwrap();
    ImageStore::open(&images).unwrap();
    let mode = std::fs::metadata(&images).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
