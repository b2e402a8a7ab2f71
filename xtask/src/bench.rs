//! Each figure beside its goal.
fn _later() {}
