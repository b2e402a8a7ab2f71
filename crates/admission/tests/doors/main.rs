//! The three doors, knocked on as an API server does: recorded reviews, a real journal, an in-memory cluster.

mod connecting;
mod entering;
mod own_objects;
mod world;
