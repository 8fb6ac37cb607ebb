//! The pure crates have no dependency that does I/O.
#![allow(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::process::Command;

/// Clients, runtimes, resolvers, sockets and sources of randomness, with which a crate could do I/O.
const HANDS: [&str; 16] = [
    "async-std",
    "axum",
    "getrandom",
    "h2",
    "hickory-net",
    "hickory-resolver",
    "hyper",
    "hyper-util",
    "kube-client",
    "kube-runtime",
    "mio",
    "rand",
    "reqwest",
    "socket2",
    "tokio",
    "tower",
];

/// The names of all crates that a crate depends on, with the features that cargo resolves when it builds the crate
/// alone.
fn dependencies(of: &str) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--package", of])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8(tree.stdout).unwrap();
    let mut names: Vec<String> =
        lines.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn the_pure_crates_have_no_hands() {
    for pure in ["akacert-core", "akacert-api", "akamai-cps-types"] {
        let dependencies = dependencies(pure);
        assert!(dependencies.iter().any(|name| name == "serde"), "{pure}: {dependencies:?}");
        let hands: Vec<&str> =
            HANDS.into_iter().filter(|hand| dependencies.iter().any(|name| name == hand)).collect();
        assert_eq!(hands, Vec::<&str>::new(), "{pure} could do I/O");
    }
}

#[test]
fn the_client_of_cps_is_seen_to_have_hands() {
    assert!(dependencies("akamai-cps").iter().any(|name| name == "tokio"));
}

#[test]
fn the_plugin_does_not_depend_on_the_operator() {
    assert!(!dependencies("kubectl-akacert").iter().any(|name| name == "akacert"));
}
