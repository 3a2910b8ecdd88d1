//! The brand's anchor and a handful of line icons, all decoration: the words beside them say it.

use leptos::prelude::*;

/// Icons by what they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// How everything stands.
    Overview,
    /// A database.
    Database,
    /// A backup server.
    Server,
    /// Work under way.
    Work,
    /// A written log.
    Log,
    /// Alerts.
    Bell,
    /// Done.
    Check,
    /// Deserves a look.
    Warning,
    /// Something is wrong.
    Wrong,
    /// Tells something.
    Info,
    /// Copy.
    Copy,
    /// More actions.
    More,
    /// Download.
    Download,
    /// Keep.
    Pin,
    /// Change.
    Pencil,
    /// Delete.
    Bin,
    /// Close.
    Close,
}

impl Icon {
    /// Its lines on a grid of 24 by 24.
    const fn path(self) -> &'static str {
        match self {
            Self::Overview => "M4 4h7v8.5H4zM13.5 4H20v5h-6.5zM13.5 11.5H20V20h-6.5zM4 15h7v5H4z",
            Self::Database => {
                "M4 6c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3zM4 6v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3"
            }
            Self::Server => "M4 4h16v7H4zM4 13h16v7H4zM7.5 7.5h.01M7.5 16.5h.01M12 7.5h5M12 16.5h5",
            Self::Work => "M3 12h4l3-8 4 16 3-8h4",
            Self::Log => "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
            Self::Bell => "M6 16V11a6 6 0 0112 0v5l1.5 2h-15zM10 21h4",
            Self::Check => "M4.5 12.5l5 5L20 6.5",
            Self::Warning => "M12 4L2.5 20h19zM12 10v4.5M12 17.3h.01",
            Self::Wrong => "M12 3a9 9 0 100 18 9 9 0 000-18zM12 7.5v5.5M12 16.3h.01",
            Self::Info => "M12 3a9 9 0 100 18 9 9 0 000-18zM12 11v5.5M12 7.7h.01",
            Self::Copy => "M9 9h11v11H9zM5 15H4V4h11v1",
            Self::More => "M5.5 12h.01M12 12h.01M18.5 12h.01",
            Self::Download => "M12 4v11M7 10.5l5 5 5-5M4 20h16",
            Self::Pin => "M12 15.5V21M8 3.5h8l-1 6.5 3 3v2.5H6V13l3-3z",
            Self::Pencil => "M4 20l1-4.5L16 4.5l3.5 3.5-11 11zM13.5 7l3.5 3.5",
            Self::Bin => "M4 6.5h16M9 6.5V4h6v2.5M6 6.5l1 14h10l1-14M10 10.5v6M14 10.5v6",
            Self::Close => "M6 6l12 12M18 6L6 18",
        }
    }
}

/// A line icon.
#[component]
pub fn Glyph(
    /// Which.
    icon: Icon,
    /// Width and height in CSS pixels.
    #[prop(default = 16)]
    size: u16,
) -> impl IntoView {
    let width = if icon == Icon::More { "3.2" } else { "1.9" };
    view! {
        <svg
            width=size
            height=size
            viewBox="0 0 24 24"
            fill="none"
            stroke="currentColor"
            stroke-width=width
            stroke-linecap="round"
            stroke-linejoin="round"
            aria-hidden="true"
        >
            <path d=icon.path() />
        </svg>
    }
}

/// The brand's mark: an anchor.
#[component]
pub fn Anchor(
    /// Width and height in CSS pixels.
    #[prop(default = 24)]
    size: u16,
) -> impl IntoView {
    view! {
        <svg
            width=size
            height=size
            viewBox="0 0 24 24"
            fill="none"
            stroke="currentColor"
            stroke-width="2.1"
            stroke-linecap="round"
            stroke-linejoin="round"
            aria-hidden="true"
        >
            <circle cx="12" cy="4.6" r="2.1" />
            <path d="M12 6.7V21M8.2 10.4h7.6M3.6 13.2c.3 4.6 3.6 7.8 8.4 7.8s8.1-3.2 8.4-7.8M3.6 13.2l-1.4 2.3M3.6 13.2l2.5 1.3M20.4 13.2l1.4 2.3M20.4 13.2l-2.5 1.3" />
        </svg>
    }
}
