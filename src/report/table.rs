//! Tables in kubectl's looks: upper-case headers, columns as wide as their widest cell and three spaces apart, no
//! borders, nothing behind the last cell of a line.

use std::fmt;

const GAP: usize = 3;

/// A table of texts. Its `Display` ends each line, the last one too.
#[derive(Clone, Debug)]
pub struct Table {
    lines: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headers and no line yet.
    pub fn new<const N: usize>(headers: [&str; N]) -> Table {
        Table { lines: vec![headers.map(str::to_owned).to_vec()] }
    }

    /// A table with as many headers as its data has columns, and no line yet.
    pub fn of_columns(headers: Vec<String>) -> Table {
        Table { lines: vec![headers] }
    }

    /// Adds a line to a table of any number of columns: one cell a header, from the left.
    pub fn add_cells(&mut self, cells: Vec<String>) {
        debug_assert_eq!(self.lines[0].len(), cells.len(), "a line has a cell for each header");
        self.lines.push(cells);
    }

    /// Adds a line: one cell a header, from the left.
    pub fn add<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(self.lines[0].len(), N, "a line has a cell for each header");
        self.lines.push(cells.to_vec());
    }

    /// How many lines there are below the headers.
    pub fn len(&self) -> usize {
        self.lines.len() - 1
    }

    /// Whether there are headers only.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.lines[0].len();
        let width = |column: usize| self.lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for line in &self.lines {
            let mut text = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                // What an object says may hold line breaks; a table has one line for it.
                let cell = cell.replace(['\n', '\r', '\t'], " ");
                text.push_str(&format!("{cell:<width$}{:GAP$}", ""));
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_three_spaces_apart() {
        let mut table = Table::new(["NAME", "READY", "AGE"]);
        table.add(["web".into(), "3/3".into(), "5m30s".into()]);
        table.add(["a-longer-name".into(), "0/100000".into(), String::new()]);
        assert_eq!(
            table.to_string(),
            "NAME            READY      AGE\n\
             web             3/3        5m30s\n\
             a-longer-name   0/100000\n"
        );
    }

    #[test]
    fn a_cell_keeps_to_its_line() {
        let mut table = Table::new(["MESSAGE"]);
        table.add(["two\nlines".into()]);
        assert_eq!(table.to_string(), "MESSAGE\ntwo lines\n");
    }
}
