//! The handbook's reference is rendered from the code, and its pages hang together. Not here: whether its commands work
//! (`tests/e2e/handbook.rs`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use akacert::api::{self, reason};
use akacert::events;
use akacert::metrics::catalog;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Holds a page to what is rendered; with UPDATE set writes it.
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
fn events_are_those_of_the_code() {
    is_rendered("events.md", &events::handbook_page());
}

#[test]
fn metrics_are_the_catalog_of_the_code() {
    is_rendered("metrics.md", &catalog::handbook_page());
}

#[test]
fn flags_are_what_the_program_says() {
    let mut page = String::from("# Flags\n\nWhat `--help` says. This page is rendered from the program.\n");
    for command in ["operator", "solver", "export", "crds"] {
        let help = Command::new(env!("CARGO_BIN_EXE_akacert"))
            .args([command, "--help"])
            .env_clear()
            .output()
            .unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let help: Vec<_> = help.lines().map(str::trim_end).collect();
        write!(page, "\n## akacert {command}\n\n```text\n{}\n```\n", help.join("\n").trim_end()).unwrap();
    }
    is_rendered("flags.md", &page);
}

#[test]
fn values_of_the_chart_are_its_values_yaml() {
    let values = fs::read_to_string(docs().join("../charts/akacert/values.yaml")).unwrap();
    let page = format!(
        "# Values of the chart\n\n`charts/akacert/values.yaml`; a schema refuses anything else.\n\n```yaml\n{}```\n",
        values
    );
    is_rendered("chart-values.md", &page);
}

#[test]
fn fields_are_those_of_the_crds() {
    let mut page = String::from(
        "# Fields\n\nEvery field of every kind, as `kubectl explain` has it. This page is rendered from the CRDs.\n",
    );
    for (_, crd) in api::crds() {
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
