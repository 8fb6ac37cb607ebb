//! The names in a Rust source file: the modules that it declares, the names that its `use` lines bind, and every
//! path. Test code, comments and literals do not count.

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Colons,
    Sign(char),
}

/// One module, as its source has it.
#[derive(Debug, Default)]
pub struct Contents {
    /// `mod x;`
    pub declared: Vec<String>,
    /// `mod x { … }`
    pub inline: Vec<(String, Contents)>,
    /// A name and the path that it stands for, from the `use` lines. `*` is the name of a glob.
    pub bound: Vec<(String, Vec<String>)>,
    /// Every path of at least two segments outside the `use` lines.
    pub paths: Vec<Vec<String>>,
}

/// Words that begin an item, after its visibility.
const ITEMS: [&str; 14] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "unsafe",
    "use",
];

impl Contents {
    pub fn of(text: &str) -> Self {
        let mut contents = Self::default();
        contents.read(&without_tests(&tokens(text)));
        contents
    }

    fn read(&mut self, tokens: &[Token]) {
        let mut at = 0;
        while at < tokens.len() {
            at = match &tokens[at..] {
                [Token::Word(word), Token::Word(name), Token::Sign(';'), ..] if word == "mod" => {
                    self.declared.extend((name != "tests").then(|| name.clone()));
                    at + 3
                }
                [Token::Word(word), Token::Word(name), Token::Sign('{'), ..] if word == "mod" => {
                    let end = end_of_group(tokens, at + 2);
                    let mut inner = Self::default();
                    inner.read(&tokens[at + 3..end - 1]);
                    self.inline.extend((name != "tests").then(|| (name.clone(), inner)));
                    end
                }
                // `use<'a>` captures a lifetime.
                [Token::Word(word), next, ..] if word == "use" && *next != Token::Sign('<') => {
                    self.read_use(tokens, at + 1, &[])
                }
                [Token::Word(word), Token::Colons, ..] if at == 0 || tokens[at - 1] != Token::Colons => {
                    let mut path = vec![word.clone()];
                    let mut end = at + 1;
                    while let [Token::Colons, Token::Word(segment), ..] = &tokens[end..] {
                        path.push(segment.clone());
                        end += 2;
                    }
                    self.paths.extend((path.len() > 1).then_some(path));
                    end
                }
                _ => at + 1,
            };
        }
    }

    /// Reads one branch of a `use` tree, and returns where it ends.
    fn read_use(&mut self, tokens: &[Token], mut at: usize, before: &[String]) -> usize {
        let mut path = before.to_vec();
        loop {
            match tokens.get(at) {
                Some(Token::Word(word)) if word == "as" => {
                    let Some(Token::Word(name)) = tokens.get(at + 1) else { return at + 1 };
                    self.bound.push((name.clone(), path));
                    return at + 2;
                }
                Some(Token::Word(word)) if word == "self" && !path.is_empty() => at += 1,
                Some(Token::Word(word)) => {
                    path.push(word.clone());
                    at += 1;
                }
                Some(Token::Colons) => at += 1,
                Some(Token::Sign('*')) => {
                    self.bound.push(("*".into(), path));
                    return at + 1;
                }
                Some(Token::Sign('{')) => {
                    let end = end_of_group(tokens, at);
                    at += 1;
                    while at < end - 1 {
                        at = self.read_use(tokens, at, &path);
                        at += usize::from(tokens[at] == Token::Sign(','));
                    }
                    return end;
                }
                _ => {
                    if let Some(name) = path.last() {
                        self.bound.push((name.clone(), path));
                    }
                    return at;
                }
            }
        }
    }
}

/// The position behind the group that opens at `start`.
fn end_of_group(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token {
            Token::Sign('{' | '(' | '[') => depth += 1,
            Token::Sign('}' | ')' | ']') => depth -= 1,
            Token::Word(_) | Token::Colons | Token::Sign(_) => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The tokens without items that only tests use.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            [Token::Sign('#'), Token::Sign('!'), Token::Sign('['), ..] => {
                let end = end_of_group(tokens, at + 2);
                if is_for_tests(&tokens[at + 3..end - 1]) {
                    return Vec::new();
                }
                at = end;
            }
            [Token::Sign('#'), Token::Sign('['), ..] => {
                let end = end_of_group(tokens, at + 1);
                at = if is_for_tests(&tokens[at + 2..end - 1]) { end_of_item(tokens, end) } else { end };
            }
            _ => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// `#[cfg(test)]`, `#[cfg(any(test, …))]`, `#[test]`, `#[tokio::test]`.
fn is_for_tests(attribute: &[Token]) -> bool {
    let is = |token: &Token, word: &str| matches!(token, Token::Word(found) if found == word);
    let conditional = attribute.first().is_some_and(|first| is(first, "cfg"))
        && attribute.iter().any(|token| is(token, "test"))
        && !attribute.iter().any(|token| is(token, "not"));
    conditional || attribute.last().is_some_and(|last| is(last, "test"))
}

/// The position behind the item that begins at `start`, or behind the field, variant or arm.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    while let [Token::Sign('#'), Token::Sign('['), ..] = &tokens[at..] {
        at = end_of_group(tokens, at + 1);
    }
    if tokens.get(at) == Some(&Token::Word("pub".into())) {
        at += 1;
        if tokens.get(at) == Some(&Token::Sign('(')) {
            at = end_of_group(tokens, at);
        }
    }
    let item = matches!(tokens.get(at), Some(Token::Word(word)) if ITEMS.contains(&word.as_str()));
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign('{') => return end_of_group(tokens, at),
            Token::Sign('(' | '[') => at = end_of_group(tokens, at),
            Token::Sign('}' | ')' | ']') => return at,
            Token::Sign(';') => return at + 1,
            Token::Sign(',') if !item => return at + 1,
            Token::Word(_) | Token::Colons | Token::Sign(_) => at += 1,
        }
    }
    at
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = if rest.starts_with("//") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if rest.starts_with("/*") {
            after_comment(rest)
        } else if let Some(after) = rest.strip_prefix("::") {
            tokens.push(Token::Colons);
            after
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            match (word, after_raw_string(after)) {
                ("r" | "br" | "cr", Some(after)) => after,
                // `r#type` is the word `type`; `b"…"` and `b'…'` are literals.
                ("r", None) if after.starts_with('#') => &after[1..],
                ("b" | "c", _) if after.starts_with(['"', '\'']) => after,
                _ => {
                    tokens.extend((!first.is_ascii_digit()).then(|| Token::Word(word.to_owned())));
                    after
                }
            }
        } else if first == '"' {
            after_quoted(&rest[1..], '"')
        } else if first == '\'' {
            after_quote(&rest[1..])
        } else {
            tokens.extend((!first.is_whitespace()).then_some(Token::Sign(first)));
            &rest[first.len_utf8()..]
        };
    }
    tokens
}

/// The text after a block comment, which may contain others.
fn after_comment(text: &str) -> &str {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return &text[at..];
            }
        } else {
            at += 1;
        }
    }
    ""
}

/// The text after a raw string. The caller has read its `r`.
fn after_raw_string(text: &str) -> Option<&str> {
    let hashes = text.len() - text.trim_start_matches('#').len();
    let body = text[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", &text[..hashes]);
    Some(body.split_once(&end).map_or("", |(_, after)| after))
}

/// The text after the closing quote of a literal. The caller has read its opening quote.
fn after_quoted(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return &text[at + c.len_utf8()..],
            _ => {}
        }
    }
    ""
}

/// The text after a character literal or a lifetime. The caller has read its quote.
fn after_quote(text: &str) -> &str {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (_, Some('\'')) => after_quoted(text, '\''),
        _ => text.trim_start_matches(is_word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split("::").map(str::to_owned).collect()
    }

    fn bound(text: &str) -> Vec<(String, String)> {
        Contents::of(text).bound.into_iter().map(|(name, path)| (name, path.join("::"))).collect()
    }

    fn paths(text: &str) -> Vec<String> {
        Contents::of(text).paths.iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn nested_groups_of_a_use_line_are_written_out() {
        let read = bound("pub(crate) use crate::{a, b::{self, C as D, d::*}};");
        let expected = [("a", "crate::a"), ("b", "crate::b"), ("D", "crate::b::C"), ("*", "crate::b::d")];
        assert_eq!(read, expected.map(|(name, path)| (name.to_owned(), path.to_owned())));
    }

    #[test]
    fn paths_are_found_within_code_and_macros() {
        let text =
            "fn f(x: crate::a::A<'_>) -> impl Sized + use<'_> { select! { () = super::b::run() => b'x' } }";
        assert_eq!(paths(text), ["crate::a::A", "super::b::run"]);
    }

    #[test]
    fn comments_and_literals_name_nothing() {
        let text = "//! crate::a::B\n/* crate::c /* crate::d */ crate::e */ /// [`crate::f`]\nconst X: &str = \"\\\" crate::g\"; \
            const Y: &str = r#\"\" crate::h\"#; const Z: (char, char) = ('\"', '\\''); fn r#type() -> crate::i::J {}";
        assert_eq!(paths(text), ["crate::i::J"]);
    }

    #[test]
    fn code_that_only_tests_have_is_left_out() {
        let text = "#[cfg(test)] mod checks; #[cfg(any(test, feature = \"testing\"))] pub(crate) fn f<A, B>() { crate::a::b() } \
            struct S { #[cfg(test)] x: crate::c::D, y: crate::e::F } #[cfg(test)] use crate::{g, h}; \
            #[cfg(test)] mod tests { use crate::i; } mod real;";
        let contents = Contents::of(text);
        assert_eq!(contents.declared, ["real"]);
        assert_eq!(contents.paths, [path("crate::e::F")]);
        assert_eq!(contents.bound, []);
    }

    #[test]
    fn code_that_tests_do_not_have_counts() {
        assert_eq!(paths("#[cfg(not(test))] fn f() { crate::a::b() }"), ["crate::a::b"]);
    }

    #[test]
    fn a_file_of_tests_is_empty() {
        assert_eq!(bound("#![cfg(test)]\nuse crate::a;"), []);
    }

    #[test]
    fn modules_are_declared_or_written_in_place() {
        let contents = Contents::of("pub mod a; mod b { use super::a::X; mod c; }");
        assert_eq!(contents.declared, ["a"]);
        let (name, inner) = &contents.inline[0];
        assert_eq!((name.as_str(), &inner.declared), ("b", &vec!["c".to_owned()]));
        assert_eq!(inner.bound, [("X".to_owned(), path("super::a::X"))]);
    }
}
