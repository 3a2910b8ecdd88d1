//! What somebody typed into a plain form that the panel then refused. Without scripts the page is loaded anew with the
//! reason; the form shows again what was typed, apart from secrets, which are never kept.

use leptos::{
    prelude::*,
    server::{ServerActionError, SharedValue},
    server_fn::ServerFn,
};
use leptos_router::params::ParamsMap;
use serde::{Deserialize, Serialize};

use crate::error::AppError;

/// The refused form's fields as it sent them, secrets left out; empty when none was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed(pub Vec<(String, String)>);

impl Typed {
    /// The text of a field.
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Whether a choice was made: a radio button, an option, a checkbox.
    fn has(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(field, chosen)| field == name && chosen == value)
    }
}

/// Hands what was typed to the forms of the page; the browser learns it with the page, so that both show the same.
pub fn provide(received: impl FnOnce() -> Typed) {
    provide_context(SharedValue::<Typed>::new(received).into_inner());
}

/// What a field shows at first: what was typed, if its form was refused, else the given text.
pub fn text(failure: Signal<Option<AppError>>, name: &str, otherwise: String) -> String {
    refused(failure).and_then(|typed| typed.text(name).map(str::to_owned)).unwrap_or(otherwise)
}

/// Whether a radio button, an option or a checkbox is chosen at first.
pub fn chosen(failure: Signal<Option<AppError>>, name: &str, value: &str, otherwise: bool) -> bool {
    refused(failure).map_or(otherwise, |typed| typed.has(name, value))
}

/// What was typed into the form of a server function, for a page that reads its fields from the address.
pub fn as_query<S: ServerFn>() -> Option<ParamsMap> {
    let refused = use_context::<ServerActionError>().filter(|error| error.path() == S::PATH)?;
    let Typed(fields) = kept().filter(|_| !refused.err().is_empty())?;
    Some(fields.into_iter().collect())
}

/// The form that failed is the one that was refused: a page has one such form at a time.
fn refused(failure: Signal<Option<AppError>>) -> Option<Typed> {
    if failure.with_untracked(Option::is_some) { kept() } else { None }
}

fn kept() -> Option<Typed> {
    use_context::<Typed>().filter(|Typed(fields)| !fields.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(failed: bool) -> Signal<Option<AppError>> {
        Signal::stored(failed.then(|| AppError::field("database", "no")))
    }

    #[test]
    fn only_the_form_that_failed_shows_what_was_typed() {
        Owner::new().with(|| {
            provide_context(Typed(vec![("input[name]".into(), "Acme".into()), ("input[kind]".into(), "b".into())]));
            assert_eq!(text(failure(true), "input[name]", "stored".into()), "Acme");
            assert_eq!(text(failure(false), "input[name]", "stored".into()), "stored");
            assert_eq!(text(failure(true), "input[other]", "stored".into()), "stored");
            assert!(chosen(failure(true), "input[kind]", "b", false));
            assert!(!chosen(failure(true), "input[kind]", "a", true), "the other one was chosen");
            assert!(!chosen(failure(true), "input[check]", "true", true), "a cleared checkbox is not sent");
            assert!(chosen(failure(false), "input[check]", "true", true));
        });
    }

    #[test]
    fn without_a_refused_form_fields_show_what_is_stored() {
        Owner::new().with(|| {
            provide_context(Typed::default());
            assert_eq!(text(failure(true), "input[name]", "stored".into()), "stored");
            assert!(chosen(failure(true), "input[check]", "true", true));
        });
    }
}
