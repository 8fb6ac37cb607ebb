//! The structure of every crate of the workspace: no two sibling modules depend on each other in a circle.
//!
//! A module depends on the modules that its `use` lines and its paths name; test code does not count. Parent and
//! child may name each other, because a directory and its files are one thing from outside. The test reads everything
//! from the source, so it needs no build to find a circle.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod circles;
mod modules;
mod source;

use std::path::{Path, PathBuf};

use modules::Crate;

/// The directories of all members, the root package first.
fn members(workspace: &Path) -> Vec<String> {
    let manifest = std::fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    let (_, list) = manifest.split_once("members = [").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    let listed = list.split('"').skip(1).step_by(2).map(str::to_owned);
    std::iter::once(".".to_owned()).chain(listed).collect()
}

/// The root files of a member: its library and its programs.
fn roots(member: &Path) -> Vec<PathBuf> {
    let src = member.join("src");
    let programs =
        std::fs::read_dir(src.join("bin")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let usual = ["lib.rs", "main.rs"].map(|name| src.join(name));
    usual.into_iter().chain(programs).filter(|file| file.is_file()).collect()
}

#[test]
fn no_crate_has_a_circle_between_sibling_modules() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for member in members(workspace) {
        for root in roots(&workspace.join(member)) {
            let read = |file: &Path| std::fs::read_to_string(file).ok();
            let shown = root.strip_prefix(workspace).unwrap().display().to_string();
            found.extend(
                circles::of(&Crate::load(&root, &read)).iter().map(|circle| format!("{shown}: {circle}")),
            );
        }
    }
    assert!(found.is_empty(), "sibling modules depend on each other:\n{}", found.join("\n"));
}
