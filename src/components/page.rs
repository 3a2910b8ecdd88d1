//! The head of a page, and the page that is not there.

use leptos::prelude::*;
use leptos_meta::Title;

use super::Anchor;

/// Title of the document, path back, heading, a line below it and the page's actions.
#[component]
pub fn Head(
    /// The heading, and the document's title.
    #[prop(into)]
    title: String,
    /// The list that the page belongs to: address and name.
    #[prop(optional)]
    back: Option<(&'static str, &'static str)>,
    /// Beside the heading, such as a badge.
    #[prop(optional, into)]
    beside: Option<AnyView>,
    /// Below the heading.
    #[prop(optional, into)]
    lede: Option<AnyView>,
    /// Actions.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let crumbs = back.map(|(href, name)| {
        view! {
            <nav class="crumbs" aria-label="Breadcrumb">
                <a href=href>
                    <span aria-hidden="true">"← "</span>
                    {name}
                </a>
            </nav>
        }
    });
    view! {
        <Title text=format!("{title} · Holdfast") />
        <header class="head">
            <div>
                {crumbs} <div class="titled">
                    <h1>{title}</h1>
                    {beside}
                </div> {lede.map(|lede| view! { <div class="lede">{lede}</div> })}
            </div>
            {children.map(|children| view! { <div class="row">{children()}</div> })}
        </header>
    }
}

/// A page for those outside: brand and one card.
#[component]
pub fn Door(
    /// The document's title.
    title: &'static str,
    /// What is in the card.
    children: Children,
) -> impl IntoView {
    view! {
        <Title text=format!("{title} · Holdfast") />
        <main class="door" id="main" tabindex="-1">
            <a class="brand" href="/" rel="external">
                <Anchor size=30 />
                "Holdfast"
            </a>
            <div class="card">{children()}</div>
        </main>
    }
}

/// There is no such page: HTTP 404.
#[component]
pub fn NotFound() -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(axum::http::StatusCode::NOT_FOUND);
    }
    view! {
        <Door title="Page not found">
            <h1>"This page does not exist"</h1>
            <p class="muted">"The address may be mistyped, or what it showed has been deleted."</p>
            <a class="btn primary" href="/">"Go to the overview"</a>
        </Door>
    }
}
