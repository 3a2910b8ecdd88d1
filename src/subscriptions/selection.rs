//! The subscriptions of the list that somebody has chosen, and Back up now for all of them.

use std::collections::BTreeSet;

use leptos::prelude::*;

use super::SubscriptionId;
use crate::{
    backups::{BulkStart, api::BackUpNow},
    components::{ActionFailure, Toast, Toasts, Tone, figures},
};

/// What is chosen; outlives the list's being fetched again.
#[derive(Clone, Copy)]
pub struct Selection {
    chosen: RwSignal<BTreeSet<SubscriptionId>>,
    start: ServerAction<BackUpNow>,
}

impl Selection {
    /// Nothing chosen.
    pub fn new() -> Self {
        let selection = Self { chosen: RwSignal::new(BTreeSet::new()), start: ServerAction::new() };
        let toasts = expect_context::<Toasts>();
        Effect::new(move || {
            if let Some(Ok(started)) = selection.start.value().get() {
                selection.chosen.update(BTreeSet::clear);
                toasts.show(toast(&started));
            }
        });
        selection
    }

    /// The form around the table, in which these have a box.
    pub fn form_view(self, shown: Vec<SubscriptionId>, table: AnyView) -> AnyView {
        let (start, chosen) = (self.start, self.chosen);
        let words = move || match chosen.with(BTreeSet::len) {
            _ if start.pending().get() => "Starting …".to_owned(),
            0 => "Back up chosen ones now".to_owned(),
            count => format!("Back up {} now", figures::count(count as u64)),
        };
        let (page, all) = (shown.clone(), shown.clone());
        let all_chosen = Memo::new(move |_| chosen.with(|chosen| all.iter().all(|id| chosen.contains(id))));
        let turn_all = move |_| {
            let choose = !all_chosen.get_untracked();
            chosen.update(|chosen| turn(chosen, &page, choose));
        };
        // Those on other pages have no box here, but are counted on the button.
        let elsewhere = move || {
            let elsewhere = chosen.with(|chosen| not_shown(chosen, &shown));
            let input = |id: SubscriptionId| {
                view! { <input type="hidden" name="subscriptions[]" value=id.0.to_string() /> }
            };
            elsewhere.into_iter().map(input).collect_view()
        };
        view! {
            <ActionForm action=start attr:class="stack tight">
                <ActionFailure action=start />
                {table}
                {elsewhere}
                <div class="row">
                    <button class="btn" disabled=start.pending()>{words}</button>
                    <button type="button" class="btn quiet needs-script" on:click=turn_all>
                        {move || if all_chosen.get() { "Choose none of this page" } else { "Choose all of this page" }}
                    </button>
                    <span class="muted">"Choose subscriptions with the boxes on the left."</span>
                </div>
            </ActionForm>
        }
        .into_any()
    }

    /// The box of one row.
    pub fn cell_view(self, id: SubscriptionId, name: &str) -> AnyView {
        let chosen = self.chosen;
        let change = move |event| {
            let checked = event_target_checked(&event);
            chosen.update(|chosen| {
                if checked {
                    chosen.insert(id);
                } else {
                    chosen.remove(&id);
                }
            });
        };
        view! {
            <td role="cell" class="choose">
                <input
                    type="checkbox"
                    name="subscriptions[]"
                    value=id.0.to_string()
                    aria-label=format!("Choose {name}")
                    prop:checked=move || chosen.with(|chosen| chosen.contains(&id))
                    on:change=change
                />
            </td>
        }
        .into_any()
    }
}

/// Chooses all of these, or none of them.
fn turn(chosen: &mut BTreeSet<SubscriptionId>, these: &[SubscriptionId], choose: bool) {
    if choose {
        chosen.extend(these);
    } else {
        chosen.retain(|id| !these.contains(id));
    }
}

/// The chosen ones that are not among the rows.
fn not_shown(chosen: &BTreeSet<SubscriptionId>, shown: &[SubscriptionId]) -> Vec<SubscriptionId> {
    chosen.iter().copied().filter(|id| !shown.contains(id)).collect()
}

fn toast(started: &BulkStart) -> Toast {
    let title = format!("Started {}", figures::counted(started.begun, "backup"));
    if started.refused.is_empty() {
        return Toast::done(title);
    }
    Toast { tone: Tone::Warn, title, text: started.refused.join(" "), link: None }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn chosen_ones_of_other_pages_are_sent_too_and_none_twice() {
        let [one, two, three] = [1, 2, 3].map(|number| SubscriptionId(Uuid::from_u128(number)));
        let chosen = BTreeSet::from([one, three]);
        assert_eq!(not_shown(&chosen, &[one, two]), [three]);
        assert_eq!(not_shown(&chosen, &[]), [one, three]);
        assert!(not_shown(&BTreeSet::new(), &[one, two]).is_empty());
    }

    #[test]
    fn all_of_a_page_are_chosen_and_left_without_touching_other_pages() {
        let [one, two, three] = [1, 2, 3].map(|number| SubscriptionId(Uuid::from_u128(number)));
        let mut chosen = BTreeSet::from([one, three]);
        turn(&mut chosen, &[one, two], true);
        assert_eq!(chosen, BTreeSet::from([one, two, three]));
        turn(&mut chosen, &[one, two], false);
        assert_eq!(chosen, BTreeSet::from([three]));
    }

    #[test]
    fn what_was_not_started_is_told() {
        let all = toast(&BulkStart { begun: 3, refused: Vec::new() });
        assert_eq!((all.tone, all.title.as_str()), (Tone::Ok, "Started 3 backups"));
        let some = toast(&BulkStart { begun: 1, refused: vec!["Acme: a backup is under way.".to_owned()] });
        assert_eq!((some.tone, some.text.as_str()), (Tone::Warn, "Acme: a backup is under way."));
    }
}
