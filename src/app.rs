//! The page shell and the routes.

use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    components::{Route, Router, Routes},
    path,
};

/// The document around every page.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <HashedStylesheet options=options.clone() id="holdfast-style" />
                <HydrationScripts options />
                <leptos_meta::MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// Every page of the panel.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Title text="Holdfast" />
        <Router>
            <Routes fallback=|| "This page does not exist.">
                <Route path=path!("/") view=|| view! { <h1>"Holdfast"</h1> } ssr=SsrMode::Async />
            </Routes>
        </Router>
    }
}
