//! The frame around every page of somebody signed in: navigation, work under way, who is signed in, messages.

use leptos::{prelude::*, server_fn::ServerFn};
use leptos_router::{
    components::{Outlet, Redirect},
    hooks::use_location,
};

use super::{Anchor, Glyph, Icon, Session, Toasts, addresses, browser, toast::ToastRegion};
use crate::{
    alerts::banner::ChannelBanner,
    operations::{OperationFilter, api::list_operations, following::Live},
    users::{
        User,
        api::{SignOut, current_user},
    },
};

/// The frame.
#[component]
pub fn Frame() -> impl IntoView {
    let session = Session(Resource::new(|| (), |()| current_user()));
    provide_context(session);
    let first = Resource::new(|| (), |()| list_operations(OperationFilter::Unfinished, None, 0));
    let live = Live::provide(first);
    let toasts = Toasts::provide();
    follow(live, session, toasts);
    focus_new_pages();
    view! {
        <a class="skip" href="#main" rel="external">"Skip to the content"</a>
        <div class="frame">
            <header class="side">
                <a class="brand" href="/">
                    <Anchor />
                    "Holdfast"
                </a>
                <Navigation live />
                <Who session />
            </header>
            <main id="main" tabindex="-1">
                <ChannelBanner />
                <Outlet />
            </main>
        </div>
        <ToastRegion />
    }
}

/// Starts to follow operations once the page is interactive and somebody is signed in.
#[cfg_attr(not(feature = "hydrate"), expect(unused_variables, reason = "browser only"))]
fn follow(live: Live, session: Session, toasts: Toasts) {
    #[cfg(feature = "hydrate")]
    Effect::new(move |started: Option<bool>| {
        let me = session.0.get().and_then(Result::ok).flatten();
        let Some(me) = me.filter(|_| started != Some(true)) else { return started == Some(true) };
        crate::operations::stream::follow(live, move |operation| {
            // Work that others or the schedule began shows in the lists; a message is for who asked for it.
            if operation.asked_by == me.name {
                toasts.show(crate::operations::progress::end_toast(operation));
            }
        });
        true
    });
}

/// After a navigation the keyboard and those who listen start at the new page.
fn focus_new_pages() {
    let path = use_location().pathname;
    Effect::new(move |before: Option<String>| {
        let now = path.get();
        if before.is_some_and(|before| before != now) {
            browser::focus_main();
        }
        browser::show_current_link();
        now
    });
}

#[component]
fn Navigation(
    /// Work under way, for the count.
    live: Live,
) -> impl IntoView {
    let count = move || {
        Suspend::new(async move {
            let first = live.first.await.map(|page| page.operations).unwrap_or_default();
            move || {
                let running = live.unfinished(&first, None).len();
                (running > 0).then(
                    || view! { <span class="count">{running}<span class="visually-hidden">" under way"</span></span> },
                )
            }
        })
    };
    view! {
        <nav aria-label="Main">
            <ul>
                <NavigationLink href="/" icon=Icon::Overview>"Overview"</NavigationLink>
                <NavigationLink href="/subscriptions" icon=Icon::Database>"Subscriptions"</NavigationLink>
                <NavigationLink href="/backup-servers" icon=Icon::Server>"Backup servers"</NavigationLink>
                <NavigationLink href="/operations" icon=Icon::Work>
                    "Operations" <Transition>{count}</Transition>
                </NavigationLink>
                <NavigationLink href="/alerts" icon=Icon::Bell>"Alerts"</NavigationLink>
                <NavigationLink href="/action-log" icon=Icon::Log>"Action log"</NavigationLink>
            </ul>
        </nav>
    }
}

#[component]
fn NavigationLink(
    /// Where it leads.
    href: &'static str,
    /// Its icon.
    icon: Icon,
    /// Its words.
    children: Children,
) -> impl IntoView {
    let path = use_location().pathname;
    let current = move || path.with(|path| current(href, path));
    view! {
        <li>
            <a href=href aria-current=current>
                <Glyph icon />
                {children()}
            </a>
        </li>
    }
}

/// Whether a link of the navigation is the page itself or the list that the page belongs to.
fn current(href: &str, path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix(href)?;
    match rest {
        "" | "/" => Some("page"),
        _ => rest.starts_with('/').then_some("true"),
    }
}

#[component]
fn Who(
    /// Who is signed in.
    session: Session,
) -> impl IntoView {
    let location = use_location();
    view! {
        <Suspense>
            {move || {
                let next = addresses::address(
                    &location.pathname.get_untracked(),
                    &[],
                ) + &location.query.read_untracked().to_query_string();
                Suspend::new(async move {
                    match session.0.await {
                        Ok(Some(user)) => who_view(user),
                        Ok(None) => {
                            let path = addresses::address("/sign-in", &[("next", &next)]);
                            view! { <Redirect path /> }.into_any()
                        }
                        // Every page tells why for itself.
                        Err(_) => ().into_any(),
                    }
                })
            }}
        </Suspense>
    }
}

fn who_view(user: User) -> AnyView {
    // A plain form: the page is loaded anew, so that nothing of the session stays in memory.
    view! {
        <div class="who">
            <div>
                <b>{user.name}</b>
                <span>{user.email}</span>
            </div>
            <form method="post" action=SignOut::url()>
                <button class="btn small quiet">"Sign out"</button>
            </form>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_list_marks_the_list_in_the_navigation() {
        assert_eq!(current("/subscriptions", "/subscriptions"), Some("page"));
        assert_eq!(current("/subscriptions", "/subscriptions/1"), Some("true"));
        assert_eq!(current("/subscriptions", "/operations"), None);
        assert_eq!(current("/", "/"), Some("page"));
        assert_eq!(current("/", "/subscriptions"), None);
        assert_eq!(current("/operations", "/operations-old"), None);
    }
}
