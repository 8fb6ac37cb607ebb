//! The chart, as Helm renders it. `tests/e2e/chart.rs` installs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::{Value, json};
use testbed::Programs;

static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| Programs::find_or_build().unwrap());

/// Objects by kind and name.
type Objects = BTreeMap<(String, String), Value>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(PROGRAMS.path(program).unwrap()).current_dir(root()).args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn objects(yaml: &str) -> Objects {
    let documents = yaml.split("\n---").map(|document| document.trim_start_matches("---"));
    let objects = documents.filter(|document| document.contains("kind:")).map(|document| {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        let text = |pointer: &str| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        ((text("/kind"), text("/metadata/name")), object)
    });
    objects.collect()
}

/// The chart as release `akacert` in `akacert-system`, with values in the form of `--set-json`.
fn rendered(values: &[&str]) -> Objects {
    release("akacert", values)
}

fn release(name: &str, values: &[&str]) -> Objects {
    let mut arguments = vec!["template", name, "charts/akacert", "--namespace", "akacert-system"];
    values.iter().for_each(|value| arguments.extend(["--set-json", value]));
    objects(&printed(&run("helm", &arguments)))
}

fn get<'a>(objects: &'a Objects, kind: &str, name: &str) -> &'a Value {
    let key = (kind.to_owned(), name.to_owned());
    objects.get(&key).unwrap_or_else(|| panic!("no {kind} {name} among {:?}", objects.keys()))
}

fn arguments(objects: &Objects, component: &str) -> Value {
    let deployment = get(objects, "Deployment", &format!("akacert-{component}"));
    deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone()
}

/// Removes what Helm adds.
fn without_helms_own(object: &Value) -> Value {
    let mut object = object.clone();
    let metadata = object["metadata"].as_object_mut().unwrap();
    if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
        for own in [
            "helm.sh/chart",
            "app.kubernetes.io/managed-by",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/version",
        ] {
            labels.remove(own);
        }
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove("helm.sh/resource-policy");
    }
    metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    object
}

#[test]
fn the_defaults_render_what_deploy_base_has() {
    assert_eq!(same_as_kustomize(&rendered(&[]), "deploy/base"), 16);
}

#[test]
fn with_some_namespaces_the_chart_renders_what_the_namespaced_overlay_has() {
    let chart = rendered(&[r#"watchNamespaces=["shop"]"#]);
    assert_eq!(same_as_kustomize(&chart, "deploy/overlays/namespaced"), 18);
    let everywhere = get(&chart, "ClusterRole", "akacert-operator")["rules"].to_string();
    for withheld in ["secrets", "configmaps", "services", "ingresses", "endpointslices", "akamaicertificates"]
    {
        assert!(!everywhere.contains(&format!("{withheld:?}")), "{withheld}");
    }
}

#[test]
fn the_other_overlays_are_the_base_with_more() {
    let objects_of = |overlay: &str| {
        objects(&printed(&run("kubectl", &["kustomize", &format!("deploy/overlays/{overlay}")])))
    };
    assert_eq!(objects_of("cluster-wide").len(), 20);
    let development = objects_of("development");
    assert_eq!(get(&development, "Deployment", "akacert-operator")["spec"]["replicas"], 1);
    assert_eq!(development.len(), 17);
}

/// Compares what Helm renders with what kustomize renders. Returns the number of objects.
fn same_as_kustomize(chart: &Objects, directory: &str) -> usize {
    let mut base = objects(&printed(&run("kubectl", &["kustomize", directory])));
    // With the chart, Helm or the user creates the release's namespace.
    base.remove(&("Namespace".to_owned(), "akacert-system".to_owned())).unwrap();
    assert_eq!(chart.keys().collect::<Vec<_>>(), base.keys().collect::<Vec<_>>());
    for (key, object) in &base {
        assert_eq!(without_helms_own(&chart[key]), without_helms_own(object), "{key:?}");
    }
    base.len()
}

#[test]
fn lint_finds_nothing() {
    printed(&run("helm", &["lint", "--strict", "charts/akacert"]));
}

#[test]
fn a_wrong_key_or_value_is_refused_by_its_name() {
    for (value, said) in [
        ("operater={}", "additional properties 'operater' not allowed"),
        ("operator={\"replica\":3}", "at '/operator': additional properties 'replica' not allowed"),
        ("solver={\"replicas\":\"two\"}", "at '/solver/replicas': got string, want integer"),
        ("image={\"digest\":\"latest\"}", "at '/image/digest': 'latest' does not match pattern"),
        (
            "operator={\"logFormat\":\"xml\"}",
            "at '/operator/logFormat': value must be one of '', 'json', 'human'",
        ),
    ] {
        let output = run("helm", &["template", "akacert", "charts/akacert", "--set-json", value]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(said), "{value}: {message}");
    }
}

#[test]
fn every_value_that_the_schema_knows_stands_in_values_yaml() {
    fn compare(schema: &Value, values: &Value, path: &str) {
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            // Helm's own value, for charts that include this one.
            if path.is_empty() && key == "global" {
                continue;
            }
            assert!(values.get(key).is_some(), "{path}.{key} is not in values.yaml");
            compare(schema, &values[key], &format!("{path}.{key}"));
        }
    }
    let read = |file: &str| std::fs::read_to_string(root().join("charts/akacert").join(file)).unwrap();
    let schema = serde_json::from_str(&read("values.schema.json")).unwrap();
    compare(&schema, &serde_saphyr::from_str(&read("values.yaml")).unwrap(), "");
}

#[test]
fn every_value_has_a_comment() {
    let values = std::fs::read_to_string(root().join("charts/akacert/values.yaml")).unwrap();
    let lines: Vec<&str> = values.lines().map(str::trim).collect();
    for pair in lines.windows(2) {
        let (above, line) = (pair[0], pair[1]);
        // The comments of its values explain a section.
        let is_value = !line.is_empty() && !line.starts_with('#') && !line.ends_with(':');
        assert!(!is_value || above.starts_with('#'), "no comment: {line}");
    }
}

#[test]
fn the_crds_of_the_chart_are_those_of_the_project() {
    for file in ["akamaiaccounts.yaml", "akamaicertificates.yaml", "clusterakamaiaccounts.yaml"] {
        let read = |directory: &str| std::fs::read_to_string(root().join(directory).join(file)).unwrap();
        assert_eq!(read("charts/akacert/files/crds"), read("crds"), "{file}: run `make crds`");
    }
}

#[test]
fn the_crds_stay_unless_told_otherwise_and_can_be_left_out() {
    let policy = |objects: &Objects| {
        get(objects, "CustomResourceDefinition", "akamaicertificates.akacert.io")["metadata"]["annotations"]
            ["helm.sh/resource-policy"]
            .clone()
    };
    assert_eq!(policy(&rendered(&[])), "keep");
    assert_eq!(policy(&rendered(&["crds={\"keep\":false}"])), Value::Null);
    let without = rendered(&["crds={\"enabled\":false}"]);
    assert!(without.keys().all(|(kind, _)| kind != "CustomResourceDefinition"));
}

#[test]
fn flags_of_the_operator_are_values() {
    let values = r#"operator={"logLevel":"info,akacert=debug","logFormat":"human","allowEndpoints":["https://cps.test"],
        "probeAllow":["10.0.0.0/8"],"probeResolvers":["10.0.0.10:53"],"allowIngressAnnotations":["example.com/*"],
        "forecastInterval":"12h","leaseDuration":"30s","extraArgs":["--interval-scale=0.5"]}"#;
    let expected = json!([
        "operator",
        "--log=info,akacert=debug",
        "--log-format=human",
        "--allow-endpoint=https://cps.test",
        "--probe-allow=10.0.0.0/8",
        "--probe-resolver=10.0.0.10:53",
        "--allow-ingress-annotation=example.com/*",
        "--forecast-interval=12h",
        "--lease-duration=30s",
        "--interval-scale=0.5",
    ]);
    assert_eq!(arguments(&rendered(&[values]), "operator"), expected);
}

#[test]
fn values_of_a_pod_are_in_its_pod() {
    let values = r#"solver={"replicas":3,"podAnnotations":{"a":"b"},"podLabels":{"c":"d"},"priorityClassName":"high",
        "nodeSelector":{"e":"f"},"tolerations":[{"key":"g"}],"affinity":{"nodeAffinity":{}},
        "terminationGracePeriodSeconds":5,"extraEnv":[{"name":"X","value":"y"}],
        "extraVolumes":[{"name":"v","configMap":{"name":"m"}}],"extraVolumeMounts":[{"name":"v","mountPath":"/run/v"}]}"#;
    let objects =
        rendered(&[values, r#"imagePullSecrets=[{"name":"registry"}]"#, r#"commonLabels={"team":"edge"}"#]);
    let deployment = get(&objects, "Deployment", "akacert-solver");
    let template = &deployment["spec"]["template"];
    let (pod, container) = (&template["spec"], &template["spec"]["containers"][0]);
    assert_eq!(deployment["spec"]["replicas"], 3);
    assert_eq!(template["metadata"]["annotations"], json!({"a": "b"}));
    assert_eq!(
        (&template["metadata"]["labels"]["c"], &template["metadata"]["labels"]["team"]),
        (&json!("d"), &json!("edge"))
    );
    assert_eq!(pod["priorityClassName"], "high");
    assert_eq!(pod["nodeSelector"], json!({"e": "f"}));
    assert_eq!(pod["tolerations"], json!([{"key": "g"}]));
    assert_eq!(pod["affinity"], json!({"nodeAffinity": {}}));
    assert_eq!(pod["terminationGracePeriodSeconds"], 5);
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(pod["volumes"], json!([{"name": "v", "configMap": {"name": "m"}}]));
    assert_eq!(container["volumeMounts"], json!([{"name": "v", "mountPath": "/run/v"}]));
    assert!(container["env"].as_array().unwrap().contains(&json!({"name": "X", "value": "y"})));
}

#[test]
fn the_image_is_named_by_tag_or_by_digest() {
    let image = |values: &[&str]| {
        let objects = rendered(values);
        let pod = &get(&objects, "Deployment", "akacert-operator")["spec"]["template"]["spec"];
        pod["containers"][0]["image"].as_str().unwrap().to_owned()
    };
    let digest = "sha256:".to_owned() + &"0".repeat(64);
    assert_eq!(image(&[]), "ghcr.io/akacert/akacert:0.1.0");
    assert_eq!(image(&[r#"image={"repository":"r.test/a","tag":"t"}"#]), "r.test/a:t");
    assert_eq!(
        image(&[&format!(r#"image={{"tag":"t","digest":"{digest}"}}"#)]),
        format!("ghcr.io/akacert/akacert@{digest}")
    );
}

#[test]
fn the_right_to_all_config_maps_can_be_withheld() {
    let config_maps = |objects: &Objects| {
        let rules = &get(objects, "ClusterRole", "akacert-operator")["rules"];
        rules.as_array().unwrap().iter().filter(|rule| rule["resources"] == json!(["configmaps"])).count()
    };
    assert_eq!(config_maps(&rendered(&[])), 1);
    assert_eq!(config_maps(&rendered(&["rbac={\"handoff\":false}"])), 0);
}

#[test]
fn optional_objects_are_there_when_they_are_asked_for() {
    let some = rendered(&[
        r#"networkPolicy={"enabled":true}"#,
        r#"podMonitor={"enabled":true}"#,
        r#"extraObjects=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"mine"}}]"#,
        r#"operator={"podDisruptionBudget":{"enabled":false}}"#,
    ]);
    let ports =
        |component: &str| get(&some, "NetworkPolicy", component)["spec"]["ingress"][0]["ports"].clone();
    assert_eq!(ports("akacert-operator"), json!([{"port": "admin"}]));
    assert_eq!(ports("akacert-solver"), json!([{"port": "admin"}, {"port": "http"}]));
    assert_eq!(get(&some, "PodMonitor", "akacert")["spec"]["podMetricsEndpoints"][0]["port"], "admin");
    get(&some, "ConfigMap", "mine");
    assert!(!some.contains_key(&("PodDisruptionBudget".to_owned(), "akacert-operator".to_owned())));
}

#[test]
fn a_network_policy_lets_in_who_is_named_and_the_operators_self_check() {
    let prometheus =
        json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}});
    let values = json!({"enabled": true, "from": [prometheus.clone()]});
    let policies = rendered(&[&format!("networkPolicy={values}")]);
    let from =
        |component: &str| get(&policies, "NetworkPolicy", component)["spec"]["ingress"][0]["from"].clone();
    assert_eq!(from("akacert-operator"), json!([prometheus.clone()]));
    let operator = json!({"podSelector": {"matchLabels":
        {"app.kubernetes.io/name": "akacert", "app.kubernetes.io/component": "operator"}}});
    assert_eq!(from("akacert-solver"), json!([prometheus, operator]));
}

#[test]
fn pods_are_spread_over_the_values_of_the_labels_that_are_named() {
    let spread = |objects: &Objects| {
        let pod = &get(objects, "Deployment", "akacert-solver")["spec"]["template"]["spec"];
        let spread = pod["topologySpreadConstraints"].as_array().cloned().unwrap_or_default();
        let text = |constraint: &Value, field: &str| constraint[field].as_str().unwrap().to_owned();
        let spread =
            spread.iter().map(|one| text(one, "topologyKey") + " " + &text(one, "whenUnsatisfiable"));
        spread.collect::<Vec<_>>()
    };
    let hosts_and_zones =
        ["kubernetes.io/hostname ScheduleAnyway", "topology.kubernetes.io/zone ScheduleAnyway"];
    assert_eq!(spread(&rendered(&[])), hosts_and_zones);
    let racks = r#"solver={"topologySpread":{"keys":["rack"],"whenUnsatisfiable":"DoNotSchedule"}}"#;
    assert_eq!(spread(&rendered(&[racks])), ["rack DoNotSchedule"]);
    assert!(spread(&rendered(&[r#"solver={"topologySpread":{"keys":[]}}"#])).is_empty());
}

#[test]
fn with_monitoring_the_chart_has_what_deploy_monitoring_has() {
    let chart = rendered(&[
        r#"podMonitor={"enabled":true}"#,
        r#"prometheusRule={"enabled":true}"#,
        r#"dashboard={"enabled":true}"#,
    ]);
    let base = objects(&printed(&run("kubectl", &["kustomize", "deploy/monitoring"])));
    assert_eq!(base.len(), 3);
    for ((kind, name), object) in base {
        assert_eq!(without_helms_own(get(&chart, &kind, &name)), object, "{kind} {name}");
    }
}

#[test]
fn under_another_name_everything_still_fits_together() {
    let objects = release("edge", &[]);
    let names = |kind: &str| {
        let mut found: Vec<&str> =
            objects.keys().filter(|(known, _)| known == kind).map(|(_, name)| name.as_str()).collect();
        found.sort_unstable();
        found
    };
    let both = ["edge-akacert-operator", "edge-akacert-solver"];
    for kind in ["ServiceAccount", "Deployment", "Role", "RoleBinding", "PodDisruptionBudget"] {
        assert_eq!(names(kind), both, "{kind}");
    }
    for name in both {
        let binding = get(&objects, "RoleBinding", name);
        assert_eq!(binding["roleRef"]["name"], name);
        assert_eq!(binding["subjects"][0]["name"], name);
        let pod = &get(&objects, "Deployment", name)["spec"]["template"]["spec"];
        assert_eq!(pod["serviceAccountName"], name);
    }
    get(&objects, "Service", "edge-akacert-solver");
    let operator = &get(&objects, "Deployment", "edge-akacert-operator")["spec"]["template"]["spec"];
    assert_eq!(
        operator["containers"][0]["args"],
        json!(["operator", "--solver-service=edge-akacert-solver"])
    );
}
