//! `hello`: greets, and does nothing else. What it costs to call is what the platform costs.

/// Greets whoever the body names, or the world.
pub(crate) fn greeting(body: &[u8]) -> String {
    let name = String::from_utf8_lossy(body);
    match name.trim() {
        "" => "Hello, world!\n".to_owned(),
        name => format!("Hello, {name}!\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_greeted_unless_somebody_is_named() {
        assert_eq!(greeting(b""), "Hello, world!\n");
        assert_eq!(greeting(b"\r\n"), "Hello, world!\n");
        assert_eq!(greeting("Zoë\n".as_bytes()), "Hello, Zoë!\n");
        assert_eq!(greeting(&[0xff]), "Hello, \u{fffd}!\n");
    }
}
