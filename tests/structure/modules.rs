//! The modules of a crate, and which of them a module names.

use std::collections::BTreeMap;
use std::path::Path;

use crate::source::Contents;

/// The path of a module from the crate's root, whose own path is empty.
pub type Place = Vec<String>;

/// How often a name may stand for another name. After that it counts as a name from outside the crate.
const LONGEST_CHAIN: usize = 16;

/// The modules of one library or program.
pub struct Crate(BTreeMap<Place, Contents>);

/// One module names another.
#[derive(Debug, Clone)]
pub struct Naming {
    pub from: Place,
    pub to: Place,
    /// The path as it is written.
    pub written: String,
}

impl Crate {
    /// Follows the `mod` lines from a root file. `read` returns `None` if a file does not exist.
    pub fn load(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut found = Self(BTreeMap::new());
        let text = read(root).unwrap_or_else(|| panic!("cannot read {}", root.display()));
        let directory = root.parent().unwrap();
        found.add(Vec::new(), directory, Contents::of(&text), read);
        found
    }

    /// Adds a module and its children, whose files are in `directory`.
    fn add(
        &mut self,
        place: Place,
        directory: &Path,
        mut contents: Contents,
        read: &dyn Fn(&Path) -> Option<String>,
    ) {
        for name in &contents.declared {
            let below = directory.join(name);
            let text = read(&below.with_extension("rs")).or_else(|| read(&below.join("mod.rs")));
            let text = text.unwrap_or_else(|| panic!("no file for mod {name} in {}", directory.display()));
            self.add(child(&place, name), &below, Contents::of(&text), read);
        }
        for (name, inner) in std::mem::take(&mut contents.inline) {
            self.add(child(&place, &name), &directory.join(&name), inner, read);
        }
        self.0.insert(place, contents);
    }

    /// Every module that a module names, except itself.
    pub fn namings(&self) -> Vec<Naming> {
        let mut namings = Vec::new();
        for (from, contents) in &self.0 {
            let bound = contents.bound.iter().map(|(name, path)| (path, name == "*"));
            for (path, glob) in bound.chain(contents.paths.iter().map(|path| (path, false))) {
                let mut named = self.named(from, path, 0);
                if glob {
                    // A glob brings in everything that the module has by its own `use` lines.
                    let brought: Vec<Place> = named.iter().flat_map(|place| self.brought(place)).collect();
                    named.extend(brought);
                }
                named.retain(|to| to != from);
                namings.extend(named.into_iter().map(|to| Naming {
                    from: from.clone(),
                    to,
                    written: path.join("::"),
                }));
            }
        }
        namings
    }

    fn brought(&self, place: &Place) -> Vec<Place> {
        self.0[place].bound.iter().flat_map(|(_, path)| self.named(place, path, 0)).collect()
    }

    /// The modules that a path in `from` leads to: the one that defines the name, and those that re-export it.
    fn named(&self, from: &Place, path: &[String], chain: usize) -> Vec<Place> {
        let Some((first, rest)) = path.split_first().filter(|_| chain < LONGEST_CHAIN) else {
            return Vec::new();
        };
        match first.as_str() {
            "crate" => self.below(&Vec::new(), rest, chain),
            "self" => self.below(from, rest, chain),
            "super" => {
                let up = rest.iter().take_while(|segment| *segment == "super").count();
                let parent = &from[..from.len().saturating_sub(up + 1)];
                self.below(&parent.to_vec(), &rest[up..], chain)
            }
            name if self.0.contains_key(&child(from, name)) => self.below(from, path, chain),
            name => self.through_use(from, name, rest, chain),
        }
    }

    /// Follows a path downwards from a module.
    fn below(&self, start: &Place, path: &[String], chain: usize) -> Vec<Place> {
        let mut place = start.clone();
        for (at, name) in path.iter().enumerate() {
            let next = child(&place, name);
            if !self.0.contains_key(&next) {
                let mut named = self.through_use(&place, name, &path[at + 1..], chain);
                named.push(place);
                return named;
            }
            place = next;
        }
        vec![place]
    }

    /// Follows a name that a module gets from a `use` line.
    fn through_use(&self, place: &Place, name: &str, rest: &[String], chain: usize) -> Vec<Place> {
        let bound = self.0[place].bound.iter();
        bound
            .filter(|(bound, _)| bound == name)
            .flat_map(|(_, path)| self.named(place, &[path.as_slice(), rest].concat(), chain + 1))
            .collect()
    }
}

fn child(place: &Place, name: &str) -> Place {
    place.iter().cloned().chain([name.to_owned()]).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A crate from its files, as pairs of name below `src` and content.
    pub fn crate_of(files: &[(&str, &str)]) -> Crate {
        let read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new("src").join(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        Crate::load(Path::new("src/lib.rs"), &read)
    }

    fn namings(files: &[(&str, &str)]) -> Vec<String> {
        let namings = crate_of(files).namings();
        namings
            .iter()
            .map(|naming| format!("{} -> {}", naming.from.join("::"), naming.to.join("::")))
            .collect()
    }

    #[test]
    fn files_are_found_as_the_compiler_finds_them() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c { mod d; }"),
            ("a.rs", "mod e;"),
            ("a/e.rs", "use crate::b::X;"),
            ("b/mod.rs", "use crate::c;"),
            ("c/d.rs", "use super::super::a;"),
        ];
        assert_eq!(namings(&files), ["a::e -> b", "b -> c", "c::d -> a"]);
    }

    #[test]
    fn a_name_from_the_parent_leads_to_the_module_that_the_parent_has_it_from() {
        let files = [("lib.rs", "mod a; mod b; pub use b::X;"), ("a.rs", "use crate::X;"), ("b.rs", "")];
        assert!(namings(&files).contains(&"a -> b".to_owned()));
        let files = [("lib.rs", "mod a; mod b; pub use b::X;"), ("a.rs", "use super::*;"), ("b.rs", "")];
        assert!(namings(&files).contains(&"a -> b".to_owned()));
    }

    #[test]
    fn a_path_that_begins_with_an_imported_module_leads_below_it() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; mod c;"),
            ("a/b.rs", "use crate::a; fn f() { a::c::g() }"),
            ("a/c.rs", ""),
        ];
        assert!(namings(&files).contains(&"a::b -> a::c".to_owned()));
    }

    #[test]
    fn other_crates_are_not_named() {
        assert_eq!(
            namings(&[("lib.rs", "mod a;"), ("a.rs", "use std::fmt; use a::a; fn f() { a::b() }")]),
            [""; 0]
        );
    }
}
