//! Corrections to the derived schemas.

/// Removes the description of an enum, which would replace that of an optional field.
pub(super) fn without_description(schema: &mut schemars::Schema) {
    schema.remove("description");
}
