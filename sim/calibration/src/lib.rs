//! From measurements to profiles.
pub mod live;
