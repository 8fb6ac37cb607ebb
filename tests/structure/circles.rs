//! Finds circles between the modules of one level, and describes them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::modules::{Crate, Naming, Place};

/// Sibling modules that all depend on each other.
#[derive(Debug)]
pub struct Circle {
    parent: Place,
    members: BTreeSet<String>,
    /// The shortest way round: which module names which, and where.
    shortest: Vec<(String, Naming)>,
}

/// For each module, the siblings that it depends on, with one place that shows it.
type Siblings = BTreeMap<String, BTreeMap<String, Naming>>;

/// All circles of a crate, those at the top first.
pub fn of(tree: &Crate) -> Vec<Circle> {
    let mut levels: BTreeMap<Place, Siblings> = BTreeMap::new();
    for naming in tree.namings() {
        let shared = naming.from.iter().zip(&naming.to).take_while(|(from, to)| from == to).count();
        // Without a module below the shared one, one of the two contains the other.
        if let (Some(from), Some(to)) = (naming.from.get(shared).cloned(), naming.to.get(shared).cloned()) {
            let level = levels.entry(naming.from[..shared].to_vec()).or_default();
            level.entry(from).or_default().entry(to).or_insert(naming);
        }
    }
    levels.into_iter().flat_map(|(parent, siblings)| of_level(&parent, &siblings)).collect()
}

fn of_level(parent: &Place, siblings: &Siblings) -> Vec<Circle> {
    let mut circles: Vec<Circle> = Vec::new();
    for start in siblings.keys() {
        if circles.iter().any(|circle| circle.members.contains(start)) {
            continue;
        }
        let reached = reached(siblings, start);
        let members: BTreeSet<String> =
            reached.iter().filter(|other| self::reached(siblings, other).contains(start)).cloned().collect();
        let rounds = members.iter().filter_map(|member| round(siblings, member));
        if let Some(shortest) = rounds.min_by_key(Vec::len) {
            circles.push(Circle { parent: parent.clone(), members, shortest });
        }
    }
    circles
}

/// Everything that a module depends on, directly or not. It includes the module itself only if it is in a circle.
fn reached(siblings: &Siblings, start: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut next = vec![start.to_owned()];
    while let Some(module) = next.pop() {
        for other in siblings.get(&module).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(other.clone()) {
                next.push(other.clone());
            }
        }
    }
    reached
}

/// The shortest way from a module back to itself.
fn round(siblings: &Siblings, start: &str) -> Option<Vec<(String, Naming)>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(module) = next.pop_front() {
        for other in siblings.get(module).into_iter().flat_map(BTreeMap::keys) {
            if other == start {
                let mut way = vec![module, start];
                while way[0] != start {
                    way.insert(0, came_from[way[0]]);
                }
                let step = |pair: &[&str]| (pair[0].to_owned(), siblings[pair[0]][pair[1]].clone());
                return Some(way.windows(2).map(step).collect());
            }
            if !came_from.contains_key(other.as_str()) {
                came_from.insert(other, module);
                next.push_back(other);
            }
        }
    }
    None
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent: String = self.parent.iter().map(|name| format!("::{name}")).collect();
        let members = self.members.iter().cloned().collect::<Vec<_>>().join(", ");
        writeln!(f, "{} modules of crate{parent} in a circle: {members}", self.members.len())?;
        for (module, naming) in &self.shortest {
            writeln!(f, "    {module}: {} has {}", naming.from.join("::"), naming.written)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::tests::crate_of;

    fn members(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        of(&crate_of(files)).into_iter().map(|circle| circle.members.into_iter().collect()).collect()
    }

    #[test]
    fn two_modules_that_name_each_other_are_a_circle() {
        let files =
            [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", "fn f() { crate::a::g() }")];
        assert_eq!(members(&files), [["a", "b"]]);
    }

    #[test]
    fn a_circle_can_lead_over_others_and_through_files_of_a_folder() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a/mod.rs", "mod x;"),
            ("a/x.rs", "use crate::b::{self, B};"),
            ("b.rs", "use super::c;"),
            ("c.rs", "use crate::{a::A, d};"),
            ("d.rs", ""),
        ];
        assert_eq!(members(&files), [["a", "b", "c"]]);
    }

    #[test]
    fn files_of_one_folder_are_siblings_too() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod x; mod y; pub use y::Y;"),
            ("a/x.rs", "use super::Y;"),
            ("a/y.rs", "use super::x::X;"),
        ];
        assert_eq!(members(&files), [["x", "y"]]);
    }

    #[test]
    fn parent_and_child_are_no_circle() {
        let files = [
            ("lib.rs", "mod a; use a::A; pub struct Root;"),
            ("a/mod.rs", "mod x; use x::X; use crate::Root; pub struct Y;"),
            ("a/x.rs", "use super::Y;"),
        ];
        assert_eq!(members(&files), [[""; 0]; 0]);
    }

    #[test]
    fn test_code_makes_no_circle() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "#[cfg(test)]\nmod tests { use crate::a::A; }"),
        ];
        assert_eq!(members(&files), [[""; 0]; 0]);
    }

    #[test]
    fn a_circle_is_told_with_the_paths_that_make_it() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::a; use crate::c::C;"),
            ("c.rs", "use crate::a::A;"),
        ];
        let told = of(&crate_of(&files))[0].to_string();
        assert_eq!(
            told,
            "3 modules of crate in a circle: a, b, c\n    a: a has crate::b::B\n    b: b has crate::a\n"
        );
    }
}
