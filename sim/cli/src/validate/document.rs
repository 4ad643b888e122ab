//! A Markdown file that several commands write to: each replaces its own part, between two comments.

/// The file before any command has written to it.
pub(super) fn empty() -> String {
    "# Validation\n".into()
}

/// The text with the part of this name replaced, or put at its end.
pub(super) fn with_part(text: &str, name: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), "<!-- end -->");
    let part = format!("{begin}{}\n", content.trim_end());
    if let Some((before, rest)) = text.split_once(&begin)
        && let Some((_, after)) = rest.split_once(end)
    {
        return format!("{before}{part}{end}{after}");
    }
    format!("{}\n\n{part}{end}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_replaces_itself_and_nothing_else() {
        let first = with_part(&empty(), "one", "first\n\n");
        assert_eq!(first, "# Validation\n\n<!-- one -->\nfirst\n<!-- end -->\n");
        let both = with_part(&first, "two", "second") + "\nBy hand.\n";
        let again = with_part(&both, "one", "changed");
        assert_eq!(
            again,
            "# Validation\n\n<!-- one -->\nchanged\n<!-- end -->\n\n<!-- two -->\nsecond\n<!-- end -->\n\nBy hand.\n"
        );
    }
}
