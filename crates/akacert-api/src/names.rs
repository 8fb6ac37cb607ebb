//! Names, labels and annotations on the objects that the operator writes.

/// The API group of all our kinds, and the prefix of our labels, annotations and finalizers.
pub const GROUP: &str = "akacert.io";

/// The field manager of all server-side applies of the operator.
pub const FIELD_MANAGER: &str = "akacert";

/// Finalizer on an `AkamaiCertificate`. The operator first removes what it published, and the enrollment if
/// `deletionPolicy` says so.
pub const CERTIFICATE_FINALIZER: &str = "akacert.io/certificate";

/// Finalizer on an account. It stays while a certificate refers to the account.
pub const ACCOUNT_FINALIZER: &str = "akacert.io/account-in-use";

/// Annotation with the intent of a create, in JSON. The operator writes it before the POST to CPS.
pub const INTENT_ANNOTATION: &str = "akacert.io/create-intent";

/// Annotation with the ID of our enrollment. A backup restores annotations, but no status.
pub const ENROLLMENT_ID_ANNOTATION: &str = "akacert.io/enrollment-id";

/// Annotation with the certificate that a requested renewal replaces, in JSON.
pub const RENEWAL_ANNOTATION: &str = "akacert.io/renewal";

/// Annotation of the user: the hash of the plan in the status that the operator may carry out.
pub const APPROVE_PLAN_ANNOTATION: &str = "akacert.io/approve-plan";

/// Annotation of the user: the hash of the warnings in the status that the operator may acknowledge.
pub const APPROVE_WARNINGS_ANNOTATION: &str = "akacert.io/approve-warnings";

/// Annotation of the user: the ID of the change that may go from staging to production.
pub const APPROVE_DEPLOYMENT_ANNOTATION: &str = "akacert.io/approve-deployment";

/// Annotation of the user: renews a certificate that was issued before this time (RFC 3339), once.
pub const RENEW_BEFORE_ANNOTATION: &str = "akacert.io/renew-before";

/// Label with the value `akacert` on everything that the operator creates.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "akacert";

/// Label with the UID of the certificate that an object belongs to. (A certificate's name can be too long for a
/// label.)
pub const CERTIFICATE_UID_LABEL: &str = "akacert.io/certificate-uid";

/// Label that says what an object is for.
pub const COMPONENT_LABEL: &str = "akacert.io/component";

/// Value of [`COMPONENT_LABEL`] on the ConfigMaps that the solver serves.
pub const CHALLENGES_COMPONENT: &str = "http01-challenges";

/// Value of [`COMPONENT_LABEL`] on the routes of a standing redirect to CPS.
pub const REDIRECT_COMPONENT: &str = "http01-redirect";

/// Value of [`COMPONENT_LABEL`] on the ConfigMaps that show how to redirect to CPS where a name is served elsewhere.
pub const SNIPPETS_COMPONENT: &str = "http01-snippets";

/// Value of [`COMPONENT_LABEL`] on the ConfigMaps that tell pipelines what is deployed.
pub const HANDOFF_COMPONENT: &str = "handoff";

/// Value of [`COMPONENT_LABEL`] on the Service and the EndpointSlices through which an Ingress reaches the solver.
pub const SOLVER_COMPONENT: &str = "http01-solver";

/// The label with which Kubernetes marks who manages an EndpointSlice.
pub const ENDPOINT_SLICE_MANAGED_BY_LABEL: &str = "endpointslice.kubernetes.io/managed-by";

/// Value of [`ENDPOINT_SLICE_MANAGED_BY_LABEL`]. It keeps the cluster's own controllers from changing our
/// EndpointSlices.
pub const ENDPOINT_SLICE_MANAGED_BY: &str = "akacert.io";

/// The label that assigns an EndpointSlice to a Service.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
