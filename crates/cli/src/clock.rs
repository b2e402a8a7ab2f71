//! The one place of this crate that reads the clock.

use jiff::Timestamp;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "a command line is where time comes in"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
