//! PURE: completes the command line for kubectl, which calls `kubectl_complete-akacert` by Cobra's protocol. clap
//! generates the scripts for shells.

use clap::{Arg, Command};

/// The candidates for the last word.
#[derive(Debug, PartialEq, Eq)]
pub struct Next {
    /// Words, and the meaning of each.
    pub words: Vec<(String, String)>,
    /// Whether names of certificates are candidates too.
    pub certificates: bool,
    /// The namespace given earlier on the command line.
    pub namespace: Option<String>,
    /// The context given earlier on the command line.
    pub context: Option<String>,
}

/// The candidates for the last of the words after `kubectl akacert`.
pub fn next(root: &Command, words: &[String]) -> Next {
    let (last, before) = words.split_last().map_or(("", [].as_slice()), |(last, before)| (last, before));
    let mut next = Next { words: Vec::new(), certificates: false, namespace: None, context: None };
    let (mut command, mut places) = (None, 0);
    let mut before = before.iter();
    while let Some(word) = before.next() {
        if let Some(option) = option(root, command, word) {
            if !option.get_action().takes_values() {
                continue;
            }
            let Some(value) =
                word.split_once('=').map(|(_, value)| value.to_owned()).or_else(|| before.next().cloned())
            else {
                next.words = values(option);
                return begins_with(next, last);
            };
            match option.get_id().as_str() {
                "namespace" => next.namespace = Some(value),
                "context" => next.context = Some(value),
                _ => {}
            }
        } else if command.is_none() {
            command = root.find_subcommand(word);
        } else {
            places += 1;
        }
    }
    if last.starts_with('-') {
        next.words = options(root, command).flat_map(spellings).collect();
    } else if let Some(command) = command {
        let place = command.get_positionals().nth(places);
        next.words = place.map(values).unwrap_or_default();
        next.certificates = place.is_some_and(|place| place.get_id() == "name");
    } else {
        let commands = root.get_subcommands().filter(|command| !command.is_hide_set());
        next.words =
            commands.map(|command| (command.get_name().to_owned(), about(command.get_about()))).collect();
    }
    begins_with(next, last)
}

/// The output in Cobra's protocol: one word per line, then a directive for the shell (4: offer no files).
pub fn lines(words: &[(String, String)]) -> String {
    let lines = words.iter().map(|(word, meaning)| match meaning.as_str() {
        "" => format!("{word}\n"),
        meaning => format!("{word}\t{meaning}\n"),
    });
    lines.chain([":4\n".to_owned()]).collect()
}

fn begins_with(mut next: Next, last: &str) -> Next {
    next.words.retain(|(word, _)| word.starts_with(last));
    next
}

fn options<'a>(root: &'a Command, command: Option<&'a Command>) -> impl Iterator<Item = &'a Arg> {
    let arguments = command.into_iter().chain([root]).flat_map(Command::get_arguments);
    arguments.filter(|argument| !argument.is_positional() && !argument.is_hide_set())
}

/// The option that a word names.
fn option<'a>(root: &'a Command, command: Option<&'a Command>, word: &str) -> Option<&'a Arg> {
    let name = word.split('=').next().unwrap_or(word);
    options(root, command).find(|option| spellings(option).any(|(spelling, _)| spelling == name))
}

fn spellings(option: &Arg) -> impl Iterator<Item = (String, String)> {
    let long = option.get_long().map(|long| format!("--{long}"));
    let short = option.get_short().map(|short| format!("-{short}"));
    let meaning = about(option.get_help());
    long.into_iter().chain(short).map(move |spelling| (spelling, meaning.clone()))
}

fn values(argument: &Arg) -> Vec<(String, String)> {
    let values = argument.get_possible_values();
    values.iter().map(|value| (value.get_name().to_owned(), about(value.get_help()))).collect()
}

fn about(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(|text| text.to_string().lines().next().unwrap_or_default().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn after(line: &str) -> Next {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        next(&crate::Cli::command(), &words)
    }

    fn words(line: &str) -> Vec<String> {
        after(line).words.into_iter().map(|(word, _)| word).collect()
    }

    #[test]
    fn each_place_has_what_may_stand_there() {
        for (line, expected) in [
            ("st", vec!["status"]),
            ("p", vec!["plan", "probe"]),
            ("__", vec![]),
            ("status --w", vec!["--watch"]),
            ("status --na", vec!["--namespace"]),
            ("status www -o ", vec!["json", "yaml"]),
            ("status www -o y", vec!["yaml"]),
            ("approve www ", vec!["plan", "warnings", "deployment"]),
            ("approve --yes www d", vec!["deployment"]),
            ("status www ", vec![]),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }

    #[test]
    fn names_of_certificates_stand_where_a_command_wants_one() {
        assert!(after("status ").certificates);
        assert!(after("--namespace shop approve w").certificates);
        assert!(!after("approve www ").certificates);
        assert!(!after("").certificates);
        let named = after("-n shop --context=test explain ");
        assert!(named.certificates);
        assert_eq!((named.namespace.as_deref(), named.context.as_deref()), (Some("shop"), Some("test")));
    }

    #[test]
    fn kubectl_is_answered_by_the_protocol_of_cobra() {
        let words = [("json".to_owned(), String::new()), ("status".to_owned(), "Shows it".to_owned())];
        assert_eq!(lines(&words), "json\nstatus\tShows it\n:4\n");
        assert_eq!(lines(&[]), ":4\n");
    }
}
