//! Calls server functions as the pages' code does, with cookies and origin.

use std::time::Duration;

use backup_api::JobState;
use futures::StreamExt;
use holdfast::{
    backups::{BackupLine, LinePage, api::ListLines},
    error::AppError,
    operations::{Operation, OperationId},
    subscriptions::{
        Subscription, SubscriptionId,
        api::{GetSubscription, SaveSubscription},
    },
    users::api::SignIn,
};
use leptos::server_fn::ServerFn;
use reqwest::{Method, RequestBuilder, Response, header};
use serde::de::DeserializeOwned;
use testbed::{Cluster, TinyDatabase};

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A browser, with its cookie.
#[derive(Clone)]
pub struct Browser {
    pub http: reqwest::Client,
    pub url: String,
    pub cookie: std::sync::Arc<std::sync::Mutex<Option<String>>>,
}

/// The fields of a form.
pub type Form<'a> = &'a [(&'a str, &'a str)];

impl Browser {
    pub fn new(url: &str) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, url: url.to_owned(), cookie: std::sync::Arc::default() }
    }

    /// A request of this browser.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).timeout(PATIENCE);
        if let Some(cookie) = self.cookie.lock().unwrap().as_ref() {
            request = request.header(header::COOKIE, cookie);
        }
        request
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Opens a page.
    pub async fn page(&self, path: &str) -> Response {
        self.request(Method::GET, path).header(header::ACCEPT, "text/html").send().await.unwrap()
    }

    /// Posts a form to a server function, as a script of the page does.
    pub async fn post(&self, path: &str, form: Form<'_>) -> Response {
        let request = self.request(Method::POST, path).header(header::ORIGIN, &self.url).form(form);
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
            *self.cookie.lock().unwrap() = Some(cookie);
        }
        answer
    }

    /// Calls a server function.
    pub async fn call<F>(&self, form: Form<'_>) -> Result<F::Output, AppError>
    where
        F: ServerFn,
        F::Output: DeserializeOwned,
    {
        let answer = self.post(F::PATH, form).await;
        let ok = answer.status().is_success();
        let body = answer.text().await.unwrap();
        if ok {
            return Ok(serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}")));
        }
        Err(serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}")))
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> Result<(), AppError> {
        self.call::<SignIn>(&[("email", email), ("password", password)]).await
    }

    pub async fn subscription(&self, id: SubscriptionId) -> Subscription {
        self.call::<GetSubscription>(&[("id", &id.0.to_string())]).await.unwrap()
    }

    /// Adds a subscription for a database that is read directly.
    pub async fn add_direct(&self, name: &str, database: &TinyDatabase, server: &str) -> SubscriptionId {
        let url = Cluster::shared().url();
        let filestore = database.filestore.to_string_lossy();
        let connection =
            [("input[connection]", "postgres"), ("input[postgres_url]", &url), ("input[filestore]", &filestore)];
        self.add(name, &database.name, server, &connection).await
    }

    /// Adds a subscription.
    pub async fn add(&self, name: &str, database: &str, server: &str, connection: Form<'_>) -> SubscriptionId {
        let mut form = vec![("input[name]", name), ("input[database]", database), ("input[server]", server)];
        form.extend(KEPT);
        form.extend(connection);
        self.call::<SaveSubscription>(&form).await.unwrap()
    }

    /// All lines of a subscription, the newest first.
    pub async fn lines(&self, id: SubscriptionId) -> Vec<BackupLine> {
        self.line_page(id).await.lines
    }

    pub async fn line_page(&self, id: SubscriptionId) -> LinePage {
        self.listed(id, &[]).await
    }

    /// A page of lines, asked for as `query` says: search, filter, sort, reversed, page.
    pub async fn listed(&self, id: SubscriptionId, query: Form<'_>) -> LinePage {
        let id = id.0.to_string();
        let asked =
            |name: &str, plain| query.iter().find(|(given, _)| *given == name).map_or(plain, |(_, value)| *value);
        self.call::<ListLines>(&[
            ("subscription", &id),
            ("query[search]", asked("search", "")),
            ("query[filter]", asked("filter", "all")),
            ("query[sort]", asked("sort", "created")),
            ("query[reversed]", asked("reversed", "false")),
            ("query[page]", asked("page", "0")),
        ])
        .await
        .unwrap()
    }

    /// What a page shows in its dialog.
    pub async fn dialog(&self, path: &str) -> String {
        let page = self.page(path).await.text().await.unwrap();
        let dialog = page.split("<dialog").nth(1).unwrap_or_else(|| panic!("no dialog in {page}"));
        dialog.split("</dialog>").next().unwrap().to_owned()
    }

    /// Follows an operation as a page does, until `reached` says so.
    pub async fn watch(&self, id: OperationId, reached: impl Fn(&Operation) -> bool) -> Operation {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(operation) = self.watch_once(id, &reached).await {
                    return operation;
                }
            }
        });
        found.await.expect("the operation came no further")
    }

    /// Waits for the end of an operation.
    pub async fn end_of(&self, id: OperationId) -> Operation {
        self.watch(id, |operation| operation.state.is_final()).await
    }

    async fn watch_once(&self, id: OperationId, reached: &impl Fn(&Operation) -> bool) -> Option<Operation> {
        let request = self.request(Method::GET, "/events/operations").header(header::ACCEPT, "text/event-stream");
        let answer = request.send().await.ok()?;
        assert_eq!(answer.status(), 200);
        // Ended before the stream was opened?
        let now = self.call::<holdfast::operations::api::GetOperation>(&[("id", &id.0.to_string())]).await.unwrap();
        if reached(&now) {
            return Some(now);
        }
        assert!(!now.state.is_final(), "{now:?}");
        let (mut bytes, mut rest) = (answer.bytes_stream(), String::new());
        while let Some(Ok(chunk)) = bytes.next().await {
            rest.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((line, more)) = rest.split_once('\n') {
                let seen =
                    line.strip_prefix("data:").map(|data| serde_json::from_str::<Operation>(data.trim()).unwrap());
                rest = more.to_owned();
                if let Some(seen) = seen.filter(|seen| seen.id == id) {
                    if reached(&seen) {
                        return Some(seen);
                    }
                    assert!(!seen.state.is_final(), "{seen:?}");
                }
            }
        }
        None
    }
}

/// The retention that every form here sends.
pub const KEPT: [(&str, &str); 4] =
    [("input[daily]", "7"), ("input[weekly]", "2"), ("input[monthly]", "1"), ("input[keep_latest]", "7")];

/// The reason of an operation that did not succeed.
pub fn reason(operation: &Operation) -> &str {
    assert_ne!(operation.state, JobState::Succeeded);
    &operation.failure.as_ref().unwrap().message
}
