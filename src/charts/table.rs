//! The figures behind a chart.

use leptos::prelude::*;

/// A table that opens below a chart. The first cell of each row heads it.
#[component]
pub fn TableBehind(
    /// What the link says.
    #[prop(into)]
    summary: String,
    /// What the table holds, for those who listen.
    #[prop(into)]
    label: String,
    /// Heads of its columns; the first is of words, the others of figures.
    columns: &'static [&'static str],
    /// Its rows.
    rows: Vec<Vec<String>>,
) -> impl IntoView {
    let heads: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| view! { <th scope="col" class:number=at != 0>{*column}</th> })
        .collect();
    let rows: Vec<_> = rows.into_iter().map(row_view).collect();
    // It may scroll, and what scrolls must be reached with the keyboard.
    view! {
        <details class="behind">
            <summary>{summary}</summary>
            <div class="behind-table" tabindex="0" role="region" aria-label=label>
                <table>
                    <thead>
                        <tr>{heads}</tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

fn row_view(cells: Vec<String>) -> AnyView {
    let mut cells = cells.into_iter();
    let head = cells.next().unwrap_or_default();
    let cells: Vec<_> = cells.map(|cell| view! { <td class="number">{cell}</td> }).collect();
    view! {
        <tr>
            <th scope="row">{head}</th>
            {cells}
        </tr>
    }
    .into_any()
}
