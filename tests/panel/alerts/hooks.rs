//! A receiver of webhooks that keeps what it gets and answers as a test says.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, sync::watch};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Got {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Its alerts, each as event and name of the subscription.
    pub fn events(&self) -> Vec<(String, String)> {
        let alerts = self.json()["alerts"].as_array().unwrap().clone();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        alerts.iter().map(|alert| (text(&alert["event"]), text(&alert["subscription"]["name"]))).collect()
    }
}

/// The receiver.
#[derive(Clone)]
pub struct Hooks {
    address: SocketAddr,
    state: Arc<Mutex<Known>>,
    /// Counts what came.
    came: watch::Sender<usize>,
    /// The path whose answers wait.
    held: watch::Sender<Option<&'static str>>,
}

#[derive(Default)]
struct Known {
    got: Vec<Got>,
    answers: VecDeque<(u16, &'static str)>,
}

impl Hooks {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hooks = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
            came: watch::Sender::default(),
            held: watch::Sender::default(),
        };
        let router = Router::new().fallback(receive).with_state(hooks.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        hooks
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next answers, each once; then it is 200.
    pub fn answers(&self, answers: &[(u16, &'static str)]) {
        self.state.lock().unwrap().answers.extend(answers);
    }

    /// Forgets what it was to answer.
    pub fn accepts(&self) {
        self.state.lock().unwrap().answers.clear();
    }

    /// Gives no answers at a path until it holds another one or none.
    pub fn holds(&self, path: Option<&'static str>) {
        self.held.send_replace(path);
    }

    /// Waits until so many requests came to a path since [`Hooks::take`].
    pub async fn hears(&self, path: &str, requests: usize) {
        let mut came = self.came.subscribe();
        let count = || self.state.lock().unwrap().got.iter().filter(|got| got.path == path).count();
        let waiting = came.wait_for(|_| count() >= requests);
        tokio::time::timeout(std::time::Duration::from_mins(1), waiting).await.expect("it did not come").unwrap();
    }

    /// What came since this was last asked.
    pub fn take(&self) -> Vec<Got> {
        std::mem::take(&mut self.state.lock().unwrap().got)
    }
}

async fn receive(State(hooks): State<Hooks>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let path = uri.to_string();
    hooks.state.lock().unwrap().got.push(Got { path: path.clone(), headers, body });
    hooks.came.send_modify(|came| *came += 1);
    hooks.held.subscribe().wait_for(|held| *held != Some(&*path)).await.unwrap();
    let (status, words) = hooks.state.lock().unwrap().answers.pop_front().unwrap_or((200, "thank you"));
    let location = [("location", "https://elsewhere.example/")];
    (StatusCode::from_u16(status).unwrap(), location, words).into_response()
}
