//! The CustomResourceDefinitions in `crds/`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;

use super::{AkamaiAccount, AkamaiCertificate, ClusterAkamaiAccount};

/// All CRDs of this version, each with its file name.
#[must_use]
pub fn crds() -> Vec<(&'static str, CustomResourceDefinition)> {
    vec![
        ("akamaicertificates.yaml", finished(AkamaiCertificate::crd())),
        ("akamaiaccounts.yaml", finished(AkamaiAccount::crd())),
        ("clusterakamaiaccounts.yaml", finished(ClusterAkamaiAccount::crd())),
    ]
}

/// Adds what the derive lacks. kstatus takes a resource without conditions for reconciled unless `observedGeneration`
/// says otherwise. A default inside `status` does not create `status`, so `status` itself gets a default.
fn finished(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        without_nullable(schema);
        if let Some(status) = schema.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
            status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
        }
    }
    crd
}

/// Makes optional fields absent and never null, because CEL's `has()` takes null for a value.
fn without_nullable(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(without_nullable);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        without_nullable(items);
    }
}
