//! Corrections to the derived schemas.

/// Removes an enum's own description, so that the field's description shows.
pub(super) fn without_description(schema: &mut schemars::Schema) {
    schema.remove("description");
}
