//! Ready-made configuration for whoever serves a name elsewhere: it redirects challenges to CPS. Pure, and without tokens.
//! Not here: the ConfigMap that holds it (`objects`).

use std::collections::BTreeMap;

use serde_json::json;

use super::content::CHALLENGES_PATH;

/// The texts by their keys: nginx, Apache, and a rule for Akamai Property Manager.
pub(super) fn texts(hosts: &[&str], dcv_host: &str) -> BTreeMap<String, String> {
    let names = hosts.join(" ");
    let nginx = format!(
        "# Into the server block for port 80 of: {names}\n\
         location {CHALLENGES_PATH}/ {{\n    return 302 http://{dcv_host}$request_uri;\n}}\n"
    );
    let apache = format!(
        "# Into the virtual host for port 80 of: {names}\n\
         RedirectMatch 302 \"^{CHALLENGES_PATH}/(.*)$\" \"http://{dcv_host}{CHALLENGES_PATH}/$1\"\n"
    );
    let rule = json!({
        "name": "Redirect ACME challenges to CPS",
        "criteriaMustSatisfy": "all",
        "criteria": [
            {"name": "hostname", "options": {"matchOperator": "IS_ONE_OF", "values": hosts}},
            {"name": "path", "options": {
                "matchOperator": "MATCHES_ONE_OF", "values": [format!("{CHALLENGES_PATH}/*")], "matchCaseSensitive": true,
            }}
        ],
        "behaviors": [{"name": "redirect", "options": {
            "destinationProtocol": "HTTP", "destinationHostname": "OTHER", "destinationHostnameOther": dcv_host,
            "destinationPath": "SAME_AS_REQUEST", "queryString": "APPEND", "responseCode": 302,
        }}]
    });
    BTreeMap::from([
        ("nginx.conf".to_owned(), nginx),
        ("apache.conf".to_owned(), apache),
        ("property-manager.json".to_owned(), format!("{rule:#}\n")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_redirects_the_challenges_of_all_hosts_to_the_same_path_at_cps() {
        let texts = texts(&["www.example.com", "example.com"], "dcv.akamai.com");
        assert_eq!(
            texts["nginx.conf"],
            "# Into the server block for port 80 of: www.example.com example.com\n\
             location /.well-known/acme-challenge/ {\n    return 302 http://dcv.akamai.com$request_uri;\n}\n"
        );
        assert_eq!(
            texts["apache.conf"],
            "# Into the virtual host for port 80 of: www.example.com example.com\n\
             RedirectMatch 302 \"^/.well-known/acme-challenge/(.*)$\" \"http://dcv.akamai.com/.well-known/acme-challenge/$1\"\n"
        );
        let rule: serde_json::Value = serde_json::from_str(&texts["property-manager.json"]).unwrap();
        assert_eq!(rule["behaviors"][0]["options"]["destinationHostnameOther"], "dcv.akamai.com");
        assert_eq!(rule["criteria"][0]["options"]["values"], json!(["www.example.com", "example.com"]));
    }
}
