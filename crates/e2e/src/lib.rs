//! End-to-end stories on real containers; all of them are tests, in `tests/it`.
