//! What the form of a backup server sends: checked, tried out, stored.

use std::time::Duration;

use backup_api::{Client, ClientError, ErrorCode, Secret, ServerInfo};

use super::{DEFAULT_UNDO_HOURS, LARGEST_JOB_LIMIT, LONGEST_UNDO_HOURS, ServerId, ServerInput, clients, reach, store};
use crate::{
    error::{AppError, AppResult},
    operations::actions::{self, Entry},
    server::{Panel, chain},
    users::User,
};

const MAX_CHARS: usize = 200;
/// How long the form waits for the server.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the form says, with what is stored where it says nothing.
struct Checked {
    name: String,
    url: String,
    token: Secret,
    embedded: bool,
    undo_hours: u32,
    job_limit: Option<u32>,
    client: Client,
}

/// Asks the server that the form describes.
pub async fn test(panel: &Panel, input: &ServerInput) -> AppResult<ServerInfo> {
    try_out(&check(panel, input).await?.client).await
}

/// Tests and stores.
pub async fn save(panel: &Panel, user: &User, input: ServerInput) -> AppResult<ServerId> {
    let checked = check(panel, &input).await?;
    let info = if checked.embedded { None } else { Some(try_out(&checked.client).await?) };
    let id = input.id.unwrap_or_else(|| ServerId(panel.id()));
    let token = if checked.embedded { Vec::new() } else { panel.secrets.seal(store::TOKEN, id.0, &checked.token) };
    let mut tx = panel.db.begin().await?;
    let what = if input.id.is_some() {
        store::update(&mut tx, id, &checked.name, &checked.url, &token).await?;
        format!("Changed the backup server “{}”", checked.name)
    } else {
        store::insert(panel, &mut tx, id.0, &checked.name, &checked.url, &token, false).await?;
        format!("Added the backup server “{}”", checked.name)
    };
    store::keep_replaced(&mut tx, id, checked.undo_hours).await?;
    if let Some(limit) = checked.job_limit {
        store::limit_jobs(&mut tx, id, limit).await?;
    }
    actions::write(panel, &mut tx, Entry::by(user, what)).await?;
    tx.commit().await?;
    match info {
        Some(info) => store::answered(panel, id, &info).await?,
        None => drop(reach::ask(panel, id).await?),
    }
    Ok(id)
}

async fn check(panel: &Panel, input: &ServerInput) -> AppResult<Checked> {
    let name = match input.name.trim() {
        "" => return Err(AppError::field("name", "Enter a name, such as “Frankfurt 1”.")),
        name if name.chars().count() > MAX_CHARS => {
            return Err(AppError::field("name", "A name has at most 200 characters."));
        }
        name => name.to_owned(),
    };
    let known = match input.id {
        Some(id) => Some(store::connection(panel, id).await?.ok_or_else(|| AppError::not_found("This backup server"))?),
        None => None,
    };
    let undo_hours = undo_hours(&input.undo_hours, known.as_ref().map(|known| known.undo_hours))?;
    let job_limit = job_limit(&input.job_limit)?;
    if let (Some(id), Some(known)) = (input.id, &known)
        && known.embedded
    {
        let client = clients::server(panel, id).await?.client;
        let (url, token) = (String::new(), Secret::new(""));
        return Ok(Checked { name, url, token, embedded: true, undo_hours, job_limit, client });
    }
    let url = clients::parse_url(&input.url)?;
    let token = match (input.token.trim(), known) {
        ("", Some(known)) => {
            // A stored token goes only where it was entered for: whoever may change the address must not learn it.
            let same = clients::parse_url(&known.url).is_ok_and(|known| known.origin() == url.origin());
            if !same {
                return Err(AppError::field("token", "The address changed: enter the token of that server, too."));
            }
            known.token
        }
        ("", None) => {
            return Err(AppError::field("token", "Enter the token that the backup server printed at its first start."));
        }
        (token, _) => Secret::new(token),
    };
    let client = clients::new_client(&url, token.clone())?;
    let url = url.as_str().trim_end_matches('/').to_owned();
    Ok(Checked { name, url, token, embedded: false, undo_hours, job_limit, client })
}

/// The limit that a form says, if it says one.
fn job_limit(text: &str) -> AppResult<Option<u32>> {
    match text.trim() {
        "" => Ok(None),
        text => text
            .parse()
            .ok()
            .filter(|limit| (1..=LARGEST_JOB_LIMIT).contains(limit))
            .map(Some)
            .ok_or_else(|| AppError::field("job_limit", "Enter a whole number from 1 to 64.")),
    }
}

/// The hours that a form says; empty keeps what is stored.
fn undo_hours(text: &str, known: Option<u32>) -> AppResult<u32> {
    match text.trim() {
        "" => Ok(known.unwrap_or(DEFAULT_UNDO_HOURS)),
        text => text.parse().ok().filter(|hours| *hours <= LONGEST_UNDO_HOURS).ok_or_else(|| {
            AppError::field(
                "undo_hours",
                "Enter whole hours from 0 (a replaced database is not kept) to 720 (30 days).",
            )
        }),
    }
}

async fn try_out(client: &Client) -> AppResult<ServerInfo> {
    let Ok(answer) = tokio::time::timeout(PATIENCE, client.server()).await else {
        return Err(AppError::field("url", "The server did not answer within 15 seconds. Check address and network."));
    };
    answer.map_err(|error| match &error {
        ClientError::Unreachable(cause) => {
            tracing::warn!("A backup server that was tested does not answer: {}", chain(cause));
            AppError::field(
                "url",
                "No connection to this address. Check that the backup server runs there and that the port is open.",
            )
        }
        ClientError::Refused(refusal) if refusal.code == ErrorCode::Unauthorized => AppError::field(
            "token",
            "The server does not accept this token. Copy it from the file “token” in the server's data folder.",
        ),
        ClientError::Refused(refusal) => AppError::field("url", refusal.message.clone()),
        ClientError::NotABackupServer { .. } => AppError::field("url", error.to_string()),
    })
}
