//! What is fetched from the panel: kept on the page while it is fetched again, and a failure that says what to do.

use leptos::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use super::{Failure, Waiting};
use crate::{
    error::AppResult,
    users::{Role, User},
};

/// Who is signed in; in the context of every page inside the frame.
#[derive(Clone, Copy)]
pub struct Session(pub Resource<AppResult<Option<User>>>);

impl Session {
    /// What the person may do: as little as possible while that is not known.
    pub async fn role(self) -> Role {
        self.0.await.ok().flatten().map_or(Role::Viewer, |user| user.role)
    }

    /// Shows something only to those who may use it.
    pub fn only(self, role: Role, show: impl Fn() -> AnyView + Clone + Send + Sync + 'static) -> AnyView {
        view! {
            <Suspense>
                {move || {
                    let show = show.clone();
                    Suspend::new(async move { (self.role().await >= role).then(show) })
                }}
            </Suspense>
        }
        .into_any()
    }
}

/// Shows what a resource holds, given what the person may do; keeps the last while it is fetched again.
pub fn fetched<T>(
    resource: Resource<AppResult<T>>,
    show: impl Fn(T, Role) -> AnyView + Clone + Send + Sync + 'static,
) -> AnyView
where
    T: Clone + Send + Sync + Serialize + DeserializeOwned + 'static,
{
    let session = expect_context::<Session>();
    view! {
        <Transition fallback=|| {
            view! {
                <div class="card">
                    <Waiting />
                </div>
            }
        }>
            {move || {
                let show = show.clone();
                Suspend::new(async move {
                    let role = session.role().await;
                    match resource.await {
                        Ok(value) => show(value, role),
                        Err(error) => view! { <Failure error /> }.into_any(),
                    }
                })
            }}
        </Transition>
    }
    .into_any()
}

/// The same for a small part beside the main content: nothing while it is fetched, nothing when that fails (the main
/// content tells why).
pub fn fetched_beside<T>(
    resource: Resource<AppResult<T>>,
    show: impl Fn(T, Role) -> AnyView + Clone + Send + Sync + 'static,
) -> AnyView
where
    T: Clone + Send + Sync + Serialize + DeserializeOwned + 'static,
{
    let session = expect_context::<Session>();
    view! {
        <Transition>
            {move || {
                let show = show.clone();
                Suspend::new(async move {
                    let role = session.role().await;
                    resource.await.ok().map(|value| show(value, role))
                })
            }}
        </Transition>
    }
    .into_any()
}
