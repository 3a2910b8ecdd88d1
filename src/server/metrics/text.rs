//! The figures in the format of `OpenMetrics`.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};
use uuid::Uuid;

use super::figures::{Figures, ServerFigures, SubscriptionFigures};
use crate::subscriptions::BackupState;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Whose {
    id: String,
    subscription: String,
    database: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhoseState {
    id: String,
    subscription: String,
    database: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WithResult {
    kind: String,
    result: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfServer {
    id: String,
    server: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChannel {
    id: String,
    channel: String,
}

type Gauges<L> = Family<L, Gauge>;
type Seconds<L> = Family<L, Gauge<f64, AtomicU64>>;

/// The answer to a scrape.
pub fn of(figures: &Figures) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("holdfast");
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The panel's version", build);
    subscriptions(&mut registry, figures);
    operations(&mut registry, &figures.operations);
    servers(&mut registry, &figures.servers);
    channels(&mut registry, &figures.channels);
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn subscriptions(registry: &mut Registry, figures: &Figures) {
    let states = Gauges::<WhoseState>::default();
    let at = Seconds::<Whose>::default();
    let bytes = Gauges::<Whose>::default();
    let took = Seconds::<Whose>::default();
    let (count, stored) = (Gauges::<Whose>::default(), Gauges::<Whose>::default());
    for subscription in &figures.subscriptions {
        let now = subscription.standing().state(figures.now);
        for state in BackupState::ALL {
            states.get_or_create(&whose_state(subscription, state)).set((state == now).into());
        }
        let whose = whose(subscription);
        if let Some(millis) = subscription.latest_good_at {
            at.get_or_create(&whose).set(seconds(millis));
        }
        if let Some(size) = subscription.latest_bytes {
            bytes.get_or_create(&whose).set(size);
        }
        if let Some(millis) = subscription.latest_millis {
            took.get_or_create(&whose).set(seconds(millis));
        }
        count.get_or_create(&whose).set(subscription.good_count);
        stored.get_or_create(&whose).set(subscription.stored_bytes);
    }
    registry.register("subscription_state", "1 for the state that the subscription has, 0 for the others", states);
    registry.register_with_unit(
        "subscription_last_success_timestamp",
        "When the newest good backup was made, since 1970",
        Unit::Seconds,
        at,
    );
    registry.register_with_unit("subscription_last_size", "Size of the newest good backup", Unit::Bytes, bytes);
    registry.register_with_unit(
        "subscription_last_duration",
        "How long the newest good backup took",
        Unit::Seconds,
        took,
    );
    registry.register("subscription_backups", "Good backups of the subscription", count);
    registry.register_with_unit(
        "subscription_stored",
        "What the backups of the subscription added to its repository",
        Unit::Bytes,
        stored,
    );
}

fn operations(registry: &mut Registry, counted: &[(String, String, i64)]) {
    let ended = Family::<WithResult, Counter>::default();
    let open = Gauges::<OfKind>::default();
    for (kind, state, count) in counted {
        let kind = kind.clone();
        if matches!(state.as_str(), "queued" | "running") {
            open.get_or_create(&OfKind { kind }).inc_by(*count);
        } else {
            let result = state.clone();
            ended.get_or_create(&WithResult { kind, result }).inc_by(u64::try_from(*count).unwrap_or_default());
        }
    }
    registry.register("operations", "Operations that have ended, by kind and result", ended);
    registry.register("operations_unfinished", "Operations that wait or run", open);
}

fn servers(registry: &mut Registry, servers: &[ServerFigures]) {
    let reachable = Gauges::<OfServer>::default();
    let (total, free, used) =
        (Gauges::<OfServer>::default(), Gauges::<OfServer>::default(), Gauges::<OfServer>::default());
    for server in servers {
        let whose = OfServer { id: server.id.to_string(), server: server.name.clone() };
        if let Some(answers) = server.reachable {
            reachable.get_or_create(&whose).set(answers.into());
        }
        for (gauges, known) in
            [(&total, server.total_bytes), (&free, server.free_bytes), (&used, server.repositories_bytes)]
        {
            if let Some(bytes) = known {
                gauges.get_or_create(&whose).set(bytes);
            }
        }
    }
    registry.register("server_reachable", "1 when the backup server answered at the last look, else 0", reachable);
    registry.register_with_unit("server_total", "Size of the disk that the repositories are on", Unit::Bytes, total);
    registry.register_with_unit("server_free", "Free space of that disk", Unit::Bytes, free);
    registry.register_with_unit("server_repositories", "What the repositories take up", Unit::Bytes, used);
}

fn channels(registry: &mut Registry, channels: &[(Uuid, String, bool)]) {
    let failing = Gauges::<OfChannel>::default();
    for (id, name, fails) in channels {
        failing.get_or_create(&OfChannel { id: id.to_string(), channel: name.clone() }).set((*fails).into());
    }
    registry.register("alert_channel_failing", "1 when the channel's last message did not arrive, else 0", failing);
}

fn whose(of: &SubscriptionFigures) -> Whose {
    Whose { id: of.id.to_string(), subscription: of.name.clone(), database: of.database_name.clone() }
}

fn whose_state(of: &SubscriptionFigures, state: BackupState) -> WhoseState {
    let Whose { id, subscription, database } = whose(of);
    WhoseState { id, subscription, database, state: state.as_str() }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit for 285,000 years")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
