//! Face detection and recognition as a function: a picture in; faces, names and the annotated picture out.
#![forbid(unsafe_code)]

pub mod detect;
pub mod geometry;
pub mod nets;
