//! The form of a backup server: name, address, token; test, save, delete.

use backup_api::ServerInfo;
use leptos::{form::FromFormData, html, prelude::*};
use leptos_router::hooks::use_params_map;
use uuid::Uuid;

use super::{
    BackupServer, DEFAULT_JOB_LIMIT, DEFAULT_UNDO_HOURS, LARGEST_JOB_LIMIT, LONGEST_UNDO_HOURS, Reach, ServerId,
    api::{DeleteServer, SaveServer, TestServer, get_server},
    list_page::space_view,
};
use crate::{
    components::{
        ActionFailure, Badge, Failure, Field, Head, Notice, Tone, fetched, figures, forms::form_data,
        notice::failure_of,
    },
    error::{AppError, AppResult},
    users::Role,
};

const FIELDS: &[&str] = &["name", "url", "token", "undo_hours", "job_limit"];

/// A download's link leads there, not to the panel.
const ADDRESS_HINT: &str =
    "Browsers download from it, too: people must reach it as well, by HTTPS if they reach the panel by HTTPS.";
const UNDO_HINT: &str = "How long a replaced database is kept, so that its restore can be undone. 0 keeps none.";

/// The page of a new or an existing backup server.
#[component]
pub fn ServerPage() -> impl IntoView {
    let parameters = use_params_map();
    let id = Memo::new(move |_| parameters.with(|parameters| parameters.get_str("id").map(str::to_owned)));
    let server = Resource::new(move || id.get(), load);
    fetched(server, page_view)
}

async fn load(id: Option<String>) -> AppResult<Option<BackupServer>> {
    let Some(id) = id else { return Ok(None) };
    let id = id.parse::<Uuid>().map_err(|_| AppError::not_found("This backup server"))?;
    get_server(ServerId(id)).await.map(Some)
}

fn page_view(server: Option<BackupServer>, role: Role) -> AnyView {
    let title = server.as_ref().map_or_else(|| "Add backup server".to_owned(), |server| server.name.clone());
    let known = server.as_ref().map(facts_view);
    let delete = server.as_ref().filter(|server| !server.embedded && role >= Role::Administrator).map(delete_view);
    view! {
        <Head title back=("/backup-servers", "Backup servers") />
        <div class="stack">
            {known}
            {if role >= Role::Administrator {
                form_view(server)
            } else {
                view! { <Failure error=AppError::Forbidden { needed: "administrator".to_owned() } /> }.into_any()
            }}
            {delete}
        </div>
    }
    .into_any()
}

fn facts_view(server: &BackupServer) -> AnyView {
    let (tone, state) = match &server.reach {
        Reach::Unknown => (Tone::Off, "Not asked yet"),
        Reach::Reachable { .. } => (Tone::Ok, "Reachable"),
        Reach::Unreachable { .. } => (Tone::Bad, "Unreachable"),
    };
    let reason = match &server.reach {
        Reach::Unreachable { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    view! {
        <div class="card padded stack tight">
            <dl class="facts">
                <dt>"State"</dt>
                <dd>
                    <Badge tone text=state />
                </dd>
                <dt>"Version"</dt>
                <dd>{server.version.clone().unwrap_or_else(|| "–".to_owned())}</dd>
                <dt>"Space"</dt>
                <dd>{space_view(server.space)}</dd>
                <dt>"Subscriptions"</dt>
                <dd>{figures::count(server.subscriptions)}</dd>
            </dl>
            {reason.map(|reason| view! { <Notice tone=Tone::Bad><p>{reason}</p></Notice> })}
        </div>
    }
    .into_any()
}

fn form_view(server: Option<BackupServer>) -> AnyView {
    let save = ServerAction::<SaveServer>::new();
    let test = ServerAction::<TestServer>::new();
    let form = NodeRef::<html::Form>::new();
    let failure = failure_of(save);
    let id = server.as_ref().map(|server| server.id.0.to_string());
    let embedded = server.as_ref().is_some_and(|server| server.embedded);
    let undo_hours = server.as_ref().map_or(DEFAULT_UNDO_HOURS, |server| server.undo_hours).to_string();
    let job_limit = server.as_ref().map_or(DEFAULT_JOB_LIMIT, |server| server.job_limit).to_string();
    let (name, url) = server.map(|server| (server.name, server.url)).unwrap_or_default();
    let token_hint = if id.is_some() {
        "Empty keeps the stored one."
    } else {
        "The backup server prints it when it starts for the first time."
    };
    let run = move |_| {
        if let Some(data) = form_data(form)
            && let Ok(input) = TestServer::from_form_data(&data)
        {
            test.dispatch(input);
        }
    };
    view! {
        <div class="card">
            <ActionForm action=save node_ref=form>
                {id.map(|id| view! { <input type="hidden" name="input[id]" value=id /> })}
                // What a test said is of what stood there.
                <section class="section" aria-label="Backup server" on:input=move |_| test.clear()>
                    <ActionFailure action=save fields=FIELDS />
                    {embedded.then(|| view! {
                        <Notice tone=Tone::Plain>
                            <p>"This server runs inside the panel: it has no address and token of its own."</p>
                        </Notice>
                    })}
                    <div class="fields">
                        <Field label="Name" name="input[name]" value=name placeholder="Frankfurt 1" required=true failure />
                        {(!embedded).then(|| view! {
                            <Field label="Address" name="input[url]" kind="url" value=url placeholder="https://backup-1.example.com" hint=ADDRESS_HINT required=true failure />
                            <Field label="Token" name="input[token]" kind="password" hint=token_hint autocomplete="new-password" failure />
                        })}
                        <Field label="Undo window of restores, hours" name="input[undo_hours]" kind="number" value=undo_hours min=0 max=LONGEST_UNDO_HOURS hint=UNDO_HINT required=true failure />
                        <Field label="Operations at once" name="input[job_limit]" kind="number" value=job_limit min=1 max=LARGEST_JOB_LIMIT hint="With so many under way, planned backups wait for their turn." required=true failure />
                    </div>
                </section>
                <div class="section-foot row">
                    <button class="btn primary" disabled=save.pending()>
                        {move || if save.pending().get() { "Testing and saving …" } else { "Save" }}
                    </button>
                    {(!embedded).then(|| view! {
                        <button type="button" class="btn needs-script" disabled=test.pending() on:click=run>
                            {move || if test.pending().get() { "Testing …" } else { "Test" }}
                        </button>
                    })}
                    <a class="btn quiet" href="/backup-servers">"Cancel"</a>
                </div>
                {test_view(test)}
            </ActionForm>
        </div>
    }
    .into_any()
}

fn test_view(test: ServerAction<TestServer>) -> impl IntoView {
    let result = move || {
        (!test.pending().get()).then(|| test.value().get()).flatten().map(|result| match result {
            Ok(info) => info_view(&info),
            Err(error) => view! { <Failure error /> }.into_any(),
        })
    };
    view! { <div class="test-result" role="status">{result}</div> }
}

fn info_view(info: &ServerInfo) -> AnyView {
    let versions = match info.pg_dump_versions.as_slice() {
        [] => "none installed: databases cannot be read directly, only through Odoo".to_owned(),
        some => some.join(", "),
    };
    let tone = if info.pg_dump_versions.is_empty() { Tone::Warn } else { Tone::Ok };
    let figures = format!(
        " Holdfast backup server {}, {} free of {}. pg_dump: {versions}.",
        info.version,
        figures::size(info.space.free_bytes),
        figures::size(info.space.total_bytes),
    );
    view! {
        <Notice tone>
            <p>
                <b>"It answers."</b>
                {figures}
            </p>
        </Notice>
    }
    .into_any()
}

fn delete_view(server: &BackupServer) -> AnyView {
    let delete = ServerAction::<DeleteServer>::new();
    let is_away = matches!(server.reach, Reach::Unreachable { .. });
    let content = match (server.subscriptions, server.lines) {
        (0, 0) => forget_view(server, delete),
        (0, lines) if is_away => write_off_view(server, lines, delete),
        (0, lines) => {
            let holds = format!("It holds {}.", figures::counted(lines, "backup line"));
            view! { <p class="muted">{holds}" Delete those backups first."</p> }.into_any()
        }
        (subscriptions, _) => {
            let users = figures::counted(subscriptions, "subscription");
            view! { <p class="muted">{users}" use this server. Set them to another one first."</p> }.into_any()
        }
    };
    view! {
        <section class="card section" aria-labelledby="delete-title">
            <h2 id="delete-title">"Remove"</h2>
            <ActionFailure action=delete fields=&["typed_name"] />
            {content}
        </section>
    }
    .into_any()
}

fn forget_view(server: &BackupServer, delete: ServerAction<DeleteServer>) -> AnyView {
    let id = server.id.0.to_string();
    view! {
        <details>
            <summary>"Remove this server from the panel …"</summary>
            <div class="stack tight">
                <p>"The backup server and the backups on it stay as they are; the panel only forgets its address and token."</p>
                <ActionForm action=delete>
                    <input type="hidden" name="id" value=id />
                    <button class="btn danger" disabled=delete.pending()>"Remove server"</button>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}

/// For a server that does not answer and never will.
fn write_off_view(server: &BackupServer, lines: u64, delete: ServerAction<DeleteServer>) -> AnyView {
    let (id, failure) = (server.id.0.to_string(), failure_of(delete));
    let (holds, called) =
        (format!("It holds {}.", figures::counted(lines, "backup line")), format!("Its name is “{}”.", server.name));
    view! {
        <details open=move || failure.get().is_some()>
            <summary>"Write this server off: it is gone for good …"</summary>
            <div class="stack tight">
                <Notice tone=Tone::Bad>
                    <p>
                        <b>{holds}</b>
                        " They leave the lists of their subscriptions, pinned ones as well, and can no longer be downloaded or \
                          restored here. \
                          If it may come back, leave it as it is: its backups can be used again as soon as it answers."
                    </p>
                </Notice>
                <ActionForm action=delete>
                    <div class="stack tight">
                        <input type="hidden" name="id" value=id />
                        <Field label="Type the server's name to confirm" name="typed_name" hint=called required=true failure />
                        <div>
                            <button class="btn danger" disabled=delete.pending()>"Write off"</button>
                        </div>
                    </div>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}
