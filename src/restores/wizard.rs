//! The wizard that restores a backup: what into what, the checks, the options, and the name to be typed.

use leptos::{
    ev, html,
    prelude::*,
    web_sys::{FormData, HtmlFormElement},
};
use leptos_router::hooks::{use_location, use_query_map};
use uuid::Uuid;

use super::{
    RestoreOptions, RestorePreview,
    api::{Restore, preflight},
    asked::{Asked, CHECKED, COPY, INTO, NEUTRALIZE, SAFETY_BACKUP, TYPED_NAME},
    checks, wizard_fields as fields, wizard_words as words,
};
use crate::{
    backups::{BackupLine, LineId},
    components::{ActionFailure, Badge, Dialog, Failure, Moment, Notice, Tone, fetched, figures, typed},
    error::{AppError, AppResult},
    subscriptions::dialogs::close_address,
};

/// The dialog.
#[component]
pub fn RestoreDialog(
    /// The line's identity as the address has it.
    line: String,
) -> impl IntoView {
    let asked = typed::as_query::<Restore>()
        .map_or_else(|| use_query_map().with_untracked(Asked::parse), |typed| Asked::parse(&typed));
    let (options, close) = (asked.options(), close_address());
    let preview = Resource::new(|| (), move |()| look(line.clone(), options.clone()));
    view! {
        <Dialog title="Restore backup" close=close.clone()>
            {fetched(preview, move |(preview, failure), _| Wizard::new(preview, failure, asked.clone()).view(close.clone()))}
        </Dialog>
    }
}

/// Looks; what is wrong with the name of a copy is told beside the form, so that it can be mended there.
async fn look(line: String, options: RestoreOptions) -> AppResult<(RestorePreview, Option<AppError>)> {
    let line = LineId(line.parse::<Uuid>().map_err(|_| AppError::not_found("This backup"))?);
    match preflight(line, options.clone()).await {
        Err(error @ AppError::Invalid { .. }) if options.copy().is_some() => {
            let replacement = RestoreOptions { into: String::new(), ..options };
            preflight(line, replacement).await.map(|preview| (preview, Some(error)))
        }
        answer => answer.map(|preview| (preview, None)),
    }
}

/// What the parts of the dialog share.
#[derive(Clone, Copy)]
pub(super) struct Wizard {
    /// What was found last.
    pub found: RwSignal<RestorePreview>,
    /// What the form says.
    pub asked: RwSignal<Asked>,
    /// The options that were looked into last.
    looked: RwSignal<RestoreOptions>,
    /// Why the last look failed.
    failure: RwSignal<Option<AppError>>,
    look: Action<RestoreOptions, AppResult<RestorePreview>>,
    pub restore: ServerAction<Restore>,
    /// Whether the form can be read: without scripts nothing but the server's refusal holds a restore back.
    interactive: RwSignal<bool>,
    form: NodeRef<html::Form>,
    pub into: NodeRef<html::Input>,
}

impl Wizard {
    fn new(preview: RestorePreview, failure: Option<AppError>, asked: Asked) -> Self {
        let line = preview.line.id;
        let wizard = Self {
            looked: RwSignal::new(asked.options()),
            asked: RwSignal::new(asked),
            found: RwSignal::new(preview),
            failure: RwSignal::new(failure),
            look: Action::new(move |options: &RestoreOptions| preflight(line, options.clone())),
            restore: ServerAction::new(),
            interactive: RwSignal::new(false),
            form: NodeRef::new(),
            into: NodeRef::new(),
        };
        Effect::new(move || {
            let Some(answer) = wizard.look.value().get() else { return };
            wizard.failure.set(answer.clone().err());
            if let Ok(preview) = answer {
                wizard.found.set(preview);
            }
        });
        Effect::new(move || {
            // What was ticked before the page became interactive counts, too.
            wizard.interactive.set(true);
            wizard.read();
            wizard.look_into_changes();
        });
        wizard
    }

    /// Reads the form.
    fn read(self) {
        let Some(form) = self.form.get_untracked() else { return };
        let Some(asked) = read(&form) else { return };
        if let Some(into) = self.into.get_untracked().filter(|_| !asked.copy) {
            // A name that is not shown must not be sent.
            into.set_value("");
        }
        self.asked.set(asked);
    }

    /// Looks again if the options are others than those that were looked into.
    fn look_into_changes(self) {
        let (lacks_name, options) = self.asked.with_untracked(|asked| (asked.lacks_name(), asked.options()));
        if !lacks_name && self.looked.with_untracked(|looked| *looked != options) {
            self.look_again();
        }
    }

    fn look_again(self) {
        let options = self.asked.with_untracked(Asked::options);
        self.looked.set(options.clone());
        self.look.dispatch(options);
    }

    /// Whether what is shown is about other options than the form's.
    fn is_looking(self) -> bool {
        self.look.pending().get() || self.asked.with(Asked::options) != self.looked.get()
    }

    /// Why the restore cannot be begun, if it cannot.
    fn obstacle(self) -> Option<String> {
        let interactive = self.interactive.get();
        let lacks_name = interactive && self.asked.with(Asked::lacks_name);
        if !lacks_name && interactive && self.is_looking() {
            return Some("Checking …".to_owned());
        }
        if !lacks_name && self.failure.with(Option::is_some) {
            return Some("The checks could not be made.".to_owned());
        }
        self.asked.with(|asked| {
            self.found.with(|found| {
                let barrier = if lacks_name { None } else { Asked::barrier(found) };
                barrier.or_else(|| interactive.then(|| asked.missing(found)).flatten())
            })
        })
    }

    /// Something that depends on what was found and what is asked.
    fn both(self, show: fn(&RestorePreview, &Asked) -> AnyView) -> impl Fn() -> AnyView + Copy + Send + 'static {
        move || self.found.with(|found| self.asked.with(|asked| show(found, asked)))
    }

    fn view(self, close: String) -> AnyView {
        let line = self.found.with_untracked(|found| found.line.id.0.to_string());
        let obstacle = Memo::new(move |_| self.obstacle());
        let (form, restore) = (self.form, self.restore);
        let typed = move |_| self.read();
        let changed = move |_| {
            self.read();
            self.look_into_changes();
        };
        view! {
            <ActionForm action=restore node_ref=form attr:class="restore">
                <input type="hidden" name="line" value=line />
                // For the address that “Check again” makes without scripts.
                <input type="hidden" name="wizard" value="restore" />
                <input type="hidden" name=CHECKED value="true" />
                <div class="dialog-body" on:input=typed on:change=changed>
                    <ActionFailure action=restore fields=&["typed_name", "into"] />
                    {self.facts_view()}
                    {self.both(words::consequence)}
                    {fields::options_view(self)}
                    {self.checks_view()}
                    {fields::typed_view(self)}
                </div>
                <div class="dialog-foot">
                    <span class="muted" id="restore-why" role="status">
                        {move || obstacle.get().unwrap_or_else(|| "Written to the action log".to_owned())}
                    </span>
                    <div class="row">
                        <a class="btn" href=close data-noscroll>"Cancel"</a>
                        {self.button_view(obstacle)}
                    </div>
                </div>
            </ActionForm>
        }
        .into_any()
    }

    fn button_view(self, obstacle: Memo<Option<String>>) -> AnyView {
        let pending = self.restore.pending();
        let replaces = move || self.found.with(|found| self.asked.with(|asked| asked.replaces(found)));
        let words = move || {
            if pending.get() {
                return "Starting …".to_owned();
            }
            self.found.with(|found| self.asked.with(|asked| asked.deed(found)))
        };
        view! {
            <button
                class="btn"
                class:danger=replaces
                class:primary=move || !replaces()
                disabled=move || pending.get() || obstacle.with(Option::is_some)
                aria-describedby="restore-why"
            >
                {words}
            </button>
        }
        .into_any()
    }

    fn facts_view(self) -> AnyView {
        let (line, as_of) = self.found.with_untracked(|found| (found.line.clone(), found.as_of));
        let size = line.size_bytes.map(|bytes| format!(" · {} MB", figures::megabytes(bytes))).unwrap_or_default();
        let age = figures::age(line.created_at, as_of);
        let comment = (!line.comment.is_empty()).then(|| format!(" · {}", line.comment));
        let holds = words::holds(&line);
        view! {
            <dl class="facts">
                <dt>"Backup"</dt>
                <dd>
                    <b>{line.name}</b>
                    {size}
                    " · "
                    {age}
                    " ("
                    <Moment at=line.created_at as_of />
                    ")"
                    {comment}
                </dd>
                <dt>"It holds"</dt>
                <dd>{holds}</dd>
                <dt>"Into"</dt>
                <dd>{self.both(words::into)}</dd>
            </dl>
        }
        .into_any()
    }

    fn checks_view(self) -> AnyView {
        let (tone, text) = (
            move || self.found.with(|found| checks::verdict(found).0),
            move || self.found.with(|found| checks::verdict(found).1),
        );
        let verdict = move || match (self.is_looking(), self.failure.get()) {
            (true, _) => view! { <Badge tone=Tone::Work text="checking …" /> }.into_any(),
            (false, Some(_)) => view! { <Badge tone=Tone::Bad text="could not be made" /> }.into_any(),
            (false, None) => view! { <Badge tone=tone() text=text() /> }.into_any(),
        };
        let again = move |event: ev::MouseEvent| {
            event.prevent_default();
            self.read();
            self.look_again();
        };
        let path = use_location().pathname;
        view! {
            <section class="stack tight" aria-labelledby="checks-title">
                <div class="row apart">
                    <div class="row">
                        <h3 id="checks-title">"Checks"</h3>
                        <span role="status">{verdict}</span>
                    </div>
                    <button
                        class="btn small quiet"
                        formmethod="get"
                        formaction=path
                        formnovalidate
                        on:click=again
                        disabled=move || self.look.pending().get()
                    >
                        "Check again"
                    </button>
                </div>
                {move || self.failure.get().filter(|_| !self.is_looking()).map(|error| view! { <Failure error /> })}
                {move || {
                    let busy = self.found.with(|found| found.busy.clone());
                    busy.map(|reason| view! { <Notice tone=Tone::Warn><p>{reason}</p></Notice> })
                }}
                <div class:busy=move || self.is_looking() || self.failure.with(Option::is_some)>
                    {move || self.found.with(|found| checks::list_view(&found.preflight.checks))}
                </div>
            </section>
        }
        .into_any()
    }
}

fn read(form: &HtmlFormElement) -> Option<Asked> {
    let data = FormData::new_with_form(form).ok()?;
    let text = |name| data.get(name).as_string().unwrap_or_default();
    Some(Asked {
        neutralize: data.has(NEUTRALIZE),
        safety_backup: data.has(SAFETY_BACKUP),
        copy: data.has(COPY),
        into: text(INTO),
        typed_name: text(TYPED_NAME),
    })
}

/// The address that opens the wizard for a line.
pub fn parameters(line: &BackupLine) -> [(&'static str, String); 2] {
    [("wizard", "restore".to_owned()), ("line", line.id.0.to_string())]
}
