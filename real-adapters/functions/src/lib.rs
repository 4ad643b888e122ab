//! Small functions that show what a platform does with requests.
//!
//! [`main`] runs one; [`catalogue()`] says how a platform runs each; [`stack`] reads files that deploy them, and others.

mod bw;
mod call;
mod catalogue;
mod chain;
mod cpu;
mod fetch;
mod figlet;
mod function;
mod hello;
mod hits;
mod printr;
mod public_address;
mod secret;
mod serve;
mod settings;
mod sleep;
pub mod stack;
mod url_search;

pub use catalogue::{Builtin, Mode, builtin, catalogue, homepage, store_json, write_homepage};
pub use public_address::is_public;
pub use serve::main;
