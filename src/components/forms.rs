//! What a form holds at the moment, for a button that tries it out without sending it.

use leptos::{
    html,
    prelude::*,
    web_sys::{self, FormData},
};

/// The form's content, if the browser finds it complete; else the browser says what is missing.
pub fn form_data(form: NodeRef<html::Form>) -> Option<FormData> {
    let form = form.get_untracked().filter(web_sys::HtmlFormElement::report_validity)?;
    FormData::new_with_form(&form).ok()
}

/// The form's content, complete or not.
pub fn form_data_as_it_is(form: NodeRef<html::Form>) -> Option<FormData> {
    form.get_untracked().and_then(|form| FormData::new_with_form(&form).ok())
}
