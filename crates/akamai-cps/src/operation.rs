//! The table of operations: method, path template and media types of every call, one row each. To add an operation of
//! Akamai's OpenAPI documents, add a row here and a method in `cps` or `edge_dns`.

use http::Method;

/// One operation of an Akamai API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The name in errors and metrics.
    pub name: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path. Each `{…}` is filled in, in order.
    pub path: &'static str,
    /// The media type of the answer.
    pub accept: &'static str,
    /// The media type of the request body, if there is one.
    pub content_type: Option<&'static str>,
}

macro_rules! media_type {
    ($name:literal) => {
        concat!("application/vnd.akamai.cps.", $name, "+json")
    };
}

macro_rules! operations {
    ($($name:ident: $text:literal, $method:ident $path:literal, $accept:expr $(, $content_type:expr)?;)+) => {
        $(pub(crate) const $name: Operation = Operation {
            name: $text,
            method: Method::$method,
            path: $path,
            accept: $accept,
            content_type: operations!(@optional $($content_type)?),
        };)+

        /// Every operation that this client can call.
        pub fn operations() -> &'static [Operation] {
            const ALL: &[Operation] = &[$($name),+];
            ALL
        }
    };
    (@optional) => { None };
    (@optional $content_type:expr) => { Some($content_type) };
}

operations! {
    LIST_CONTRACTS: "list-contracts", GET "/contract-api/v1/contracts/identifiers", "application/json";

    LIST_ENROLLMENTS: "list-enrollments", GET "/cps/v2/enrollments", media_type!("enrollments.v11");
    CREATE_ENROLLMENT: "create-enrollment", POST "/cps/v2/enrollments",
        media_type!("enrollment-status.v1"), media_type!("enrollment.v11");
    GET_ENROLLMENT: "get-enrollment", GET "/cps/v2/enrollments/{}", media_type!("enrollment.v11");
    UPDATE_ENROLLMENT: "update-enrollment", PUT "/cps/v2/enrollments/{}",
        media_type!("enrollment-status.v1"), media_type!("enrollment.v11");
    DELETE_ENROLLMENT: "delete-enrollment", DELETE "/cps/v2/enrollments/{}", media_type!("enrollment-status.v1");

    GET_CHANGE: "get-change", GET "/cps/v2/enrollments/{}/changes/{}", media_type!("change.v2");
    CANCEL_CHANGE: "cancel-change", DELETE "/cps/v2/enrollments/{}/changes/{}", media_type!("change-id.v1");
    GET_DEPLOYMENT_SCHEDULE: "get-deployment-schedule",
        GET "/cps/v2/enrollments/{}/changes/{}/deployment-schedule", media_type!("deployment-schedule.v1");
    SET_DEPLOYMENT_SCHEDULE: "set-deployment-schedule",
        PUT "/cps/v2/enrollments/{}/changes/{}/deployment-schedule",
        media_type!("change-id.v1"), media_type!("deployment-schedule.v1");

    GET_DV_CHALLENGES: "get-dv-challenges",
        GET "/cps/v2/enrollments/{}/changes/{}/input/info/lets-encrypt-challenges", media_type!("dv-challenges.v2");
    GET_PRE_VERIFICATION_WARNINGS: "get-pre-verification-warnings",
        GET "/cps/v2/enrollments/{}/changes/{}/input/info/pre-verification-warnings", media_type!("warnings.v1");
    GET_POST_VERIFICATION_WARNINGS: "get-post-verification-warnings",
        GET "/cps/v2/enrollments/{}/changes/{}/input/info/post-verification-warnings", media_type!("warnings.v1");
    GET_CHANGE_MANAGEMENT_INFO: "get-change-management-info",
        GET "/cps/v2/enrollments/{}/changes/{}/input/info/change-management-info",
        media_type!("change-management-info.v5");

    ACKNOWLEDGE_DV_CHALLENGES: "acknowledge-dv-challenges",
        POST "/cps/v2/enrollments/{}/changes/{}/input/update/lets-encrypt-challenges-completed",
        media_type!("change-id.v1"), media_type!("acknowledgement.v1");
    ACKNOWLEDGE_PRE_VERIFICATION_WARNINGS: "acknowledge-pre-verification-warnings",
        POST "/cps/v2/enrollments/{}/changes/{}/input/update/pre-verification-warnings-ack",
        media_type!("change-id.v1"), media_type!("acknowledgement.v1");
    ACKNOWLEDGE_POST_VERIFICATION_WARNINGS: "acknowledge-post-verification-warnings",
        POST "/cps/v2/enrollments/{}/changes/{}/input/update/post-verification-warnings-ack",
        media_type!("change-id.v1"), media_type!("acknowledgement.v1");
    ACKNOWLEDGE_CHANGE_MANAGEMENT: "acknowledge-change-management",
        POST "/cps/v2/enrollments/{}/changes/{}/input/update/change-management-ack",
        media_type!("change-id.v1"), media_type!("acknowledgement-with-hash.v1");

    GET_DEPLOYMENTS: "get-deployments", GET "/cps/v2/enrollments/{}/deployments", media_type!("deployments.v7");
    GET_PRODUCTION_DEPLOYMENT: "get-production-deployment",
        GET "/cps/v2/enrollments/{}/deployments/production", media_type!("deployment.v7");
    GET_STAGING_DEPLOYMENT: "get-staging-deployment",
        GET "/cps/v2/enrollments/{}/deployments/staging", media_type!("deployment.v7");

    LIST_ZONES: "edge-dns.list-zones", GET "/config-dns/v2/zones", "application/json";
    GET_TXT: "edge-dns.get-txt", GET "/config-dns/v2/zones/{}/names/{}/types/TXT", "application/json";
    CREATE_TXT: "edge-dns.create-txt",
        POST "/config-dns/v2/zones/{}/names/{}/types/TXT", "application/json", "application/json";
    REPLACE_TXT: "edge-dns.replace-txt",
        PUT "/config-dns/v2/zones/{}/names/{}/types/TXT", "application/json", "application/json";
    DELETE_TXT: "edge-dns.delete-txt", DELETE "/config-dns/v2/zones/{}/names/{}/types/TXT", "*/*";
}

impl Operation {
    /// The path with its `{}` filled in, in order. Identifiers are numbers and names are checked, so nothing needs
    /// escaping.
    pub(crate) fn fill<T: std::fmt::Display>(&self, ids: &[T]) -> String {
        let mut ids = ids.iter();
        let mut path = String::with_capacity(self.path.len() + 20);
        let mut parts = self.path.split("{}");
        path.push_str(parts.next().unwrap_or_default());
        for part in parts {
            if let Some(id) = ids.next() {
                path.push_str(&id.to_string());
            }
            path.push_str(part);
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_filled_in_order() {
        assert_eq!(GET_CHANGE.fill(&[1, 2]), "/cps/v2/enrollments/1/changes/2");
        let path = "/config-dns/v2/zones/example.com/names/a.example.com/types/TXT";
        assert_eq!(GET_TXT.fill(&["example.com", "a.example.com"]), path);
        assert_eq!(LIST_ENROLLMENTS.fill::<u64>(&[]), "/cps/v2/enrollments");
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> =
            operations().iter().map(|operation| operation.name).collect();
        assert_eq!(names.len(), operations().len());
    }
}
