//! TXT data in the form of a master file (RFC 1035, section 5.1). Edge DNS knows only its quoted strings.

use std::fmt::Write;

/// The most bytes in a string of a TXT record.
const LONGEST: usize = 255;

/// Why a text is not TXT data.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TxtError {
    #[error("[{0}] is not in double quotes")]
    Unquoted(String),
    #[error("[{0}] ends within a string")]
    Unclosed(String),
    #[error("[{0}] has an escape that is not \\DDD up to 255")]
    Escape(String),
    #[error("[{0}] has a string of more than 255 bytes; it must be split into several")]
    TooLong(String),
}

/// The strings of one record, without quotes and escapes.
pub(crate) fn parse(text: &str) -> Result<Vec<Vec<u8>>, TxtError> {
    let mut strings = Vec::new();
    let mut rest = text.as_bytes().trim_ascii_start();
    while let Some((first, inner)) = rest.split_first() {
        if *first != b'"' {
            return Err(TxtError::Unquoted(text.to_owned()));
        }
        let (string, after) = string(inner, text)?;
        strings.push(string);
        rest = after.trim_ascii_start();
    }
    if strings.is_empty() { Err(TxtError::Unquoted(text.to_owned())) } else { Ok(strings) }
}

/// Reads a string up to its closing quote, and returns what follows.
fn string<'a>(mut rest: &'a [u8], text: &str) -> Result<(Vec<u8>, &'a [u8]), TxtError> {
    let mut string = Vec::new();
    loop {
        let (byte, after) = rest.split_first().ok_or_else(|| TxtError::Unclosed(text.to_owned()))?;
        rest = after;
        match byte {
            b'"' if string.len() > LONGEST => return Err(TxtError::TooLong(text.to_owned())),
            b'"' => return Ok((string, rest)),
            b'\\' => {
                let (byte, after) = escape(rest).ok_or_else(|| TxtError::Escape(text.to_owned()))?;
                string.push(byte);
                rest = after;
            }
            byte => string.push(*byte),
        }
    }
}

/// The byte that an escape stands for, and what follows.
fn escape(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (first, after) = rest.split_first()?;
    if !first.is_ascii_digit() {
        return Some((*first, after));
    }
    let (digits, after) = rest.split_at_checked(3)?;
    // `parse` would accept a sign as well.
    let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    Some((digits.parse().ok()?, after))
}

/// Writes the strings of one record as Edge DNS answers them.
pub(crate) fn write(strings: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for string in strings {
        text.push_str(if text.is_empty() { "\"" } else { " \"" });
        for byte in string {
            match byte {
                b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
                b' '..=b'~' => text.push(char::from(*byte)),
                // A write to a string cannot fail.
                byte => {
                    let _ = write!(text, "\\{byte:03}");
                }
            }
        }
        text.push('"');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_are_read_and_written_in_one_way() {
        let table: [(&str, &[&[u8]], &str); 6] = [
            (r#""abc""#, &[b"abc"], r#""abc""#),
            (r#""""#, &[b""], r#""""#),
            (r#" "a""b"  "c d" "#, &[b"a", b"b", b"c d"], r#""a" "b" "c d""#),
            (r#""say \"hi\" \\ \x""#, &[b"say \"hi\" \\ x"], r#""say \"hi\" \\ x""#),
            (r#""\195\164\065""#, &[b"\xc3\xa4A"], r#""\195\164A""#),
            ("\"ä\t\"", &[b"\xc3\xa4\t"], r#""\195\164\009""#),
        ];
        for (text, strings, written) in table {
            let parsed = parse(text).unwrap();
            assert_eq!(parsed, strings);
            assert_eq!(write(&parsed), written);
        }
    }

    #[test]
    fn what_is_not_quoted_or_not_complete_is_refused() {
        let unquoted = |text: &str| TxtError::Unquoted(text.to_owned());
        for text in ["", "abc", r#"abc"def""#, r#""abc"def"#, r"'abc'"] {
            assert_eq!(parse(text), Err(unquoted(text)));
        }
        for text in [r#"""#, r#""abc"#, r#""abc\""#] {
            assert_eq!(parse(text), Err(TxtError::Unclosed(text.to_owned())));
        }
        for text in [r#""\256""#, r#""\12""#, r#""\1+2""#, r#""abc\"#] {
            assert_eq!(parse(text), Err(TxtError::Escape(text.to_owned())));
        }
    }

    #[test]
    fn a_string_holds_255_bytes() {
        let quoted = |length: usize| format!("\"{}\"", "x".repeat(length));
        assert!(parse(&quoted(255)).is_ok());
        assert_eq!(parse(&quoted(256)), Err(TxtError::TooLong(quoted(256))));
        let chunks = format!("{} {}", quoted(255), quoted(45));
        assert_eq!(write(&parse(&chunks).unwrap()), chunks);
    }
}
