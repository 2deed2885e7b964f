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

    /// The same table as Markdown has them; what looks like a number stands to the right.
    pub fn markdown(&self) -> String {
        let cells = |line: &[String]| {
            let cells: Vec<String> =
                line.iter().map(|cell| cell.replace('|', "\\|").replace(['\n', '\r'], " ")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let is_number = |cell: &String| {
            cell.split(' ').next().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit() || "-.,".contains(c)))
        };
        let is_numeric =
            |column: usize| !self.is_empty() && self.lines[1..].iter().all(|line| is_number(&line[column]));
        let rules: Vec<String> = (0..self.lines[0].len())
            .map(|column| if is_numeric(column) { "--:".to_owned() } else { "---".to_owned() })
            .collect();
        let mut text = cells(&self.lines[0].iter().map(|header| header.to_lowercase()).collect::<Vec<_>>());
        text.push_str(&format!("|{}|\n", rules.join("|")));
        self.lines[1..].iter().for_each(|line| text.push_str(&cells(line)));
        text
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
    fn markdown_has_the_same_cells() {
        let mut table = Table::new(["NAME", "PODS/S", "TIMES"]);
        table.add(["a|b".into(), "1,000".into(), "-".into()]);
        table.add(["5c".into(), "20 or so".into(), "3.1".into()]);
        assert_eq!(
            table.markdown(),
            "| name | pods/s | times |\n|---|--:|--:|\n| a\\|b | 1,000 | - |\n| 5c | 20 or so | 3.1 |\n"
        );
    }

    #[test]
    fn a_cell_keeps_to_its_line() {
        let mut table = Table::new(["MESSAGE"]);
        table.add(["two\nlines".into()]);
        assert_eq!(table.to_string(), "MESSAGE\ntwo lines\n");
    }
}
