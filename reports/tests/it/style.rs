//! The style sheets: every text can be read on what is behind it, in both themes (WCAG 2.2, level AA).

use std::collections::BTreeMap;

const STYLES: [&str; 2] = [include_str!("../../templates/report.css"), include_str!("../../templates/compare.css")];

/// Contrast that level AA asks of text.
const AA: f64 = 4.5;

type Theme = BTreeMap<String, (f64, f64, f64)>;

/// The colours of the light theme, and those of the dark one where it has its own.
fn themes() -> (Theme, Theme) {
    let (mut light, mut dark) = (Theme::new(), Theme::new());
    for style in STYLES {
        let mut depth_of_dark = None;
        let mut depth = 0;
        for line in style.lines() {
            if line.contains("prefers-color-scheme: dark") {
                depth_of_dark = Some(depth);
            }
            let theme = if depth_of_dark.is_some() { &mut dark } else { &mut light };
            for declaration in line.split(';') {
                let Some((name, value)) = declaration.trim().trim_start_matches(":root {").trim().split_once(": #")
                else {
                    continue;
                };
                if let Some(name) = name.strip_prefix("--") {
                    theme.insert(name.to_owned(), color(value.trim()));
                }
            }
            depth += line.matches('{').count();
            depth -= line.matches('}').count();
            if depth_of_dark == Some(depth) {
                depth_of_dark = None;
            }
        }
    }
    let mut all = light.clone();
    all.extend(dark);
    (light, all)
}

fn color(hex: &str) -> (f64, f64, f64) {
    let digits: Vec<u32> = hex.chars().map_while(|digit| digit.to_digit(16)).collect();
    let channel = |index: usize| match digits.len() {
        3 => f64::from(digits[index] * 17),
        6 => f64::from(digits[2 * index] * 16 + digits[2 * index + 1]),
        _ => panic!("#{hex} is no colour"),
    };
    (channel(0), channel(1), channel(2))
}

/// Relative luminance as WCAG defines it.
fn luminance((red, green, blue): (f64, f64, f64)) -> f64 {
    let linear = |channel: f64| match channel / 255.0 {
        low if low <= 0.04045 => low / 12.92,
        high => ((high + 0.055) / 1.055).powf(2.4),
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

fn contrast(theme: &Theme, text: &str, ground: &str) -> f64 {
    let of = |name: &str| luminance(*theme.get(name).unwrap_or_else(|| panic!("the style has a --{name}")));
    let (one, other) = (of(text), of(ground));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Every text of the style with every ground it can stand on.
fn pairs() -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let inks = ["ink", "mute", "limit", "blue-t", "verm-t", "green-t", "oran-t", "sky-t", "purp-t"];
    for ink in inks {
        pairs.extend(["paper", "shade"].map(|ground| (ink.to_owned(), ground.to_owned())));
    }
    for step in 1..=7 {
        let ink = match step {
            1..=4 => "h-low",
            5 => "h-dark",
            _ => "h-high",
        };
        pairs.push((ink.to_owned(), format!("h{step}")));
    }
    pairs
}

#[test]
fn every_text_has_the_contrast_of_level_aa() {
    let (light, dark) = themes();
    for (name, theme) in [("light", &light), ("dark", &dark)] {
        for (text, ground) in pairs() {
            let found = contrast(theme, &text, &ground);
            assert!(found >= AA, "{name}: --{text} on --{ground} has a contrast of {found:.2}");
        }
    }
}

#[test]
fn the_pairs_are_those_that_the_style_uses() {
    // A class that sets text and ground at once uses a pair that the test above knows.
    let known = pairs();
    let value = |rule: &str, property: &str| {
        let declaration = rule.split([';', '{']).map(str::trim).find(|part| part.starts_with(property))?;
        Some(declaration.split_once("var(--")?.1.split(')').next()?.to_owned())
    };
    for style in STYLES {
        for rule in style.split('}') {
            if let (Some(text), Some(ground)) = (value(rule, "color:"), value(rule, "background:")) {
                assert!(known.contains(&(text.clone(), ground.clone())), "--{text} on --{ground} is not tested");
            }
        }
    }
    // Text that only has a colour stands on the page.
    for style in STYLES {
        for part in style.split("color: var(--").skip(1) {
            let text = part.split(')').next().unwrap_or_default();
            let tested = known.iter().any(|(known, _)| known == text);
            let no_text = ["blue", "verm", "green", "oran", "axis", "rule", "paper"].contains(&text);
            assert!(tested || no_text, "text in --{text} is not tested");
        }
    }
}
