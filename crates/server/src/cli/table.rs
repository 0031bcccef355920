//! Tables for people.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

/// A table with these columns.
pub(super) fn of(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| column.to_uppercase()));
    table
}

/// Prints a table; `nothing` where it has no row.
pub(super) fn print(table: &Table, nothing: &str) {
    if table.row_count() == 0 {
        super::print(&format!("{nothing}\n"));
    } else {
        let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
        super::print(&(lines.join("\n") + "\n"));
    }
}

/// A moment in UTC to the second (RFC 3339); a dash where there is none.
pub(super) fn moment(ms: Option<i64>) -> String {
    let moment = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(|| "-".to_owned(), |moment| format!("{moment:.0}"))
}
