//! The known name that a misspelt one was meant to be.

/// The nearest of `known`, if it is near enough to be what was meant.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', ' '], "");
    let written = plain(written);
    if written.len() > 100 {
        return None;
    }
    let distance = |name: &str| edits(&written, &plain(name));
    let best = known.iter().copied().min_by_key(|name| distance(name))?;
    (distance(best) <= (written.chars().count() * 2 / 5).max(1)).then_some(best)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other (optimal string alignment).
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let differs = usize::from(from[i - 1] != to[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + differs);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_no_more() {
        let known = ["min", "max", "initial", "read_timeout", "round-robin"];
        assert_eq!(nearest("maks", &known), None);
        assert_eq!(nearest("mxa", &known), Some("max"));
        assert_eq!(nearest("read-timeout", &known), Some("read_timeout"));
        assert_eq!(nearest("readTimeot", &known), Some("read_timeout"));
        assert_eq!(nearest("elephant", &known), None);
    }
}
