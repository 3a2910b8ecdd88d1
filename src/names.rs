//! Names of plain enums: one table for each, instead of a `match` for every direction.

/// Gives a plain enum `ALL`, `as_str` and `parse`; with words for people `label`, with a sentence also `about`. A variant
/// that is left out does not compile.
macro_rules! names {
    ($kind:ident { $($variant:ident: $name:literal),+ $(,)? }) => {
        impl $kind {
            /// Every one.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// Its name in storage, forms and addresses, and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The reverse of [`Self::as_str`].
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|known| known.as_str() == text)
            }
        }
    };
    ($kind:ident { $($variant:ident: $name:literal, $label:literal);+ $(;)? }) => {
        $crate::names::names!($kind { $($variant: $name),+ });
        impl $kind {
            /// Its name for people.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }
        }
    };
    ($kind:ident { $($variant:ident: $name:literal, $label:literal, $about:literal);+ $(;)? }) => {
        $crate::names::names!($kind { $($variant: $name, $label);+ });
        impl $kind {
            /// What it is, in a sentence.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),+ }
            }
        }
    };
}

pub(crate) use names;

#[cfg(test)]
mod tests {
    use serde::{Serialize, de::DeserializeOwned};

    use crate::{
        alerts::{ChannelKind, DeliveryState, Event, OverrideMode, Security},
        backups::Trigger,
        operations::{ActionOutcome, OperationFilter, OperationKind},
        schedules::{Repeats, Weekday},
        subscriptions::BackupState,
        users::Role,
    };

    fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug + Copy>(
        all: impl IntoIterator<Item = T>,
        name: fn(T) -> &'static str,
        parse: fn(&str) -> Option<T>,
    ) {
        for one in all {
            assert_eq!(serde_json::to_value(one).unwrap(), name(one));
            assert_eq!(parse(name(one)), Some(one));
        }
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn names_are_those_on_the_wire_and_lead_back() {
        macro_rules! check_all {
            ($($kind:ident),+) => { $(check($kind::ALL, $kind::as_str, $kind::parse);)+ };
        }
        check_all!(
            ActionOutcome,
            BackupState,
            ChannelKind,
            DeliveryState,
            Event,
            OperationFilter,
            OperationKind,
            OverrideMode,
            Repeats,
            Role,
            Security,
            Trigger,
            Weekday
        );
    }
}
