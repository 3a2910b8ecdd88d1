//! Pages whose code is not part of what every page loads. It comes in parts, each loaded when one of its pages is opened: fewer bytes before anybody can sign in, and few enough files that nothing waits for one after the other.

use leptos::prelude::*;
use leptos_router::LazyRoute;

use crate::{alerts, backup_servers as servers, dashboard, operations, subscriptions, users};

/// Declares pages that share one part: each becomes a route, shown by a function that is loaded when it is first called.
macro_rules! loaded_together {
    ($part:ident, $pages:ident: $($(#[$about:meta])* $name:ident, $page:ident = $component:path;)+) => {
        #[derive(Clone, Copy, Debug)]
        enum $pages {
            $($name),+
        }

        #[lazy]
        fn $part(page: Option<$pages>) -> AnyView {
            match page {
                $(Some($pages::$name) => $component().into_any(),)+
                // Only asked for to have the part loaded.
                None => ().into_any(),
            }
        }

        $(
            $(#[$about])*
            #[derive(Clone, Copy, Debug)]
            pub struct $page;

            impl LazyRoute for $page {
                fn data() -> Self {
                    Self
                }

                async fn view(_page: Self) -> AnyView {
                    $part(Some($pages::$name)).await
                }

                async fn preload() {
                    drop($part(None).await);
                }
            }
        )+
    };
}

loaded_together! { overview_pages, OverviewPages:
    /// The overview: with a part of its own, for it is what most people open first.
    Overview, OverviewPage = dashboard::page::OverviewPage;
}

loaded_together! { subscription_pages, SubscriptionPages:
    /// One subscription, with every wizard and dialog.
    Subscription, SubscriptionPage = subscriptions::subscription_page::SubscriptionPage;
    /// The form of a new one.
    NewSubscription, NewSubscriptionPage = subscriptions::form::NewSubscriptionPage;
}

loaded_together! { other_pages, OtherPages:
    /// The list of subscriptions.
    Subscriptions, SubscriptionsPage = subscriptions::list_page::SubscriptionsPage;
    /// The backup servers.
    Servers, ServersPage = servers::list_page::ServersPage;
    /// The form of a backup server.
    Server, ServerPage = servers::form_page::ServerPage;
    /// All operations.
    Operations, OperationsPage = operations::list_page::OperationsPage;
    /// One operation.
    Operation, OperationPage = operations::log_page::OperationPage;
    /// Alerts: channels, rules, delivery log.
    Alerts, AlertsPage = alerts::list_page::AlertsPage;
    /// The form of a channel.
    Channel, ChannelPage = alerts::channel_page::ChannelPage;
    /// The action log.
    ActionLog, ActionLogPage = operations::actions_page::ActionLogPage;
    /// The first administrator.
    SetUp, SetUpPage = users::set_up_page::SetUpPage;
}
