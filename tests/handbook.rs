//! The handbook's reference is rendered from the code, and its links lead somewhere. `tests/e2e/handbook.rs` runs its
//! commands.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use akacert::process::metrics::catalog;
use akacert_api::{self, conditions, reason};
use akacert_core::desired::reference;
use akacert_core::events;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use serde_json::Value;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Compares a page with the rendered text. With UPDATE set, it writes the page.
fn is_rendered(page: &str, rendered: &str) {
    let path = docs().join(page);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, rendered).unwrap();
    }
    let present = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        present == rendered,
        "docs/{page} is not what the code says: run `UPDATE=1 cargo test --test handbook`"
    );
}

#[test]
fn reasons_are_the_table_of_the_code() {
    is_rendered("reasons.md", &reason::handbook_page());
}

#[test]
fn conditions_are_the_table_of_the_code() {
    is_rendered("conditions.md", &conditions::handbook_page());
}

#[test]
fn every_annotation_and_label_has_its_row() {
    let source = include_str!("../crates/akacert-api/src/names.rs");
    let quoted = source.lines().filter_map(|line| line.strip_prefix("pub const "));
    let constants = quoted.filter_map(|line| Some((line.split(':').next()?, line.split('"').nth(1)?)));
    let page = fs::read_to_string(docs().join("annotations.md")).unwrap();
    for (constant, name) in constants {
        let on_objects = ["_ANNOTATION", "_LABEL", "_FINALIZER"].iter().any(|end| constant.ends_with(end));
        let row = format!("\n| `{name}` |");
        assert!(!on_objects || page.contains(&row), "docs/annotations.md has no row for {name} ({constant})");
    }
}

#[test]
fn events_are_those_of_the_code() {
    is_rendered("events.md", &events::handbook_page());
}

#[test]
fn metrics_are_the_catalog_of_the_code() {
    is_rendered("metrics.md", &catalog::handbook_page());
}

#[test]
fn flags_are_what_the_program_says() {
    let mut page = String::from("# Flags\n\nThis page is the output of `--help`.\n");
    for command in ["operator", "solver", "export", "crds"] {
        let help = help(Path::new(env!("CARGO_BIN_EXE_akacert")), &[command]);
        write!(page, "\n## akacert {command}\n\n{help}").unwrap();
    }
    is_rendered("flags.md", &page);
}

#[test]
fn flags_of_the_plugin_are_what_it_says() {
    let mut page = String::from("# Flags of kubectl akacert\n\nThis page is the output of `--help`.\n");
    let plugin = testbed::own("kubectl-akacert").unwrap();
    write!(page, "\n{}", help(&plugin, &[])).unwrap();
    for command in ["status", "explain", "plan", "approve", "renew", "probe", "completion"] {
        write!(page, "\n## kubectl akacert {command}\n\n{}", help(&plugin, &[command])).unwrap();
    }
    is_rendered("kubectl-akacert-flags.md", &page);
}

/// The output of `--help` of a program, as a code block.
fn help(program: &Path, command: &[&str]) -> String {
    let output = Command::new(program).args(command).arg("--help").env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    format!("```text\n{}\n```\n", help.join("\n").trim_end())
}

/// Verbs by place and resource, without the API group.
type Rights = BTreeMap<(String, String), BTreeSet<String>>;

/// What the base's roles grant a component. `CLUSTER` are the kinds without a namespace.
fn granted(component: &str) -> Rights {
    const CLUSTER: &[&str] = &["clusterakamaiaccounts", "namespaces", "ingressclasses", "events"];
    let mut rights = Rights::new();
    let manifests = fs::read_to_string(docs().join(format!("../deploy/base/{component}-rbac.yaml"))).unwrap();
    for document in manifests.split("\n---\n") {
        let role: Value = serde_saphyr::from_str(document).unwrap();
        for rule in role["rules"].as_array().into_iter().flatten() {
            let words = |field: &str| -> Vec<String> { serde_json::from_value(rule[field].clone()).unwrap() };
            for resource in words("resources") {
                let (kind, part) = resource.split_once('/').unwrap_or((&resource, ""));
                let place = match role["kind"].as_str().unwrap() {
                    "Role" => "its own namespace",
                    _ if CLUSTER.contains(&kind) => "cluster",
                    _ => "certificates' namespaces",
                };
                let verbs = words("verbs").into_iter().map(|verb| match part {
                    "" => verb,
                    part => format!("{part}: {verb}"),
                });
                rights.entry((place.to_owned(), kind.to_owned())).or_default().extend(verbs);
            }
        }
    }
    rights
}

/// What the handbook's table says that they grant.
fn told() -> Rights {
    let mut rights = Rights::new();
    let page = fs::read_to_string(docs().join("security.md")).unwrap();
    let rows = page.lines().skip_while(|line| *line != "|---|---|---|---|").skip(1);
    for row in rows.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for resource in cells[2].split(", ").map(|resource| resource.trim_matches('`')) {
            let (kind, only) = resource.split_once('/').unwrap_or((resource, ""));
            let mut part = only.to_owned();
            // `get, list; status: patch; its own: get` are groups. "its own" names the object, and is not another
            // right.
            for group in cells[3].split("; ") {
                let (named, verbs) = group.split_once(": ").unwrap_or(("", group));
                if !named.is_empty() {
                    part = if named == "its own" { String::new() } else { named.to_owned() };
                }
                let verbs = verbs.split(", ").map(|verb| match part.as_str() {
                    "" => verb.to_owned(),
                    part => format!("{part}: {verb}"),
                });
                rights.entry((cells[1].to_owned(), kind.to_owned())).or_default().extend(verbs);
            }
        }
    }
    rights
}

#[test]
fn the_rights_of_the_operator_are_told_line_by_line() {
    let (granted, told) = (granted("operator"), told());
    assert!(granted.len() >= 15, "only {} rights", granted.len());
    for ((place, kind), verbs) in &granted {
        let row = told.get(&(place.clone(), kind.clone()));
        let row =
            row.unwrap_or_else(|| panic!("docs/security.md has no row `| {place} | `{kind}` | {verbs:?} |`"));
        assert_eq!(row, verbs, "docs/security.md, the row `| {place} | `{kind}` |` against deploy/base");
    }
    for (place, kind) in told.keys() {
        assert!(
            granted.contains_key(&(place.clone(), kind.clone())),
            "docs/security.md has a row `| {place} | `{kind}` |` that deploy/base does not grant"
        );
    }
}

#[test]
fn values_of_the_chart_are_its_values_yaml() {
    let values = fs::read_to_string(docs().join("../charts/akacert/values.yaml")).unwrap();
    let page = format!(
        "# Values of the chart\n\nThis page is `charts/akacert/values.yaml`. A schema rejects unknown values and wrong types.\n\n```yaml\n{}```\n",
        values
    );
    is_rendered("chart-values.md", &page);
}

#[test]
fn the_solver_may_what_one_sentence_says() {
    const SENTENCE: &str =
        "The solver may get, list and watch the ConfigMaps of the operator's namespace, and nothing else.";
    assert!(fs::read_to_string(docs().join("security.md")).unwrap().contains(SENTENCE));
    let place = ("its own namespace".to_owned(), "configmaps".to_owned());
    let verbs = ["get", "list", "watch"].map(str::to_owned).into();
    assert_eq!(granted("solver"), Rights::from([(place, verbs)]));
}

#[test]
fn fields_are_those_of_the_crds() {
    let mut page = String::from(
        "# Fields\n\nThis page has every field of every kind, as `kubectl explain` shows it. It is rendered from the CRDs.\n",
    );
    for (_, crd) in akacert_api::crds() {
        write!(page, "\n## {}\n\n| Field | Type | What it says |\n|---|---|---|\n", crd.spec.names.kind)
            .unwrap();
        let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
        for part in ["spec", "status"] {
            fields(part, &schema.properties.as_ref().unwrap()[part], &mut page);
        }
    }
    is_rendered("fields.md", &page);
}

fn fields(path: &str, schema: &JSONSchemaProps, page: &mut String) {
    let required = schema.required.clone().unwrap_or_default();
    for (name, property) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let list = property.type_.as_deref() == Some("array");
        let kind = property.type_.clone().unwrap_or_else(|| "any".into());
        let kind = if required.contains(name) { format!("{kind}, required") } else { kind };
        let description = property.description.clone().unwrap_or_default();
        let description = description.replace('\n', " ").replace('|', "\\|");
        writeln!(page, "| `{path}{}` | {kind} | {description} |", if list { "[]" } else { "" }).unwrap();
        fields(&path, property, page);
        if let Some(JSONSchemaPropsOrArray::Schema(items)) = &property.items {
            fields(&format!("{path}[]"), items, page);
        }
    }
}

#[test]
fn what_a_change_of_a_field_does_is_the_table_of_the_code() {
    is_rendered("changes.md", &reference::handbook_page());
}

#[test]
fn every_way_of_validation_has_its_section_and_its_row() {
    let page = fs::read_to_string(docs().join("validation.md")).unwrap();
    let (_, crd) =
        akacert_api::crds().into_iter().find(|(_, crd)| crd.spec.names.kind == "AkamaiCertificate").unwrap();
    let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
    let below = |schema: &JSONSchemaProps, name: &str| schema.properties.as_ref().unwrap()[name].clone();
    let validation = below(&below(&schema, "spec"), "validation");
    let mut ways = vec!["edge".to_owned()];
    for kind in ["http01", "dns01"] {
        ways.extend(below(&validation, kind).properties.unwrap().keys().map(|way| format!("{kind}.{way}")));
    }
    assert!(ways.len() >= 9, "{ways:?}");
    for way in ways {
        assert!(page.contains(&format!("\n### {way}\n")), "docs/validation.md has no section {way}");
        assert!(page.contains(&format!("\n| [`{way}")), "docs/validation.md has no row {way}");
    }
}

fn pages() -> Vec<PathBuf> {
    let markdown = |directory: &Path| {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect::<Vec<_>>()
    };
    [markdown(&docs()), markdown(&docs().join("decisions"))].concat()
}

/// The targets of a page's links.
fn links(page: &str) -> Vec<&str> {
    page.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target)).collect()
}

#[test]
fn the_table_of_contents_has_every_page() {
    let summary = fs::read_to_string(docs().join("SUMMARY.md")).unwrap();
    let listed: BTreeSet<PathBuf> = links(&summary).into_iter().map(|target| docs().join(target)).collect();
    let mut present: BTreeSet<PathBuf> = pages().into_iter().collect();
    present.remove(&docs().join("SUMMARY.md"));
    assert_eq!(listed, present);
}

#[test]
fn every_link_within_the_handbook_leads_somewhere() {
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for target in links(&page).into_iter().filter(|target| !target.starts_with("http")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let other = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let found = fs::read_to_string(&other).unwrap_or_default();
            assert!(!found.is_empty(), "{}: {target}", path.display());
            let headings = found.lines().filter_map(|line| line.strip_prefix('#'));
            let heading =
                headings.map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"));
            let named = found.contains(&format!("<a id=\"{anchor}\"></a>"));
            let known =
                anchor.is_empty() || named || heading.collect::<Vec<_>>().contains(&anchor.to_owned());
            assert!(known, "{}: {target} has no such section", path.display());
        }
    }
}

/// Whether a line begins its own block: a heading, a row of a table, an item of a list, code, a comment.
fn begins_a_block(line: &str) -> bool {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered = number.len() < line.len() && number.starts_with(". ");
    is_numbered || ["#", "|", "- ", "```", "<!--"].iter().any(|start| line.starts_with(start))
}

/// The lines that continue a paragraph, an item or a row, outside of code.
fn continuations(page: &str) -> Vec<&str> {
    let (mut in_code, mut before, mut found) = (false, "", Vec::new());
    for line in page.lines() {
        let text = line.trim_start();
        let begins = text.is_empty()
            || before.is_empty()
            || begins_a_block(text)
            || ["#", "```", "<!--"].iter().any(|start| before.starts_with(start));
        if !in_code && !begins {
            found.push(line);
        }
        in_code ^= text.starts_with("```");
        before = text;
    }
    found
}

#[test]
fn each_paragraph_is_one_line() {
    let root = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    for path in pages().into_iter().chain(root.map(|page| docs().join("..").join(page))) {
        let page = fs::read_to_string(&path).unwrap();
        assert_eq!(continuations(&page), Vec::<&str>::new(), "{}", path.display());
    }
}

#[test]
fn a_line_that_continues_another_is_found() {
    let page = "# One\n\nA paragraph\nin two lines.\n\n- an item\n  in two\n- another\n\n```text\ncode\ncode\n```\n<!-- a comment -->\n\n1. first\n2. second\n";
    assert_eq!(continuations(page), ["in two lines.", "  in two"]);
}

#[test]
fn each_decision_has_a_status() {
    let decisions = pages().into_iter().filter(|path| path.parent().unwrap().ends_with("decisions"));
    for path in decisions {
        let page = fs::read_to_string(&path).unwrap();
        let status = page.lines().nth(2).and_then(|line| line.strip_prefix("Status: ")).unwrap_or_default();
        let known = status == "accepted" || status.starts_with("superseded by ");
        assert!(known, "{}: the third line is no status", path.display());
    }
}
