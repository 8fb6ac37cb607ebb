//! The key that signs updates, from a file in BIND's syntax.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hickory_net::proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_net::proto::rr::{Name, TSigner};

/// Seconds by which the clocks of simulator and name server may differ.
const FUDGE: u16 = 300;

/// Why a key file is unusable.
#[derive(Debug, thiserror::Error)]
pub enum TsigKeyError {
    #[error("cannot read the TSIG key in {path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error(
        "{path} has no usable TSIG key: {problem}. Write it like key \"NAME\" {{ algorithm hmac-sha256; secret \"BASE64\"; }};"
    )]
    Syntax {
        path: String,
        /// Says what is wrong without the secret.
        problem: &'static str,
    },
}

pub(crate) fn read(file: &Path) -> Result<TSigner, TsigKeyError> {
    let path = file.display().to_string();
    let text =
        std::fs::read_to_string(file).map_err(|source| TsigKeyError::Read { path: path.clone(), source })?;
    parse(&text).map_err(|problem| TsigKeyError::Syntax { path, problem })
}

fn parse(text: &str) -> Result<TSigner, &'static str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.starts_with("//"));
    let punctuation = |c: char| c.is_whitespace() || "{};\"".contains(c);
    let words: Vec<&str> =
        lines.flat_map(|line| line.split(punctuation)).filter(|word| !word.is_empty()).collect();
    let value = |wanted: &str, missing| {
        words.chunks_exact(2).find(|pair| pair[0] == wanted).map(|pair| pair[1]).ok_or(missing)
    };
    let name =
        Name::from_ascii(value("key", "it has no key")?).map_err(|_| "its name is not a domain name")?;
    let algorithm = match value("algorithm", "it has no algorithm")? {
        "hmac-sha256" => TsigAlgorithm::HmacSha256,
        "hmac-sha384" => TsigAlgorithm::HmacSha384,
        "hmac-sha512" => TsigAlgorithm::HmacSha512,
        _ => return Err("the algorithm must be hmac-sha256, hmac-sha384 or hmac-sha512"),
    };
    let secret = BASE64_STANDARD
        .decode(value("secret", "it has no secret")?)
        .map_err(|_| "the secret is not valid base64")?;
    TSigner::new(secret, algorithm, name, FUDGE).map_err(|_| "the key is unusable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_the_syntax_of_bind() {
        let one_line = "key \"edge.key\" { algorithm hmac-sha256; secret \"c2VjcmV0\"; };\n";
        let lines =
            "# made by tsig-keygen\nkey edge.key {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0\";\n};\n";
        for text in [one_line, lines] {
            let key = parse(text).unwrap();
            assert_eq!(key.signer_name().to_string(), "edge.key.");
            assert_eq!((key.key(), key.algorithm()), (b"secret".as_slice(), &TsigAlgorithm::HmacSha256));
        }
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said_without_its_secret() {
        let table = [
            ("", "it has no key"),
            ("key a { secret \"c2VjcmV0\"; };", "it has no algorithm"),
            ("key a { algorithm hmac-sha256; };", "it has no secret"),
            (
                "key a { algorithm hmac-md5; secret \"c2VjcmV0\"; };",
                "the algorithm must be hmac-sha256, hmac-sha384 or hmac-sha512",
            ),
            ("key a { algorithm hmac-sha256; secret \"!\"; };", "the secret is not valid base64"),
        ];
        for (text, problem) in table {
            assert_eq!(parse(text).err(), Some(problem), "{text}");
        }
    }
}
