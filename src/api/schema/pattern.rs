//! Patterns as Go's `regexp` reads them.
//!
//! Rust's syntax is nearly Go's. What differs is written anew: `\d`, `\w` and `\s` mean ASCII, and within brackets `[`,
//! `&&`, `--` and `~~` are plain letters. Left out: `\Q…\E`.

use regex::Regex;

/// A pattern, and what it is as written.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As the schema says it.
    pub text: String,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is none: why, in our words.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let regex = Regex::new(&in_rust(text)).map_err(|error| {
            let text = error.to_string();
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })?;
        Ok(Pattern { text: text.to_owned(), regex })
    }

    /// Whether it is found in a text.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

fn in_rust(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut letters = text.chars().peekable();
    let mut in_class = false;
    let mut at_start = false;
    while let Some(letter) = letters.next() {
        let starts_class = std::mem::take(&mut at_start);
        match letter {
            '\\' => match letters.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str(r"[\t\n\f\r ]"),
                Some('S') => out.push_str(r"[^\t\n\f\r ]"),
                // Go takes any escaped mark for itself.
                Some(mark) if !mark.is_alphanumeric() && !mark.is_ascii() => out.push(mark),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                at_start = true;
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            // A bracket right after the first one is a letter.
            ']' if in_class && starts_class => out.push_str(r"\]"),
            ']' => {
                in_class = false;
                out.push(']');
            }
            '[' if letters.peek() == Some(&':') => {
                out.push('[');
                for letter in letters.by_ref() {
                    out.push(letter);
                    if letter == ']' {
                        break;
                    }
                }
            }
            '[' => out.push_str(r"\["),
            '&' | '~' if in_class => out.extend(['\\', letter]),
            '-' if in_class && letters.peek() == Some(&'-') => out.push_str(r"\-"),
            other => out.push(other),
        }
    }
    out
}
