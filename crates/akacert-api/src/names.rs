//! Names, labels and annotations on the objects that we touch. Not here: what the objects contain.

/// The API group of all our kinds, and the prefix of our labels, annotations and finalizers.
pub const GROUP: &str = "akacert.io";

/// The one field manager of all server-side apply writes of the operator.
pub const FIELD_MANAGER: &str = "akacert";

/// Finalizer on an `AkamaiCertificate`: published challenges (and, by policy, the enrollment) go first.
pub const CERTIFICATE_FINALIZER: &str = "akacert.io/certificate";

/// Finalizer on an account: it is kept for as long as a certificate refers to it.
pub const ACCOUNT_FINALIZER: &str = "akacert.io/account-in-use";

/// Annotation with the recorded intent of a create, JSON, written before the POST to CPS.
pub const INTENT_ANNOTATION: &str = "akacert.io/create-intent";

/// Annotation with the ID of our enrollment: a backup restores annotations, not status.
pub const ENROLLMENT_ID_ANNOTATION: &str = "akacert.io/enrollment-id";

/// Annotation with the certificate that a renewal requested by the user replaces, JSON.
pub const RENEWAL_ANNOTATION: &str = "akacert.io/renewal";

/// Annotation of the user: the hash of the plan in the status that may be carried out.
pub const APPROVE_PLAN_ANNOTATION: &str = "akacert.io/approve-plan";

/// Annotation of the user: the hash of the warnings in the status that may be acknowledged.
pub const APPROVE_WARNINGS_ANNOTATION: &str = "akacert.io/approve-warnings";

/// Annotation of the user: the ID of the change that may go from staging to production.
pub const APPROVE_DEPLOYMENT_ANNOTATION: &str = "akacert.io/approve-deployment";

/// Annotation of the user: a certificate that was issued before this time (RFC 3339) is renewed once.
pub const RENEW_BEFORE_ANNOTATION: &str = "akacert.io/renew-before";

/// Label: `akacert` on everything we create.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "akacert";

/// Label: UID of the certificate for which an object was created (names can be longer than a label).
pub const CERTIFICATE_UID_LABEL: &str = "akacert.io/certificate-uid";

/// Label on the ConfigMaps that the solver serves.
pub const COMPONENT_LABEL: &str = "akacert.io/component";

/// Value of [`COMPONENT_LABEL`] on the ConfigMaps that the solver serves.
pub const CHALLENGES_COMPONENT: &str = "http01-challenges";

/// Component of what redirects to CPS for the life of a certificate.
pub const REDIRECT_COMPONENT: &str = "http01-redirect";

/// Component of the ConfigMaps that show how to redirect to CPS where a name is served elsewhere.
pub const SNIPPETS_COMPONENT: &str = "http01-snippets";

/// Component of the ConfigMaps that tell pipelines what is deployed.
pub const HANDOFF_COMPONENT: &str = "handoff";

/// Value of [`COMPONENT_LABEL`] on the Service and EndpointSlices by which an Ingress reaches the solver.
pub const SOLVER_COMPONENT: &str = "http01-solver";

/// The label by which Kubernetes tells who manages an EndpointSlice.
pub const ENDPOINT_SLICE_MANAGED_BY_LABEL: &str = "endpointslice.kubernetes.io/managed-by";

/// Value of [`ENDPOINT_SLICE_MANAGED_BY_LABEL`]: keeps the cluster's own controllers away from ours.
pub const ENDPOINT_SLICE_MANAGED_BY: &str = "akacert.io";

/// The label by which an EndpointSlice belongs to a Service.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
