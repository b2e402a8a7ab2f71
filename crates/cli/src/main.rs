//! The `ephemera` command.
fn main() {}
