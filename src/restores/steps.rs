//! The steps of a restore or an undo as a person follows them, whatever the kind of connection.

use backup_api::{JobState, Phase};
use leptos::prelude::*;

use super::RestoreFacts;
use crate::{
    components::{Glyph, Icon},
    operations::{Operation, OperationKind},
};

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Check,
    SafetyBackup,
    Write,
    Neutralize,
    Compare,
    Swap,
    CleanUp,
}

impl Step {
    /// The step that a phase belongs to.
    const fn of(phase: Phase) -> Self {
        match phase {
            Phase::Waiting | Phase::Checking => Self::Check,
            Phase::RestoringDatabase | Phase::RestoringFilestore | Phase::SendingToOdoo | Phase::OdooRestores => {
                Self::Write
            }
            Phase::Neutralizing => Self::Neutralize,
            Phase::Comparing => Self::Compare,
            Phase::Swapping | Phase::Undoing => Self::Swap,
            // After the swap the database is looked at under its name.
            Phase::Verifying | Phase::CleaningUp => Self::CleanUp,
            // A safety backup may go through the phases of every backup.
            _ => Self::SafetyBackup,
        }
    }

    fn label(self, kind: OperationKind, facts: &RestoreFacts) -> String {
        let database = &facts.database;
        match self {
            Self::Check if kind == OperationKind::Undo => "Check that both databases are there".to_owned(),
            Self::Check => "Check backup, server and space".to_owned(),
            Self::SafetyBackup => format!("Back {database} up as it is"),
            Self::Write if facts.is_copy => "Write the backup into a new database".to_owned(),
            Self::Write => format!("Write the backup into a new database beside {database}"),
            Self::Neutralize => "Neutralize it".to_owned(),
            Self::Compare => "Compare it with the backup".to_owned(),
            Self::Swap if kind == OperationKind::Undo => format!("Bring {database} back as it was"),
            Self::Swap if facts.is_copy => format!("Name it {database}"),
            Self::Swap => format!("Put it in the place of {database}"),
            Self::CleanUp => "Look at it once more and clean up".to_owned(),
        }
    }
}

fn steps(kind: OperationKind, facts: &RestoreFacts) -> Vec<Step> {
    if kind == OperationKind::Undo {
        return vec![Step::Check, Step::Swap, Step::CleanUp];
    }
    let mut steps = vec![Step::Check, Step::SafetyBackup, Step::Write, Step::Neutralize, Step::Compare, Step::Swap];
    steps.push(Step::CleanUp);
    steps.retain(|step| match step {
        Step::SafetyBackup => facts.safety_backup && !facts.is_copy,
        Step::Neutralize => facts.neutralize,
        _ => true,
    });
    steps
}

/// Where a step stands: class, icon and word.
fn standing(step: Step, now: Step, state: JobState) -> (&'static str, Option<Icon>, &'static str) {
    match (step == now, step < now, state) {
        (_, true, _) | (true, _, JobState::Succeeded) => ("done", Some(Icon::Check), "Done"),
        (true, _, JobState::Queued | JobState::Running) => ("now", None, "Now"),
        (true, ..) => ("ended", Some(Icon::Wrong), "Ended here"),
        _ => ("", None, "To come"),
    }
}

/// The list of an operation's steps, with the one it is at; nothing for a backup.
pub fn steps_view(operation: &Operation) -> Option<AnyView> {
    let facts = operation.restore.as_ref()?;
    let now = Step::of(operation.phase);
    let rows = steps(operation.kind, facts).into_iter().map(|step| {
        let (class, icon, word) = standing(step, now, operation.state);
        let current = (class == "now").then_some("step");
        view! {
            <li class=class aria-current=current>
                <span class="mark">{icon.map(|icon| view! { <Glyph icon size=14 /> })}</span>
                <span>{step.label(operation.kind, facts)}</span>
                <span class="word">{word}</span>
            </li>
        }
    });
    let rows: Vec<_> = rows.collect();
    Some(view! { <ol class="steps" aria-label="Steps">{rows}</ol> }.into_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restores::summary::tests::facts;

    #[test]
    fn only_what_was_asked_for_is_a_step() {
        let mut asked = facts();
        let labels = |kind, facts: &RestoreFacts| {
            steps(kind, facts).into_iter().map(|step| step.label(kind, facts)).collect::<Vec<_>>()
        };
        assert_eq!(
            labels(OperationKind::Restore, &asked),
            [
                "Check backup, server and space",
                "Back acme up as it is",
                "Write the backup into a new database beside acme",
                "Compare it with the backup",
                "Put it in the place of acme",
                "Look at it once more and clean up",
            ]
        );
        (asked.is_copy, asked.neutralize) = (true, true);
        assert_eq!(steps(OperationKind::Restore, &asked).len(), 6, "a copy saves nothing, but is neutralized");
        assert_eq!(labels(OperationKind::Undo, &asked)[1], "Bring acme back as it was");
    }

    #[test]
    fn steps_before_the_present_one_are_done_and_a_failure_ends_at_its_step() {
        let now = Step::of(Phase::RestoringFilestore);
        let word = |step, state| standing(step, now, state).2;
        assert_eq!(word(Step::SafetyBackup, JobState::Running), "Done");
        assert_eq!(word(Step::Write, JobState::Running), "Now");
        assert_eq!(word(Step::Swap, JobState::Running), "To come");
        assert_eq!(word(Step::Write, JobState::Failed), "Ended here");
        assert_eq!(word(Step::Write, JobState::Interrupted), "Ended here");
        assert_eq!(standing(Step::CleanUp, Step::CleanUp, JobState::Succeeded).2, "Done");
        assert_eq!(Step::of(Phase::Filestore), Step::SafetyBackup, "a safety backup is a backup");
    }
}
