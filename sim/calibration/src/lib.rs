//! From measurements to profiles.
