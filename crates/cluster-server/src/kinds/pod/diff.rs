//! A unified diff of two texts, with the block matching of Python's difflib (by way of go-difflib,
//! which `apimachinery/pkg/util/diff` prints with): hunks with three lines of context, no file header.

use std::collections::{HashMap, HashSet};

/// Lines around a change.
const CONTEXT: usize = 3;

/// The hunks between `old` and `new`; empty if they are equal.
pub(super) fn unified(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let blocks = Matcher::new(&a, &b).blocks();
    let mut out = String::new();
    for group in grouped(opcodes(&blocks, a.len(), b.len())) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let range = |start: usize, end: usize| match end - start {
            1 => format!("{}", start + 1),
            0 => format!("{start},0"),
            length => format!("{},{length}", start + 1),
        };
        let (from, to) = (range(first.a.0, last.a.1), range(first.b.0, last.b.1));
        let head = format!("@@ -{from} +{to} @@\n");
        out.push_str(&head);
        for op in &group {
            if op.equal {
                a[op.a.0..op.a.1]
                    .iter()
                    .for_each(|line| push(&mut out, ' ', line));
                continue;
            }
            a[op.a.0..op.a.1]
                .iter()
                .for_each(|line| push(&mut out, '-', line));
            b[op.b.0..op.b.1]
                .iter()
                .for_each(|line| push(&mut out, '+', line));
        }
    }
    out
}

fn push(out: &mut String, mark: char, line: &str) {
    out.push(mark);
    out.push_str(line);
    out.push('\n');
}

/// A stretch of both texts: equal, or what one has instead of what the other has.
#[derive(Clone, Copy)]
struct Op {
    equal: bool,
    a: (usize, usize),
    b: (usize, usize),
}

/// Equal stretches: where in each text, and how long.
type Block = (usize, usize, usize);

struct Matcher<'a> {
    a: &'a [&'a str],
    b: &'a [&'a str],
    /// Where each line of `b` stands; in a long text, lines that are everywhere are left out.
    places: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Matcher<'a> {
    fn new(a: &'a [&'a str], b: &'a [&'a str]) -> Self {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, line) in b.iter().enumerate() {
            places.entry(line).or_default().push(at);
        }
        if b.len() >= 200 {
            let popular = b.len() / 100 + 1;
            let dropped: HashSet<&str> = places
                .iter()
                .filter(|(_, at)| at.len() > popular)
                .map(|(line, _)| *line)
                .collect();
            places.retain(|line, _| !dropped.contains(line));
        }
        Self { a, b, places }
    }

    fn longest(&self, (alo, ahi): (usize, usize), (blo, bhi): (usize, usize)) -> Block {
        let (mut i, mut j, mut size) = (alo, blo, 0);
        let mut lengths: HashMap<usize, usize> = HashMap::new();
        for at in alo..ahi {
            let mut next = HashMap::new();
            for &place in self.places.get(self.a[at]).into_iter().flatten() {
                if place < blo {
                    continue;
                }
                if place >= bhi {
                    break;
                }
                let before = place
                    .checked_sub(1)
                    .and_then(|p| lengths.get(&p))
                    .copied()
                    .unwrap_or(0);
                next.insert(place, before + 1);
                if before + 1 > size {
                    (i, j, size) = (at - before, place - before, before + 1);
                }
            }
            lengths = next;
        }
        while i > alo && j > blo && self.a[i - 1] == self.b[j - 1] {
            (i, j, size) = (i - 1, j - 1, size + 1);
        }
        while i + size < ahi && j + size < bhi && self.a[i + size] == self.b[j + size] {
            size += 1;
        }
        (i, j, size)
    }

    fn blocks(&self) -> Vec<Block> {
        let mut found = Vec::new();
        let mut queue = vec![((0, self.a.len()), (0, self.b.len()))];
        while let Some(((alo, ahi), (blo, bhi))) = queue.pop() {
            let (i, j, size) = self.longest((alo, ahi), (blo, bhi));
            if size == 0 {
                continue;
            }
            found.push((i, j, size));
            queue.push(((alo, i), (blo, j)));
            queue.push(((i + size, ahi), (j + size, bhi)));
        }
        found.sort_unstable();
        let mut merged: Vec<Block> = Vec::new();
        for (i, j, size) in found {
            match merged.last_mut() {
                Some(last) if last.0 + last.2 == i && last.1 + last.2 == j => last.2 += size,
                _ => merged.push((i, j, size)),
            }
        }
        merged
    }
}

fn opcodes(blocks: &[Block], a_len: usize, b_len: usize) -> Vec<Op> {
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    for &(ai, bj, size) in blocks.iter().chain(std::iter::once(&(a_len, b_len, 0))) {
        if i < ai || j < bj {
            out.push(Op {
                equal: false,
                a: (i, ai),
                b: (j, bj),
            });
        }
        (i, j) = (ai + size, bj + size);
        if size > 0 {
            out.push(Op {
                equal: true,
                a: (ai, i),
                b: (bj, j),
            });
        }
    }
    out
}

/// Changes that stand close together share a hunk.
fn grouped(mut ops: Vec<Op>) -> Vec<Vec<Op>> {
    if let Some(first) = ops.first_mut().filter(|op| op.equal) {
        first.a.0 = first.a.0.max(first.a.1.saturating_sub(CONTEXT));
        first.b.0 = first.b.0.max(first.b.1.saturating_sub(CONTEXT));
    }
    if let Some(last) = ops.last_mut().filter(|op| op.equal) {
        last.a.1 = last.a.1.min(last.a.0 + CONTEXT);
        last.b.1 = last.b.1.min(last.b.0 + CONTEXT);
    }
    let mut groups = Vec::new();
    let mut group: Vec<Op> = Vec::new();
    for op in ops {
        if op.equal && op.a.1 - op.a.0 > 2 * CONTEXT {
            group.push(Op {
                equal: true,
                a: (op.a.0, op.a.0 + CONTEXT),
                b: (op.b.0, op.b.0 + CONTEXT),
            });
            groups.push(std::mem::take(&mut group));
            group.push(Op {
                equal: true,
                a: (op.a.1 - CONTEXT, op.a.1),
                b: (op.b.1 - CONTEXT, op.b.1),
            });
            continue;
        }
        group.push(op);
    }
    if group.iter().any(|op| !op.equal) {
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expected: &str) {
        assert_eq!(
            unified(&old.replace(' ', "\n"), &new.replace(' ', "\n")),
            expected
        );
    }

    #[test]
    fn a_diff_shows_changes_with_three_lines_around_them() {
        check("a b c", "a b c", "");
        check("a b c", "a x c", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
        check(
            "1 2 3 4 5 6",
            "1 2 3 4 5 6 7",
            "@@ -4,3 +4,4 @@\n 4\n 5\n 6\n+7\n",
        );
        check(
            "1 2 3 4 5 6 7 8 9",
            "x 2 3 4 5 6 7 8 y",
            "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n",
        );
    }
}
