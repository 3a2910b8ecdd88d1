//! Form fields: label, input, hint and the error that belongs to the field.

use leptos::prelude::*;

use super::typed;
use crate::error::AppError;

/// A one-line input with its label, hint and error.
#[component]
pub fn Field(
    /// The visible label.
    label: &'static str,
    /// The name that the form posts.
    name: &'static str,
    /// `text`, `password`, `number`, `url`, `email`.
    #[prop(default = "text")]
    kind: &'static str,
    /// What it holds at first.
    #[prop(optional, into)]
    value: String,
    /// How to fill it in.
    #[prop(optional, into)]
    hint: String,
    /// An example of what to fill in.
    #[prop(optional)]
    placeholder: &'static str,
    /// Whether it must be filled in.
    #[prop(optional)]
    required: bool,
    /// Whether it can only be read.
    #[prop(optional)]
    readonly: bool,
    /// What the browser may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// Most characters; for a number, its largest value.
    #[prop(optional)]
    max: Option<u32>,
    /// Fewest characters; for a number, its smallest value.
    #[prop(optional)]
    min: Option<u32>,
    /// The form's failure, of which the part about this field is shown.
    #[prop(optional, into)]
    failure: Signal<Option<AppError>>,
    /// Class of the whole field.
    #[prop(optional)]
    class: &'static str,
    /// Whether the keyboard starts here.
    #[prop(optional)]
    autofocus: bool,
) -> impl IntoView {
    let id = id_of(name);
    let about = format!("{id}-about");
    let error = Memo::new(move |_| field_error(failure, name));
    let number = kind == "number";
    let value = if kind == "password" { value } else { typed::text(failure, name, value) };
    let (min, max) = (min.map(|min| min.to_string()), max.map(|max| max.to_string()));
    view! {
        <div class=format!("field {class}")>
            <label for=id.clone()>{label}</label>
            <input
                id=id
                name=name
                type=kind
                value=value
                placeholder=placeholder
                required=required
                readonly=readonly
                autofocus=autofocus
                autocomplete=autocomplete
                spellcheck="false"
                min=number.then(|| min.clone()).flatten()
                max=number.then(|| max.clone()).flatten()
                minlength=(!number).then_some(min).flatten()
                maxlength=(!number).then_some(max).flatten()
                aria-describedby=about.clone()
                aria-invalid=move || error.get().is_some().then_some("true")
            />
            <div id=about>
                <FieldError error />
                {(!hint.is_empty()).then(|| view! { <span class="hint">{hint}</span> })}
            </div>
        </div>
    }
}

/// A field of several lines with its label, hint and error.
#[component]
pub fn LinesField(
    /// The visible label.
    label: &'static str,
    /// The name that the form posts.
    name: &'static str,
    /// What it holds at first.
    value: String,
    /// How to fill it in.
    hint: &'static str,
    /// The form's failure, of which the part about this field is shown.
    #[prop(into)]
    failure: Signal<Option<AppError>>,
) -> impl IntoView {
    let id = id_of(name);
    let about = format!("{id}-about");
    let error = Signal::derive(move || field_error(failure, name));
    let value = typed::text(failure, name, value);
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <textarea id=id name=name rows="3" spellcheck="false" aria-describedby=about.clone()>
                {value}
            </textarea>
            <div id=about>
                <FieldError error />
                <span class="hint">{hint}</span>
            </div>
        </div>
    }
}

/// The error of a field, read out when it appears.
#[component]
pub fn FieldError(
    /// What is wrong with it.
    #[prop(into)]
    error: Signal<Option<String>>,
) -> impl IntoView {
    view! { <div class="field-error" role="alert">{move || error.get()}</div> }
}

/// The element id of the field that posts `name`: `input[odoo_url]` is `input-odoo_url`.
pub fn id_of(name: &str) -> String {
    name.replace('[', "-").replace(']', "")
}

/// The message for a field: errors name the field without the form's prefix.
pub fn field_error(failure: Signal<Option<AppError>>, name: &str) -> Option<String> {
    let bare = bare_name(name);
    failure.with(|failure| failure.as_ref().and_then(|error| error.for_field(bare)).map(str::to_owned))
}

/// `input[odoo_url]` without its prefix: `odoo_url`.
pub fn bare_name(name: &str) -> &str {
    name.split_once('[').map_or(name, |(_, rest)| rest.trim_end_matches(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_nested_fields_give_ids_and_error_names() {
        assert_eq!(id_of("input[odoo_url]"), "input-odoo_url");
        assert_eq!(id_of("email"), "email");
        assert_eq!(bare_name("input[odoo_url]"), "odoo_url");
        assert_eq!(bare_name("email"), "email");
    }
}
