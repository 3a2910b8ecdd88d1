//! Lines over time. The drawing stretches to its place; words stand beside it, so that they stay readable.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

/// The drawing's own grid.
const WIDTH: i64 = 1_000;
const HEIGHT: i64 = 300;

/// What a chart spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plot {
    /// Its left edge.
    pub from: DateTime<Utc>,
    /// Its right edge.
    pub until: DateTime<Utc>,
    /// Its upper edge; the lower is 0.
    pub top: u64,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its class in the stylesheet.
    pub class: &'static str,
    /// Its points, the oldest first.
    pub points: Vec<(DateTime<Utc>, u64)>,
    /// Whether what is below it is filled.
    pub filled: bool,
    /// Whether each point is marked.
    pub dots: bool,
}

impl Plot {
    /// A point's place.
    fn place(&self, (at, value): (DateTime<Utc>, u64)) -> (i64, i64) {
        let span = (self.until - self.from).num_seconds().max(1);
        let x = (at - self.from).num_seconds().clamp(0, span) * WIDTH / span;
        let top = i128::from(self.top.max(1));
        let height = i128::from(value).min(top) * i128::from(HEIGHT) / top;
        (x, HEIGHT - i64::try_from(height).unwrap_or_default())
    }

    /// A path through all points.
    pub fn path(&self, points: &[(DateTime<Utc>, u64)]) -> String {
        let mut path = String::new();
        for (at, point) in points.iter().enumerate() {
            step(&mut path, if at == 0 { 'M' } else { 'L' }, self.place(*point));
        }
        path
    }

    /// The outline of what is below all points.
    fn area(&self, points: &[(DateTime<Utc>, u64)]) -> String {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
        let (begin, end) = (self.place(*first).0, self.place(*last).0);
        format!("{}L{end} {HEIGHT}L{begin} {HEIGHT}z", self.path(points))
    }

    /// Round marks that stay round however the drawing is stretched: lines of no length with round ends.
    fn dots(&self, points: &[(DateTime<Utc>, u64)]) -> String {
        let mut path = String::new();
        for point in points {
            step(&mut path, 'M', self.place(*point));
            path.push_str("h0");
        }
        path
    }
}

fn step(path: &mut String, letter: char, (x, y): (i64, i64)) {
    path.push(letter);
    path.push_str(&x.to_string());
    path.push(' ');
    path.push_str(&y.to_string());
}

/// A round figure that is not below a value, and not far above.
pub fn rounded_up(value: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for step in [10, 12, 15, 20, 25, 30, 40, 50, 60, 80] {
            let rounded = power.saturating_mul(step);
            if rounded >= value {
                return rounded;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// A chart of lines.
#[component]
pub fn LineChart(
    /// What is unique on the page.
    id: String,
    /// What it shows.
    title: String,
    /// What is to be seen in it, for those who listen.
    words: String,
    /// What it spans.
    plot: Plot,
    /// Its lines, the one behind first.
    lines: Vec<Line>,
    /// What the upper edge stands for.
    top: String,
    /// What the left and the right edge stand for.
    edges: (String, String),
) -> impl IntoView {
    let (title_id, words_id) = (format!("{id}-title"), format!("{id}-words"));
    let both = format!("{title_id} {words_id}");
    let lines: Vec<_> = lines.iter().map(|line| line_view(plot, line)).collect();
    view! {
        <div class="chart">
            <span class="chart-top" aria-hidden="true">{top}</span>
            <svg
                viewBox=format!("0 0 {WIDTH} {HEIGHT}")
                preserveAspectRatio="none"
                role="img"
                aria-labelledby=both
            >
                <title id=title_id>{title}</title>
                <desc id=words_id>{words}</desc>
                <path class="grid" d=format!("M0 0H{WIDTH}M0 {}H{WIDTH}M0 {HEIGHT}H{WIDTH}", HEIGHT / 2) />
                {lines}
            </svg>
            <div class="chart-edges" aria-hidden="true">
                <span>{edges.0}</span>
                <span>{edges.1}</span>
            </div>
        </div>
    }
}

fn line_view(plot: Plot, line: &Line) -> AnyView {
    let area = line.filled.then(|| view! { <path class=format!("area {}", line.class) d=plot.area(&line.points) /> });
    let dots = line.dots.then(|| view! { <path class=format!("dots {}", line.class) d=plot.dots(&line.points) /> });
    view! {
        {area}
        <path class=format!("line {}", line.class) d=plot.path(&line.points) />
        {dots}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_800_000 + seconds, 0).unwrap()
    }

    #[test]
    fn points_lie_within_the_drawing_and_zero_at_its_foot() {
        let plot = Plot { from: at(0), until: at(100), top: 50 };
        let points = [(at(0), 0), (at(50), 25), (at(100), 50), (at(120), 70)];
        assert_eq!(plot.path(&points), "M0 300L500 150L1000 0L1000 0");
        assert_eq!(plot.area(&points[..2]), "M0 300L500 150L500 300L0 300z");
        assert_eq!(plot.dots(&points[1..3]), "M500 150h0M1000 0h0");
        assert_eq!((plot.path(&[]), plot.area(&[])), (String::new(), String::new()));
        let nothing = Plot { from: at(0), until: at(0), top: 0 };
        assert_eq!(nothing.path(&points[..1]), "M0 300", "no division by nothing");
    }

    #[test]
    fn the_upper_edge_is_a_round_figure() {
        for (value, edge) in [(0, 10), (11, 12), (50, 50), (51, 60), (81, 100), (1_284_600_000, 1_500_000_000)] {
            assert_eq!(rounded_up(value), edge);
        }
        assert_eq!(rounded_up(u64::MAX), u64::MAX);
    }
}
