//! PURE: renders the handbook's page on what a change of a field does, from the table of fields.

use super::field::{Change, Compared, Field, Shape};
use super::fields::FIELDS;

/// Renders `docs/changes.md`.
#[must_use]
pub fn handbook_page() -> String {
    let mut page = String::from(
        "# What a change of a field does\n\n\
         Every field of `spec` that CPS has too. The operator compares only the fields that you have set; all others are sent back to CPS as they were read. \
         If several fields differ, `status.plan.risk` is that of the worst of them ([the life of an enrollment](lifecycle.md)). \
         [Fields](fields.md) says what each field means. This page is rendered from the table in the code.\n\n\
         | Field of `spec` | Field of CPS | How they are compared | What CPS does when it changes | `risk` |\n|---|---|---|---|---|\n",
    );
    for field in FIELDS {
        let cps = match field.cps {
            "" => "the contract that the enrollment was created under".to_owned(),
            path => format!("`{path}`"),
        };
        let (does, risk) = (does(field.change), field.change.risk());
        page.push_str(&format!("| `{}` | {cps} | {} | {does} | `{risk:?}` |\n", field.spec, compared(field)));
    }
    page
}

fn does(change: Change) -> &'static str {
    match change {
        Change::MetadataOnly => "saves it; it takes effect with the next deployment",
        Change::Redeploy => "deploys the same certificate anew",
        Change::Reissue => "orders another certificate, and validates every name again",
        Change::Impossible(_) => "CPS cannot change it",
    }
}

fn compared(field: &Field) -> &'static str {
    match (&field.shape, field.compared) {
        (Shape::Flag { .. }, _) => "exactly",
        (Shape::Text { .. }, Compared::Exactly) => "exactly; absent and empty are the same",
        (Shape::Text { .. }, Compared::WithoutCase) => "without regard to case",
        (_, Compared::AsContract) => "with or without the prefix `ctr_`",
        (Shape::Set { .. }, Compared::Exactly) => "as a set",
        (Shape::Set { .. }, Compared::WithoutCase) => {
            "as a set, without regard to case; not while CPS clones them"
        }
        (Shape::Names, _) => "as a set, without regard to case; the common name is always in it",
    }
}
