//! PURE: TXT rdata in the form of a master file (RFC 1035, section 5.1), which Edge DNS uses.

/// The longest character string of a TXT record.
const LONGEST_STRING: usize = 255;

/// The rdata of a value: quoted strings of at most 255 bytes. Everything but plain ASCII is escaped.
#[must_use]
pub fn quote(value: &[u8]) -> String {
    let mut strings: Vec<&[u8]> = value.chunks(LONGEST_STRING).collect();
    if strings.is_empty() {
        // An empty value is one empty string, because rdata cannot be empty.
        strings.push(&[]);
    }
    strings.into_iter().map(quote_string).collect::<Vec<_>>().join(" ")
}

fn quote_string(string: &[u8]) -> String {
    let mut text = String::with_capacity(string.len() + 2);
    text.push('"');
    for byte in string {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\{byte:03}")),
        }
    }
    text.push('"');
    text
}

/// The value of rdata: its strings, quoted or bare, joined. It never fails: an invalid escape stands for itself, and
/// an unclosed quote ends with the text.
#[must_use]
pub fn unquote(rdata: &str) -> Vec<u8> {
    let mut value = Vec::with_capacity(rdata.len());
    let mut quoted = false;
    let mut rest = rdata.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'"' => quoted = !quoted,
            b'\\' => {
                let (escaped, length) = escaped(rest);
                value.push(escaped);
                rest = &rest[length..];
            }
            _ if !quoted && byte.is_ascii_whitespace() => {}
            _ => value.push(*byte),
        }
    }
    value
}

/// The byte that a backslash before `rest` stands for, and how many bytes of `rest` belong to it.
fn escaped(rest: &[u8]) -> (u8, usize) {
    let digits = rest.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let decimal = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match (decimal, rest.first()) {
        (Some(byte), _) => (byte, 3),
        (None, Some(byte)) => (*byte, 1),
        (None, None) => (b'\\', 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_as_in_a_master_file() {
        let cases: &[(&[u8], &str)] = &[
            (b"abc", r#""abc""#),
            (b"", r#""""#),
            (br#"a "b" \c"#, r#""a \"b\" \\c""#),
            ("é\n".as_bytes(), r#""\195\169\010""#),
            (&[0, 127, 255], r#""\000\127\255""#),
        ];
        for (value, expected) in cases {
            assert_eq!(quote(value), *expected);
        }
        let long = "x".repeat(256);
        assert_eq!(quote(long.as_bytes()), format!("\"{}\" \"x\"", "x".repeat(255)));
        // The limit counts bytes, not the characters of their escapes.
        let escaped = "\\".repeat(256);
        assert_eq!(quote(escaped.as_bytes()), format!("\"{}\" \"\\\\\"", "\\\\".repeat(255)));
    }

    #[test]
    fn every_form_of_rdata_is_read() {
        let cases: &[(&str, &[u8])] = &[
            (r#""abc""#, b"abc"),
            ("abc", b"abc"),
            (r#""ab" "c d""#, b"abc d"),
            ("ab\t c", b"abc"),
            (r#""\"\\\065\255""#, b"\"\\A\xff"),
            (r#""é""#, "é".as_bytes()),
            // 256 is not a byte, so the backslash escapes only the digit.
            (r#""\256\9""#, b"2569"),
            (r#""open"#, b"open"),
            (r"end\", b"end\\"),
            (r#""""#, b""),
            ("", b""),
        ];
        for (rdata, expected) in cases {
            assert_eq!(unquote(rdata), *expected, "{rdata}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_was_quoted_is_the_same_after_unquoting(
            value in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
        ) {
            let rdata = quote(&value);
            proptest::prop_assert!(rdata.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            proptest::prop_assert_eq!(unquote(&rdata), value);
        }

        #[test]
        fn text_that_was_quoted_is_the_same_after_unquoting(value in "\\PC{0,300}") {
            proptest::prop_assert_eq!(unquote(&quote(value.as_bytes())), value.as_bytes());
        }

        #[test]
        fn no_rdata_is_too_odd_to_be_read(rdata in proptest::prop_oneof![".{0,40}", "[\"\\\\0-9 a]{0,20}"]) {
            proptest::prop_assert!(unquote(&rdata).len() <= rdata.len());
        }
    }
}
