//! The list of backup servers.

use backup_api::Space;
use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::{BackupServer, Reach, ServerList, Shortage, api::list_servers};
use crate::{
    components::{Badge, Bar, Column, Empty, Head, Icon, Session, Table, Tone, addresses, fetched, figures},
    operations::following::Live,
    users::Role,
};

/// The page of backup servers.
#[component]
pub fn ServersPage() -> impl IntoView {
    let live = expect_context::<Live>();
    let session = expect_context::<Session>();
    let servers = Resource::new(move || live.beat.get(), |_| list_servers());
    let add = || view! { <a class="btn primary" href="/backup-servers/new">"Add backup server"</a> }.into_any();
    view! {
        <Head title="Backup servers" lede="They read the databases and hold the backups. One runs inside this panel; others run near your Odoo hosts.".into_any()>
            {session.only(Role::Administrator, add)}
        </Head>
        {fetched(servers, list_view)}
    }
}

fn list_view(list: ServerList, role: Role) -> AnyView {
    if list.servers.is_empty() {
        return view! {
            <div class="card">
                <Empty icon=Icon::Server title="No backup servers">
                    <p>"Start a backup-server process, then add it here with its address and the token that it prints."</p>
                </Empty>
            </div>
        }
        .into_any();
    }
    let columns = vec![
        Column::plain("Name"),
        Column::plain("State"),
        Column::plain("Address"),
        Column::plain("Version"),
        Column::plain("Space"),
        Column::plain("Subscriptions").number(),
    ];
    let rows: Vec<_> = list.servers.into_iter().map(|server| row_view(server, list.as_of, role)).collect();
    view! {
        <Table label="Backup servers" class="linked" columns rows />
    }
    .into_any()
}

fn row_view(server: BackupServer, as_of: DateTime<Utc>, role: Role) -> AnyView {
    let (tone, state, reason) = reach_text(&server.reach, as_of);
    let name = server.name.clone();
    let name = if role >= Role::Administrator {
        view! { <a class="row-link" href=format!("/backup-servers/{}", server.id.0)>{name}</a> }.into_any()
    } else {
        view! { <b>{name}</b> }.into_any()
    };
    let address = if server.embedded { "inside this panel".to_owned() } else { server.url };
    let subscriptions = addresses::address("/subscriptions", &[("search", &server.name)]);
    view! {
        <tr role="row">
            <td role="cell" class="lead">{name} <span class="sub bad">{reason}</span></td>
            <td role="cell" class="aside">
                <Badge tone text=state />
            </td>
            <td role="cell" data-label="Address">
                <span>{address}</span>
            </td>
            <td role="cell" data-label="Version">
                <span>{server.version.unwrap_or_else(|| "–".to_owned())}</span>
            </td>
            <td role="cell" data-label="Space">{space_view(server.space)}</td>
            <td role="cell" class="number" data-label="Subscriptions">
                <a href=subscriptions aria-label=format!("{} on {}", figures::counted(server.subscriptions, "subscription"), server.name)>
                    {figures::count(server.subscriptions)}
                </a>
            </td>
        </tr>
    }
    .into_any()
}

/// The tone, words and reason of whether a server answers.
pub fn reach_text(reach: &Reach, as_of: DateTime<Utc>) -> (Tone, String, String) {
    let since = |at: &DateTime<Utc>| match figures::seconds_between(*at, as_of) {
        ..60 => String::new(),
        seconds => format!(" for {}", figures::duration(seconds - seconds % 60)),
    };
    match reach {
        Reach::Unknown => (Tone::Off, "Not asked yet".to_owned(), String::new()),
        Reach::Reachable { since: at } => (Tone::Ok, format!("Reachable{}", since(at)), String::new()),
        Reach::Unreachable { since: at, reason } => (Tone::Bad, format!("Unreachable{}", since(at)), reason.clone()),
    }
}

/// Free and used space with a bar.
pub fn space_view(space: Option<Space>) -> AnyView {
    let Some(space) = space else { return view! { <span>"–"</span> }.into_any() };
    let used = space.total_bytes.saturating_sub(space.free_bytes);
    let percent = figures::percent(used, space.total_bytes);
    let tone = Shortage::of(space).map_or("", Shortage::class);
    view! {
        <div class="space">
            <span class="figures">{format!("{} free of {}", figures::size(space.free_bytes), figures::size(space.total_bytes))}</span>
            <Bar percent=Some(percent) label=format!("{percent} % of the disk is used") tone />
            <span class="sub">{format!("backups take {}", figures::size(space.repositories_bytes))}</span>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn reach_says_since_when_and_why() {
        let now = DateTime::from_timestamp(1_763_800_000, 0).unwrap();
        let since = now - TimeDelta::seconds(7_530);
        assert_eq!(reach_text(&Reach::Reachable { since }, now).1, "Reachable for 2 h 5 min");
        assert_eq!(reach_text(&Reach::Reachable { since: now }, now).1, "Reachable");
        let gone = Reach::Unreachable { since, reason: "Connection refused.".to_owned() };
        assert_eq!(
            reach_text(&gone, now),
            (Tone::Bad, "Unreachable for 2 h 5 min".to_owned(), "Connection refused.".to_owned())
        );
    }
}
