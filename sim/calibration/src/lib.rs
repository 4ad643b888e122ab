//! From measurements to profiles: laws fitted to observed times, and what they predict of data held back.

pub mod fit;
pub mod live;
pub mod written;
