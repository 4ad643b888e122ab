//! Face detection and recognition as a function.
