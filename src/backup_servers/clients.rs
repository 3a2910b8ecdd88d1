//! Clients of the backup servers, made from what is stored.

use std::sync::{OnceLock, PoisonError};
use std::{collections::HashMap, sync::Mutex};

use backup_api::{Client, Secret};
use url::Url;

use super::{ServerId, store};
use crate::{
    error::{AppError, AppResult},
    server::{Panel, of_server},
};

/// Keeps one client a server, so that connections are used again.
#[derive(Debug, Default)]
pub struct Clients {
    embedded: OnceLock<(Url, Secret)>,
    made: Mutex<HashMap<ServerId, (Url, Secret, Client)>>,
}

/// A backup server, ready to be asked.
#[derive(Clone, Debug)]
pub struct Server {
    /// Identity.
    pub id: ServerId,
    /// Its name, for messages.
    pub name: String,
    /// Its address; of the embedded one the address inside this machine.
    pub url: Url,
    /// Whether it runs in this process.
    pub embedded: bool,
    /// For how many hours its restores keep the replaced database.
    pub undo_hours: u32,
    /// Talks to it.
    pub client: Client,
}

impl Server {
    /// An error of a call to it, in words.
    pub fn fault(&self, error: &backup_api::ClientError) -> AppError {
        of_server(&self.name, error)
    }
}

impl Clients {
    /// Says where the embedded server answers and with which token. Once, at start.
    pub fn set_embedded(&self, url: Url, token: &Secret) {
        drop(self.embedded.set((url, token.clone())));
    }

    fn client(&self, id: ServerId, url: &Url, token: &Secret) -> AppResult<Client> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known_url, known_token, client)) = made.get(&id)
            && known_url == url
            && known_token == token
        {
            return Ok(client.clone());
        }
        let client = new_client(url, token.clone())?;
        made.insert(id, (url.clone(), token.clone(), client.clone()));
        Ok(client)
    }
}

/// The server with this identity.
pub async fn server(panel: &Panel, id: ServerId) -> AppResult<Server> {
    let stored = store::connection(panel, id).await?.ok_or_else(|| AppError::not_found("This backup server"))?;
    let (url, token) = if stored.embedded {
        panel
            .clients
            .embedded
            .get()
            // One inside another panel cannot be reached from here.
            .filter(|_| stored.own)
            .cloned()
            .ok_or_else(|| AppError::ServerUnreachable { server: stored.name.clone() })?
    } else {
        (parse_url(&stored.url)?, stored.token)
    };
    let client = panel.clients.client(id, &url, &token)?;
    Ok(Server { id, name: stored.name, url, embedded: stored.embedded, undo_hours: stored.undo_hours, client })
}

/// The embedded server.
pub async fn this_machine(panel: &Panel) -> AppResult<Server> {
    match store::embedded(panel).await? {
        Some(id) => server(panel, id).await,
        None => Err(AppError::field("server", "Choose the backup server that the connection is tested through.")),
    }
}

/// A client for an address and token that are not stored.
pub fn new_client(url: &Url, token: Secret) -> AppResult<Client> {
    Client::new(url, token).map_err(|error| {
        tracing::error!("No HTTP client could be made: {error}");
        AppError::Internal
    })
}

/// An address of a backup server.
pub fn parse_url(text: &str) -> AppResult<Url> {
    let wrong = || AppError::field("url", "Enter the server's whole address, such as https://backup-1.example.com.");
    let url = Url::parse(text.trim()).map_err(|_| wrong())?;
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !usable || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AppError::field("url", "Leave user and password out of the address; the token is enough."));
    }
    Ok(url)
}
