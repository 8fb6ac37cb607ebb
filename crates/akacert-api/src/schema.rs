//! What the derived schemas need beside the derive. Not here: the CRDs (`render`).

/// An optional field would show the description of its enum instead of its own.
pub(super) fn without_description(schema: &mut schemars::Schema) {
    schema.remove("description");
}
