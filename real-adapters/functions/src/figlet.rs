//! `figlet`: writes a text large. The font, in capitals, is our own: `figlet-font.txt`, a line for each character with
//! its five rows.

/// Characters that are drawn; what comes after them is left out.
const LIMIT: usize = 1000;

/// Columns of a row of letters, unless one letter is wider.
const WIDTH: usize = 80;

/// Rows of a letter.
const HEIGHT: usize = 5;

const FONT: &str = include_str!("figlet-font.txt");

/// The text in large letters, at most 80 columns wide. Each line of the text starts a new row of letters.
pub(crate) fn large(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(LIMIT).collect();
    let text = if text.trim().is_empty() { "faas-lab" } else { text.trim_end() };
    let rows = text.lines().flat_map(fold);
    rows.map(|glyphs| draw(&glyphs)).collect::<Vec<_>>().join("\n")
}

/// A letter's rows.
type Glyph = [&'static str; HEIGHT];

/// What stands for a character; a question mark for those that the font has not.
fn glyph(character: char) -> Glyph {
    let wanted = character.to_ascii_uppercase();
    let found = FONT.lines().find(|line| line.starts_with(wanted));
    let line = found.or_else(|| FONT.lines().find(|line| line.starts_with('?'))).expect("the font has a question mark");
    let mut rows = line.rsplitn(HEIGHT + 1, ' ');
    let mut glyph = [""; HEIGHT];
    for row in glyph.iter_mut().rev() {
        *row = rows.next().expect("each character of the font has five rows");
    }
    glyph
}

/// The letters of a line in rows no wider than [`WIDTH`], broken between words where that is possible.
fn fold(line: &str) -> Vec<Vec<Glyph>> {
    let mut rows = vec![Vec::new()];
    let mut used = 0;
    for word in line.split_inclusive(char::is_whitespace) {
        let glyphs: Vec<Glyph> = word.chars().map(glyph).collect();
        let mut visible = width(&glyphs);
        if word.ends_with(char::is_whitespace) {
            visible -= width(&glyphs[glyphs.len() - 1..]);
        }
        let starts_anew = used > 0 && used + visible > WIDTH;
        if starts_anew {
            rows.push(Vec::new());
            used = 0;
        }
        for glyph in glyphs {
            let columns = width(&[glyph]);
            let blank = glyph.iter().all(|row| !row.contains('#'));
            if used > 0 && used + columns > WIDTH && !blank {
                rows.push(Vec::new());
                used = 0;
            }
            used += columns;
            rows.last_mut().expect("there is one from the start").push(glyph);
        }
    }
    rows
}

/// Columns that letters take, each with the gap after it.
fn width(glyphs: &[Glyph]) -> usize {
    glyphs.iter().map(|glyph| glyph[0].len() + 1).sum()
}

fn draw(glyphs: &[Glyph]) -> String {
    let row = |index: usize| {
        let row: Vec<&str> = glyphs.iter().map(|glyph| glyph[index]).collect();
        format!("{}\n", row.join(" ").replace('.', " ").trim_end())
    };
    (0..HEIGHT).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_large() {
        let expected = "\
#   # ### #
#   #  #  #
#####  #  #
#   #  #
#   # ### #
";
        assert_eq!(large(b"Hi!\n"), expected);
    }

    #[test]
    fn every_printable_character_has_a_glyph_of_its_own() {
        for character in ' '..='~' {
            let glyph = glyph(character);
            assert!(glyph.iter().all(|row| row.len() == glyph[0].len() && !row.is_empty()), "{character:?}");
            assert!(glyph.iter().all(|row| row.bytes().all(|byte| matches!(byte, b'#' | b'.'))), "{character:?}");
        }
        assert_eq!(glyph('é'), glyph('?'));
        assert_ne!(glyph('a'), glyph('?'));
    }

    #[test]
    fn long_texts_are_broken_between_words_and_at_last_within_them() {
        let drawn = large("The quick brown fox jumps over the lazy dog".as_bytes());
        assert!(drawn.lines().all(|line| line.len() <= WIDTH), "{drawn}");
        assert_eq!(large(&[b'W'; 20]).lines().filter(|line| line.is_empty()).count(), 1);
        assert!(large(&vec![b'W'; 100_000]).len() < 100 * LIMIT);
    }

    #[test]
    fn any_bytes_will_do() {
        assert_eq!(large(b""), large(b"faas-lab"));
        assert!(large(&[0xff, 0, 0xc3]).contains('#'));
    }
}
