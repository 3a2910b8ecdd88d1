//! The page shell and the routes.

use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags, Title, provide_meta_context};
use leptos_router::{
    Lazy, SsrMode,
    components::{ParentRoute, Route, Router, Routes},
    path,
};

use crate::{
    components::{
        NotFound,
        frame::Frame,
        typed::{self, Typed},
    },
    pages::{
        ActionLogPage, AlertsPage, ChannelPage, NewSubscriptionPage, OperationPage, OperationsPage, OverviewPage,
        ServerPage, ServersPage, SetUpPage, SubscriptionPage, SubscriptionsPage,
    },
    users::sign_in_page::SignInPage,
};

/// The document around every page.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                {head(options.clone())}
                <meta name="theme-color" content="#ffffff" media="(prefers-color-scheme: light)" />
                <meta name="theme-color" content="#151c1f" media="(prefers-color-scheme: dark)" />
                <HydrationScripts options />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// What the head of every document begins with.
pub fn head(options: LeptosOptions) -> impl IntoView {
    view! {
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" type="image/svg+xml" href="/favicon.svg" />
        <HashedStylesheet options id="holdfast-style" />
    }
}

/// Every page of the panel.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    typed::provide(typed_before);
    let (routing, set_routing) = signal(false);
    view! {
        <Title text="Holdfast" />
        <Router set_is_routing=set_routing>
            {move || routing.get().then(|| view! { <div class="busy-bar" aria-hidden="true"></div> })}
            <Routes fallback=NotFound>
                <ParentRoute path=path!("") view=Frame ssr=SsrMode::Async>
                    <Route path=path!("/") view={Lazy::<OverviewPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/subscriptions") view={Lazy::<SubscriptionsPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/subscriptions/new") view={Lazy::<NewSubscriptionPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/subscriptions/:id") view={Lazy::<SubscriptionPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/backup-servers") view={Lazy::<ServersPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/backup-servers/new") view={Lazy::<ServerPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/backup-servers/:id") view={Lazy::<ServerPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/operations") view={Lazy::<OperationsPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/operations/:id") view={Lazy::<OperationPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/alerts") view={Lazy::<AlertsPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/alerts/new") view={Lazy::<ChannelPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/alerts/:id") view={Lazy::<ChannelPage>::new()} ssr=SsrMode::Async />
                    <Route path=path!("/action-log") view={Lazy::<ActionLogPage>::new()} ssr=SsrMode::Async />
                </ParentRoute>
                <Route path=path!("/sign-in") view=SignInPage ssr=SsrMode::Async />
                <Route path=path!("/set-up/:token") view={Lazy::<SetUpPage>::new()} ssr=SsrMode::Async />
            </Routes>
        </Router>
    }
}

#[cfg(feature = "ssr")]
fn typed_before() -> Typed {
    crate::server::typed()
}

/// The browser learns it from the page.
#[cfg(not(feature = "ssr"))]
fn typed_before() -> Typed {
    Typed::default()
}
