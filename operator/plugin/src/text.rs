//! Text for a terminal: columns, counts, and nothing in it that a terminal would obey.

use std::fmt::Write as _;

/// What users wrote may hold anything: a terminal must print it, and not follow it.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // The second ones turn the direction of what follows.
        if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A number with the word for what is counted.
pub(crate) fn amount(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Rows of cells in columns.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with the names of its columns.
    pub(crate) fn new<const N: usize>(columns: [&str; N]) -> Self {
        Self { rows: vec![columns.map(str::to_owned).into()] }
    }

    /// Adds a row. Cells may hold what users wrote.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(plain).into());
    }

    /// Writes the table, if it has rows, after an empty line.
    pub(crate) fn write(&self, out: &mut String, indent: &str) {
        if self.rows.len() < 2 {
            return;
        }
        let width = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().map(|row| width(row, column)).max().unwrap_or_default())
            .collect();
        out.push('\n');
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                // Writing to a string cannot fail.
                let _ = write!(line, "{cell:width$}  ");
            }
            out.push_str(indent);
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing() {
        assert_eq!(plain("a\u{1b}[2Jb\r\n\u{202e}c"), "a\\u{1b}[2Jb\\r\\n\\u{202e}c");
        assert_eq!(plain("topic/é/${mqtt-clientid}"), "topic/é/${mqtt-clientid}");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["NAME", "STATE"]);
        let mut out = String::new();
        table.write(&mut out, "");
        assert_eq!(out, "", "a table without rows is nothing");
        table.row(["fleet-0", ""]);
        table.row(["é", "on"]);
        table.write(&mut out, "  ");
        assert_eq!(out, "\n  NAME     STATE\n  fleet-0\n  é        on\n");
    }
}
