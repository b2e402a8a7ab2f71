//! The record for a terminal.

use report::{escaped, fold};

use crate::life::{entries, visited};

#[test]
fn lines_are_aligned_and_name_their_entry() {
    let text = fold(entries(&visited())).unwrap().to_text();
    for expected in [
        "  session               shop/cart-x",
        "  entered               yes [11]",
        "  requester             alice (groups sre) [1]",
        "  pod                   cart (uid pod-1) [1]",
        "  ticket                - none was given",
        "  digest that ran       sha256:ran [13]",
        "  capabilities granted  +SYS_PTRACE [7]",
        "  exposure              It sees the processes of container app. [3]",
        "  verdicts              Approve by bob at 2027-01-15T08:00:02.000Z (go on) [5]",
        "  exit                  status 0 (Completed) at 2027-01-15T08:00:09Z [17]",
        "  2027-01-15T08:00:05.000Z  Committed: the container was seen in the Pod; to be over by \
         2027-01-15T08:10:06Z [11]",
    ] {
        assert!(
            text.lines().any(|line| line == expected),
            "{expected:?} in\n{text}"
        );
    }
}

#[test]
fn nothing_in_it_can_deceive_whoever_reads_it_on_a_terminal() {
    let text = fold(entries(&visited())).unwrap().to_text();
    assert!(
        text.contains(r"the cart answers 500\u{202e}\u{1b}[31m [1]"),
        "{text}"
    );
    assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'));
    assert_eq!(escaped("a\nb\tgrüße"), r"a\nb\tgrüße");
}
