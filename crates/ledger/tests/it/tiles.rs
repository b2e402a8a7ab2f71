//! Paths and contents of tiles: the examples of C2SP *tlog-tiles*, and what must be refused.

use ledger::{
    Reader, TileId, check_canonical,
    tile::{self, ContentError, Kind},
};

use crate::log::{entry, log};

#[test]
fn paths_are_those_of_the_specification() {
    fn check(kind: Kind, index: u64, width: u16, expected: &str) {
        let id = TileId { kind, index, width };
        assert_eq!(id.to_string(), expected);
        assert_eq!(expected.parse(), Ok(id));
    }
    check(Kind::Hashes(0), 0, 256, "tile/0/000");
    check(Kind::Hashes(0), 999, 1, "tile/0/999.p/1");
    check(Kind::Hashes(1), 1000, 255, "tile/1/x001/000.p/255");
    check(Kind::Hashes(63), 1_234_067, 256, "tile/63/x001/x234/067");
    check(
        Kind::Entries,
        1_234_067,
        17,
        "tile/entries/x001/x234/067.p/17",
    );
}

#[test]
fn other_paths_are_refused() {
    for path in [
        "",
        "checkpoint",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/../000",
        "tile/entry/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(path.parse::<TileId>().is_err(), "{path}");
    }
}

#[test]
fn a_tree_of_70000_has_the_tiles_that_the_specification_counts() {
    let edge: Vec<_> = TileId::edge(70_000).iter().map(TileId::to_string).collect();
    assert_eq!(
        edge,
        [
            "tile/entries/273.p/112",
            "tile/0/273.p/112",
            "tile/1/001.p/17",
            "tile/2/000.p/1"
        ]
    );
    let full =
        |level, index| TileId::at_size(Kind::Hashes(level), index, 70_000).map(|id| id.width);
    assert_eq!(full(0, 272), Some(256));
    assert_eq!(full(1, 0), Some(256));
    assert_eq!(full(0, 274), None);
    assert_eq!(full(3, 0), None);
    assert_eq!(full(200, 0), None);
}

#[test]
fn a_bundle_gives_back_its_entries() {
    let entries: [&[u8]; 3] = [b"", b"{}", &vec![b'x'; 65_535]];
    let mut bundle = Vec::new();
    for entry in entries {
        tile::encode_entry(&mut bundle, entry).unwrap();
    }
    assert_eq!(tile::decode_entries(&bundle, 3).unwrap(), entries);
    assert!(tile::encode_entry(&mut bundle, &vec![b'x'; 65_536]).is_err());
}

#[test]
fn damaged_bundles_and_tiles_are_refused() {
    fn check(bytes: &[u8], expected: ContentError) {
        assert_eq!(
            tile::decode_entries(bytes, 2).unwrap_err(),
            expected,
            "{bytes:?}"
        );
    }
    check(
        b"",
        ContentError::Count {
            found: 0,
            wanted: 2,
        },
    );
    check(b"\0", ContentError::Truncated { entry: 0 });
    check(b"\0\x01x\0\x02y", ContentError::Truncated { entry: 1 });
    check(
        b"\0\x01x\0\x01y\0\x01z",
        ContentError::Count {
            found: 3,
            wanted: 2,
        },
    );
    let short = tile::decode_hashes(&[0; 63], 2).unwrap_err();
    assert_eq!(
        short,
        ContentError::Length {
            found: 63,
            wanted: 64
        }
    );
    assert!(tile::decode_hashes(&[0; 65], 2).is_err());
}

#[test]
fn partial_tiles_that_were_deleted_are_read_out_of_the_full_ones() {
    let grown = log(300);
    let reader = Reader::new(&grown, 200);
    assert_eq!(
        reader.entries(190..200).unwrap(),
        (190..200).map(entry).collect::<Vec<_>>()
    );
    assert!(reader.entry(200).is_err());
    assert!(reader.entries(190..201).is_err());
}

#[test]
fn entries_are_canonical_json() {
    for accepted in [
        r#"{"a":1,"b":[true,null,"é"]}"#,
        r#"{"n":9007199254740991}"#,
        "[]",
        r#""""#,
    ] {
        check_canonical(accepted.as_bytes()).unwrap();
    }
    for rejected in [
        "",
        "{",
        r#"{"a": 1}"#,
        r#"{"b":1,"a":2}"#,
        r#"{"a":1,"a":1}"#,
        r#"{"a":1.0}"#,
        r#"{"a":1}x"#,
        r#"{"a":"\u00e9"}"#,
        "{\"a\":1}\n",
        "\u{feff}{}",
        r#"{"a":1e2}"#,
        r#"{"a":-0}"#,
    ] {
        assert!(check_canonical(rejected.as_bytes()).is_err(), "{rejected}");
    }
}
