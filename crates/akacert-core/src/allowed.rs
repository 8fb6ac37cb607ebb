//! PURE: which names and which namespaces an account allows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use std::collections::BTreeMap;

/// The names that no pattern allows. `*` matches every name, `*.example.com` one or more labels below `example.com`,
/// and anything else only itself. Case does not matter.
#[must_use]
pub fn disallowed<'a>(patterns: &[String], names: &[&'a str]) -> Vec<&'a str> {
    names.iter().copied().filter(|name| !patterns.iter().any(|pattern| allows(pattern, name))).collect()
}

fn allows(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(below) if below.starts_with('.') => {
            let end = name.len().checked_sub(below.len()).filter(|start| *start > 0);
            end.and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(below))
        }
        _ => pattern.eq_ignore_ascii_case(name),
    }
}

/// Whether a selector matches a namespace with these labels. An empty selector matches every namespace. A malformed
/// one matches none.
#[must_use]
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn refused<'a>(patterns: &[&str], names: &[&'a str]) -> Vec<&'a str> {
        disallowed(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>(), names)
    }

    #[test]
    fn a_bare_name_is_itself_and_nothing_below() {
        assert_eq!(refused(&["example.com"], &["example.com", "EXAMPLE.com"]), Vec::<&str>::new());
        assert_eq!(
            refused(&["example.com"], &["www.example.com", "xexample.com"]),
            ["www.example.com", "xexample.com"]
        );
    }

    #[test]
    fn a_wildcard_is_one_or_more_labels_below_and_not_the_name_itself() {
        assert_eq!(refused(&["*.example.com"], &["www.example.com", "a.b.EXAMPLE.com"]), Vec::<&str>::new());
        assert_eq!(
            refused(&["*.example.com"], &["example.com", "xexample.com", ".example.com"]),
            ["example.com", "xexample.com", ".example.com"]
        );
    }

    #[test]
    fn a_star_is_everything_and_no_pattern_is_nothing() {
        assert_eq!(refused(&["*"], &["www.example.com"]), Vec::<&str>::new());
        assert_eq!(refused(&[], &["www.example.com"]), ["www.example.com"]);
        assert_eq!(refused(&["*example.com"], &["www.example.com"]), ["www.example.com"]);
        assert_eq!(refused(&["*.example.com"], &["äexample.com", "m"]), ["äexample.com", "m"]);
    }

    #[test]
    fn namespaces_are_selected_by_labels_and_expressions() {
        let labels: BTreeMap<String, String> = [("team".to_owned(), "web".to_owned())].into();
        let cases = [
            (json!({}), true),
            (json!({"matchLabels": {"team": "web"}}), true),
            (json!({"matchLabels": {"team": "shop"}}), false),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["web", "shop"]}]}),
                true,
            ),
            (json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["web"]}]}), false),
            (json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]}), true),
            (json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}), false),
            (json!({"matchExpressions": [{"key": "team", "operator": "Bogus"}]}), false),
        ];
        for (selector, expected) in cases {
            assert_eq!(
                selects(&serde_json::from_value(selector.clone()).unwrap(), &labels),
                expected,
                "{selector}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_name_is_below_its_parent_and_never_its_parent(label in "[a-z]{1,10}", parent in "[a-z]{1,10}[.][a-z]{2,3}") {
            let name = format!("{label}.{parent}");
            let pattern = format!("*.{parent}");
            prop_assert!(refused(&[&pattern], &[&name]).is_empty());
            prop_assert_eq!(refused(&[&pattern], &[&parent]), [parent.as_str()]);
        }
    }
}
