//! What the rule says of a subscription's lines.

use std::collections::HashMap;

use backup_api::BackupFormat;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{
    Fate, Preview, PreviewLine, Reason, forecast,
    policy::{self, Candidate},
    store::{self, GoodLine},
};
use crate::{
    backups::LineId,
    error::AppResult,
    schedules::{self, plan::Plan},
    server::Panel,
    subscriptions::{self, Retention, SubscriptionId},
};

/// The rule of a subscription, held against its good lines.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Each line with why it is kept; without a reason it goes. The newest first.
    pub lines: Vec<(GoodLine, Vec<Reason>)>,
}

impl Judged {
    /// Holds a rule against lines.
    pub fn new(rule: Retention, zone: Tz, mut lines: Vec<GoodLine>) -> Self {
        lines.sort_by_key(|line| std::cmp::Reverse((line.at, line.id.0)));
        let looked_at: Vec<Candidate> = lines.iter().filter_map(|line| line.candidate(zone)).collect();
        let mut reasons = policy::apply(rule, &looked_at).into_iter();
        let lines = lines.into_iter().map(|line| {
            let reasons = if line.is_brought() { Some(brought(&line)) } else { reasons.next() };
            (line, reasons.unwrap_or_default())
        });
        Self { lines: lines.collect() }
    }

    /// The lines that go.
    pub fn goes(&self) -> impl Iterator<Item = &GoodLine> {
        self.lines.iter().filter(|(_, reasons)| reasons.is_empty()).map(|(line, _)| line)
    }

    /// What becomes of each line, with when the kept ones are expected to go if backups of `format` come as planned.
    fn fates(
        &self,
        rule: Retention,
        zone: Tz,
        format: BackupFormat,
        planned: impl Iterator<Item = DateTime<Utc>>,
    ) -> HashMap<LineId, Fate> {
        let looked_at: Vec<(LineId, Candidate)> = self
            .lines
            .iter()
            .filter(|(_, reasons)| !reasons.is_empty())
            .filter_map(|(line, _)| Some((line.id, line.candidate(zone)?)))
            .collect();
        let candidates: Vec<Candidate> = looked_at.iter().map(|(_, candidate)| *candidate).collect();
        let ends: HashMap<LineId, DateTime<Utc>> = looked_at
            .iter()
            .zip(forecast::ends(rule, zone, format, &candidates, planned))
            .filter_map(|((id, _), end)| Some((*id, end?)))
            .collect();
        let fates = self.lines.iter().map(|(line, reasons)| {
            let until = ends.get(&line.id).map(|end| end.with_timezone(&zone).format("%-d %b %Y").to_string());
            let fate = if reasons.is_empty() { Fate::Goes } else { Fate::Kept { reasons: reasons.clone(), until } };
            (line.id, fate)
        });
        fates.collect()
    }
}

fn brought(line: &GoodLine) -> Vec<Reason> {
    let mut reasons = vec![Reason::Brought];
    reasons.extend(line.pinned.then_some(Reason::Pinned));
    reasons
}

/// What becomes of each good line of a subscription.
pub async fn fates(panel: &Panel, id: SubscriptionId) -> AppResult<HashMap<LineId, Fate>> {
    let row = subscriptions::store::find(panel, id).await?;
    let (rule, zone) = (row.retention(), row.zone());
    let judged = Judged::new(rule, zone, store::good_lines(panel, id).await?);
    let schedule = schedules::store::of(panel, id).await?;
    let plan = if schedule.enabled { Some(Plan::parse(&schedule, zone)?) } else { None };
    let now = panel.clock.now();
    let planned = plan.iter().flat_map(|plan: &Plan| plan.runs_after(now, id));
    Ok(judged.fates(rule, zone, schedule.format, planned))
}

/// What another rule would do.
pub async fn preview(panel: &Panel, id: SubscriptionId, rule: Retention, zone: Tz) -> AppResult<Preview> {
    let judged = Judged::new(rule, zone, store::good_lines(panel, id).await?);
    let mut preview = Preview::default();
    for (line, reasons) in judged.lines {
        let words: Vec<&str> = reasons.iter().map(|reason| reason.label()).collect();
        let made = line.at.with_timezone(&zone).format("%a %-d %b %Y, %H:%M").to_string();
        let told = PreviewLine { name: line.name, made, reasons: words.join(", ") };
        if reasons.is_empty() { preview.goes.push(told) } else { preview.stays.push(told) }
    }
    Ok(preview)
}
