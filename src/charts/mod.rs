//! Small charts as SVG, drawn by the server: a title and a description for those who listen, the figures as a table
//! behind each, and nothing that needs a script.

pub mod heat;
pub mod lines;
pub mod table;

pub use heat::{HeatCalendar, HeatLegend, HeatRow};
pub use lines::{Line, LineChart, Plot};
pub use table::TableBehind;
