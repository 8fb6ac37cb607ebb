//! PURE: which Ingress may answer in place of the operator's own. This explains a token that cannot be fetched. It is
//! not a failure by itself, because most Ingress controllers prefer the exact path of a token.

use k8s_openapi::api::networking::v1::{HTTPIngressPath, Ingress};
use kube::ResourceExt;

/// A sentence that names the Ingress most likely to answer for a host and a path, and says what to do. It considers
/// the Ingresses of the namespace except `ours`. `None` if none has a matching rule.
#[must_use]
pub fn interfering(ingresses: &[Ingress], ours: &str, host: &str, path: &str) -> Option<String> {
    let others = ingresses.iter().filter(|ingress| ingress.name_any() != ours);
    let (_, name, host, path) = others
        .flat_map(|ingress| rules(ingress).map(|(ruled, rule)| (ingress.name_any(), ruled, rule)))
        .filter_map(|(name, ruled, rule)| {
            let rank = (host_rank(ruled, host)?, path_rank(rule, path)?);
            Some((rank, name, ruled.to_owned(), rule.path.clone().unwrap_or_else(|| "/".to_owned())))
        })
        // Of several that are equally likely, take the first by name: the message has to be stable.
        .max_by(|(a, a_name, ..), (b, b_name, ..)| a.cmp(b).then_with(|| b_name.cmp(a_name)))?;
    Some(format!(
        "Ingress {name} has a rule for {host} and {path}, which may answer instead: exempt /.well-known/acme-challenge/ \
         from it"
    ))
}

fn rules(ingress: &Ingress) -> impl Iterator<Item = (&str, &HTTPIngressPath)> {
    let rules = ingress.spec.iter().flat_map(|spec| spec.rules.iter().flatten());
    rules.flat_map(|rule| {
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        paths.filter_map(|path| Some((rule.host.as_deref()?, path)))
    })
}

/// How closely a rule's host matches a host; `None` if it does not. A wildcard covers exactly one label.
fn host_rank(ruled: &str, host: &str) -> Option<u8> {
    if ruled.eq_ignore_ascii_case(host) {
        return Some(1);
    }
    let (_, parent) = host.split_once('.')?;
    ruled.strip_prefix("*.").filter(|below| below.eq_ignore_ascii_case(parent)).map(|_| 0)
}

/// How closely a rule's path matches a path; `None` if it does not.
fn path_rank(rule: &HTTPIngressPath, path: &str) -> Option<(bool, usize)> {
    let ruled = rule.path.as_deref().unwrap_or("/");
    let exact = rule.path_type == "Exact";
    let covers = match rule.path_type.as_str() {
        "Exact" => ruled == path,
        // Matches whole elements of the path.
        "Prefix" => {
            let prefix = ruled.trim_end_matches('/');
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        // The controller decides. The known ones match by characters.
        _ => path.starts_with(ruled),
    };
    covers.then_some((exact, ruled.len()))
}
