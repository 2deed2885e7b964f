//! Columns of numbers and texts as Parquet files, in groups of rows; and back.
//!
//! The bytes follow from the columns and the cuts between groups alone: no time, no path, no version stands in them. So a
//! file that is put together from the groups of others has the bytes of one that was written in one go. Nothing is null:
//! a number that is none is written as such. Parquet's own statistics are left out.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

/// A column of one type.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Column {
    /// Whole numbers.
    I64(Vec<i64>),
    /// Numbers.
    F64(Vec<f64>),
    /// Texts.
    Text(Vec<String>),
}

impl Column {
    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Column::I64(values) => values.len(),
            Column::F64(values) => values.len(),
            Column::Text(values) => values.len(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Column::I64(_) => "whole numbers",
            Column::F64(_) => "numbers",
            Column::Text(_) => "texts",
        }
    }

    fn field(&self, name: &str) -> Result<TypePtr, ParquetError> {
        let (physical, logical) = match self {
            Column::I64(_) => (Physical::INT64, None),
            Column::F64(_) => (Physical::DOUBLE, None),
            Column::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let field = Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED);
        Ok(Arc::new(field.with_logical_type(logical).build()?))
    }
}

/// Writes a file, a group of rows at a time.
pub(super) struct ColumnsWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    /// A column of each type, without rows.
    shape: Vec<(String, &'static str)>,
}

impl<W: Write + Send> ColumnsWriter<W> {
    /// Begins a file with columns of these names, of the types that the columns beside them have.
    ///
    /// # Errors
    /// What the writer refuses.
    pub(super) fn new(out: W, columns: &[(&str, Column)]) -> io::Result<ColumnsWriter<W>> {
        let fields =
            columns.iter().map(|(name, column)| column.field(name)).collect::<Result<_, _>>().map_err(failed)?;
        let schema = Type::group_type_builder("columns").with_fields(fields).build().map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_created_by("wavetank".to_owned())
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
        let shape = columns.iter().map(|(name, column)| ((*name).to_owned(), column.kind())).collect();
        Ok(ColumnsWriter { writer, shape })
    }

    /// Adds a group of rows: the same columns in the same order, each with as many rows.
    ///
    /// # Errors
    /// What the writer refuses; columns that are not those of the file.
    pub(super) fn add(&mut self, columns: &[Column]) -> io::Result<()> {
        let kinds = columns.iter().map(Column::kind).eq(self.shape.iter().map(|(_, kind)| *kind));
        let rows = columns.first().map_or(0, Column::len);
        if !kinds || columns.iter().any(|column| column.len() != rows) {
            return Err(io::Error::other(format!("a group of rows has other columns than {:?}", self.shape)));
        }
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for column in columns {
            let Some(mut out) = group.next_column().map_err(failed)? else { break };
            let written = match column {
                Column::I64(values) => out.typed::<Int64Type>().write_batch(values, None, None),
                Column::F64(values) => out.typed::<DoubleType>().write_batch(values, None, None),
                Column::Text(values) => {
                    let values: Vec<ByteArray> = values.iter().map(|text| ByteArray::from(text.as_str())).collect();
                    out.typed::<ByteArrayType>().write_batch(&values, None, None)
                }
            };
            written.and_then(|_| out.close()).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What the writer refuses.
    pub(super) fn finish(self) -> io::Result<W> {
        self.writer.into_inner().map_err(failed)
    }
}

/// Writes a file of one group of rows.
///
/// # Errors
/// What the writer refuses.
pub(super) fn write_columns(columns: &[(&str, Column)], out: &mut dyn Write) -> io::Result<()> {
    let mut writer = ColumnsWriter::new(Vec::new(), columns)?;
    let group: Vec<Column> = columns.iter().map(|(_, column)| column.clone()).collect();
    writer.add(&group)?;
    out.write_all(&writer.finish()?)
}

/// Reads a file, a group of rows at a time.
pub(super) struct ColumnsReader<R: ChunkReader + 'static> {
    reader: SerializedFileReader<R>,
}

#[cfg_attr(not(test), expect(dead_code, reason = "studies merge their shards with it"))]
impl<R: ChunkReader + 'static> ColumnsReader<R> {
    /// Opens a file.
    ///
    /// # Errors
    /// It is no Parquet file.
    pub(super) fn new(file: R) -> io::Result<ColumnsReader<R>> {
        Ok(ColumnsReader { reader: SerializedFileReader::new(file).map_err(failed)? })
    }

    /// The names of its columns.
    pub(super) fn names(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        schema.columns().iter().map(|column| column.name().to_owned()).collect()
    }

    /// How many groups of rows it has.
    pub(super) fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// A group of rows, by its number.
    ///
    /// # Errors
    /// What the reader refuses; a column of another type than those of [`Column`].
    pub(super) fn group(&self, number: usize) -> io::Result<Vec<Column>> {
        let group = self.reader.get_row_group(number).map_err(failed)?;
        let rows = usize::try_from(group.metadata().num_rows()).map_err(io::Error::other)?;
        let column = |number: usize| match group.get_column_reader(number).map_err(failed)? {
            ColumnReader::Int64ColumnReader(mut reader) => {
                let mut values = Vec::with_capacity(rows);
                reader.read_records(rows, None, None, &mut values).map_err(failed)?;
                Ok(Column::I64(values))
            }
            ColumnReader::DoubleColumnReader(mut reader) => {
                let mut values = Vec::with_capacity(rows);
                reader.read_records(rows, None, None, &mut values).map_err(failed)?;
                Ok(Column::F64(values))
            }
            ColumnReader::ByteArrayColumnReader(mut reader) => {
                let mut values: Vec<ByteArray> = Vec::with_capacity(rows);
                reader.read_records(rows, None, None, &mut values).map_err(failed)?;
                let texts = values.iter().map(|value| value.as_utf8().map(str::to_owned));
                Ok(Column::Text(texts.collect::<Result<_, _>>().map_err(failed)?))
            }
            _ => Err(io::Error::other(format!("column {number} is neither 64-bit numbers nor texts"))),
        };
        (0..group.num_columns()).map(column).collect()
    }
}

fn failed(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Seek;

    use proptest::prelude::*;

    use super::*;

    fn group(numbers: &[i64]) -> Vec<Column> {
        let decimals = numbers.iter().map(|n| *n as f64 / 3.0).collect();
        let texts = numbers.iter().map(|n| format!("ü{}", n % 5)).collect();
        vec![Column::I64(numbers.to_vec()), Column::F64(decimals), Column::Text(texts)]
    }

    fn named(group: Vec<Column>) -> Vec<(&'static str, Column)> {
        ["seed", "share", "policy"].into_iter().zip(group).collect()
    }

    fn file_of(groups: &[Vec<i64>]) -> Vec<u8> {
        let mut writer = ColumnsWriter::new(Vec::new(), &named(group(&[]))).expect("a file can be begun");
        groups.iter().for_each(|numbers| writer.add(&group(numbers)).expect("a group can be added"));
        writer.finish().expect("a file can be ended")
    }

    fn opened(bytes: &[u8]) -> ColumnsReader<File> {
        let mut file = tempfile::tempfile().expect("there is a place for temporary files");
        file.write_all(bytes).and_then(|()| file.rewind()).expect("a file can be written");
        ColumnsReader::new(file).expect("it is a Parquet file")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_is_written_is_read(groups in prop::collection::vec(prop::collection::vec(any::<i64>(), 1..50), 0..4)) {
            let reader = opened(&file_of(&groups));
            prop_assert_eq!(reader.names(), ["seed", "share", "policy"]);
            prop_assert_eq!(reader.groups(), groups.len());
            for (number, numbers) in groups.iter().enumerate() {
                prop_assert_eq!(reader.group(number).expect("it can be read"), group(numbers));
            }
        }

        #[test]
        fn groups_of_several_files_make_the_bytes_of_one(
            groups in prop::collection::vec(prop::collection::vec(any::<i64>(), 1..50), 1..5),
        ) {
            let mut merged = ColumnsWriter::new(Vec::new(), &named(group(&[]))).expect("a file can be begun");
            for one in &groups {
                let part = opened(&file_of(std::slice::from_ref(one)));
                merged.add(&part.group(0).expect("it can be read")).expect("a group can be added");
            }
            prop_assert_eq!(merged.finish().expect("a file can be ended"), file_of(&groups));
        }
    }

    #[test]
    fn a_file_says_neither_when_nor_by_which_version_it_was_written() {
        let bytes = file_of(&[vec![1, 2, 3]]);
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(holds("wavetank") && !holds("parquet-rs") && !holds(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn columns_that_are_not_those_of_the_file_are_refused() {
        let mut writer = ColumnsWriter::new(Vec::new(), &named(group(&[]))).expect("a file can be begun");
        let mut turned = group(&[1]);
        turned.swap(0, 1);
        let mut uneven = group(&[1]);
        uneven[0] = Column::I64(vec![1, 2]);
        assert!(writer.add(&turned).is_err() && writer.add(&uneven).is_err() && writer.add(&group(&[1])[..2]).is_err());
    }

    #[test]
    fn what_is_no_parquet_file_is_an_error() {
        let mut file = tempfile::tempfile().expect("there is a place for temporary files");
        file.write_all(b"a,b\n1,2\n").expect("a file can be written");
        assert!(ColumnsReader::new(file).is_err());
    }
}
