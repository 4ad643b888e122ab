//! Face detection and recognition as a function: a picture in; faces, names and the annotated picture out.
//!
//! SeetaFace finds faces with nothing to install. With the models of the face-api package, faces are also described and
//! recognised, and that package's own detectors can be chosen. `api.rs` lists what the function answers, `function.rs`
//! what it does with a picture, `nets/` how the networks are run.
#![forbid(unsafe_code)]

pub mod address;
pub mod api;
pub mod detect;
pub mod draw;
pub mod fetch;
pub mod function;
pub mod geometry;
pub mod models;
pub mod nets;
pub mod people;
pub mod picture;
pub mod refusal;
pub mod room;
pub mod server;
pub mod settings;
mod stream;
