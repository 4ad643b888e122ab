//! `sweep.csv` and `sweep.parquet`: a row for each point, a column for each setting, and two for each metric.

use std::path::Path;
use std::sync::Arc;

use csv::Writer;
use faas_lab_experiments::sweep::Row;
use faas_lab_model::metrics::comparison::Axis;
use faas_lab_model::metrics::result::METRICS;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::folder::write_whole;
use crate::compare::number;
use crate::failure::Failure;

pub(super) const CSV: &str = "sweep.csv";
pub(super) const PARQUET: &str = "sweep.parquet";

/// A column with a value for each row.
struct Column {
    name: String,
    values: Values,
}

enum Values {
    Text(Vec<String>),
    Whole(Vec<i64>),
    Flag(Vec<Option<bool>>),
    Number(Vec<Option<f64>>),
}

/// Writes both tables into `folder`.
pub(super) fn write(folder: &Path, axes: &[Axis], rows: &[Row]) -> Result<(), Failure> {
    let columns = columns(axes, rows);
    let failed = |name: &str, why: &dyn std::fmt::Display| Failure::new(format!("cannot write {name}: {why}"));
    let csv = csv(&columns, rows.len()).map_err(|error| failed(CSV, &error))?;
    write_whole(&folder.join(CSV), &csv)?;
    let parquet = parquet(&columns).map_err(|error| failed(PARQUET, &error))?;
    write_whole(&folder.join(PARQUET), &parquet)
}

fn columns(axes: &[Axis], rows: &[Row]) -> Vec<Column> {
    let whole = |name: &str, of: &dyn Fn(&Row) -> usize| Column {
        name: name.to_owned(),
        values: Values::Whole(rows.iter().map(|row| of(row) as i64).collect()),
    };
    let number = |name: String, of: &dyn Fn(&Row) -> Option<f64>| Column {
        name,
        values: Values::Number(rows.iter().map(of).collect()),
    };
    let flag = |name: &str, of: &dyn Fn(&Row) -> Option<bool>| Column {
        name: name.to_owned(),
        values: Values::Flag(rows.iter().map(of).collect()),
    };
    let labels = Values::Text(rows.iter().map(|row| row.label.clone()).collect());
    let mut columns = vec![whole("point", &|row| row.point), Column { name: "label".to_owned(), values: labels }];
    let fixed = ["point", "label", "replications", "warm_up_seconds", "partial", "objectives_met"];
    for (index, axis) in axes.iter().enumerate() {
        // A setting that is called like another column keeps its name apart.
        let taken = fixed.contains(&axis.key.as_str()) || METRICS.iter().any(|metric| metric.key == axis.key);
        let name = if taken { format!("set {}", axis.key) } else { axis.key.clone() };
        let value = |row: &Row| row.values.get(index).map(|value| unquoted(value)).unwrap_or_default();
        let texts: Vec<String> = rows.iter().map(value).collect();
        let numbers: Option<Vec<f64>> =
            texts.iter().map(|text| text.parse().ok().filter(|number: &f64| number.is_finite())).collect();
        let values = match numbers.filter(|numbers| !numbers.is_empty()) {
            Some(numbers) => Values::Number(numbers.into_iter().map(Some).collect()),
            None => Values::Text(texts),
        };
        columns.push(Column { name, values });
    }
    columns.push(whole("replications", &|row| row.replications as usize));
    columns.push(number("warm_up_seconds".to_owned(), &|row| Some(row.warm_up_seconds)));
    columns.push(flag("partial", &|row| Some(row.partial)));
    columns.push(flag("objectives_met", &|row| row.objectives_met));
    for metric in METRICS.iter().filter(|metric| rows.iter().any(|row| row.metrics.contains_key(metric.key))) {
        columns.push(number(metric.key.to_owned(), &|row| Some(row.metrics.get(metric.key)?.mean)));
        columns.push(number(format!("{}_half_width", metric.key), &|row| row.metrics.get(metric.key)?.half_width));
    }
    columns
}

/// A text without its quotes.
fn unquoted(value: &str) -> String {
    let inner = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    inner.unwrap_or(value).to_owned()
}

fn csv(columns: &[Column], rows: usize) -> Result<Vec<u8>, csv::Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|column| column.name.as_str()))?;
    for row in 0..rows {
        let cell = |column: &Column| match &column.values {
            Values::Text(values) => values[row].clone(),
            Values::Whole(values) => values[row].to_string(),
            Values::Flag(values) => values[row].map_or_else(String::new, |value| value.to_string()),
            Values::Number(values) => number(values[row]),
        };
        writer.write_record(columns.iter().map(cell))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// One row group, plain or by dictionary, uncompressed: what the crate does with no feature switched on.
fn parquet(columns: &[Column]) -> Result<Vec<u8>, ParquetError> {
    let field = |column: &Column| {
        let (physical, repetition) = match &column.values {
            Values::Text(_) => (Physical::BYTE_ARRAY, Repetition::REQUIRED),
            Values::Whole(_) => (Physical::INT64, Repetition::REQUIRED),
            Values::Flag(_) => (Physical::BOOLEAN, Repetition::OPTIONAL),
            Values::Number(_) => (Physical::DOUBLE, Repetition::OPTIONAL),
        };
        let logical = matches!(column.values, Values::Text(_)).then_some(LogicalType::String);
        let builder = Type::primitive_type_builder(&column.name, physical);
        builder.with_repetition(repetition).with_logical_type(logical).build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("sweep").with_fields(fields).build()?);
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::default()))?;
    let mut group = writer.next_row_group()?;
    for column in columns {
        let Some(mut open) = group.next_column()? else { break };
        match (&column.values, open.untyped()) {
            (Values::Text(values), ColumnWriter::ByteArrayColumnWriter(writer)) => {
                let values: Vec<ByteArray> = values.iter().map(|value| value.as_str().into()).collect();
                writer.write_batch(&values, None, None)?;
            }
            (Values::Whole(values), ColumnWriter::Int64ColumnWriter(writer)) => {
                writer.write_batch(values, None, None)?;
            }
            (Values::Flag(values), ColumnWriter::BoolColumnWriter(writer)) => {
                let (there, levels) = optional(values);
                writer.write_batch(&there, Some(&levels), None)?;
            }
            (Values::Number(values), ColumnWriter::DoubleColumnWriter(writer)) => {
                let (there, levels) = optional(values);
                writer.write_batch(&there, Some(&levels), None)?;
            }
            _ => unreachable!("a column is written as its field says"),
        }
        open.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

/// The values that are there, and for each row whether it has one.
fn optional<T: Copy>(values: &[Option<T>]) -> (Vec<T>, Vec<i16>) {
    let levels = values.iter().map(|value| i16::from(value.is_some())).collect();
    (values.iter().copied().flatten().collect(), levels)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use faas_lab_model::metrics::result::{self, Estimate};
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::RowAccessor as _;

    use super::*;

    fn row(point: usize, p95: Option<f64>) -> Row {
        let estimate = |mean| Estimate { mean, half_width: None, sd: None, n: 1 };
        Row {
            point,
            label: format!("max={point}"),
            values: vec!["\"a, b\"".to_owned(), point.to_string()],
            replications: 1,
            warm_up_seconds: 0.5,
            partial: false,
            objectives_met: None,
            metrics: p95
                .map(|p95| BTreeMap::from([(result::RESPONSE_P95.to_owned(), estimate(p95))]))
                .unwrap_or_default(),
        }
    }

    #[test]
    fn both_tables_hold_the_same() {
        let axis = |key: &str| Axis { key: key.to_owned(), values: Vec::new() };
        let columns = columns(&[axis("f.x"), axis("replications")], &[row(0, Some(0.1 + 0.2)), row(7, None)]);
        let csv = String::from_utf8(csv(&columns, 2).expect("written")).expect("UTF-8");
        let mut lines = csv.lines();
        assert_eq!(
            lines.next(),
            Some(
                "point,label,f.x,set replications,replications,warm_up_seconds,partial,objectives_met,response_p95,response_p95_half_width"
            )
        );
        assert_eq!(lines.next(), Some("0,max=0,\"a, b\",0,1,0.5,false,,0.3,"));
        assert_eq!(lines.next(), Some("7,max=7,\"a, b\",7,1,0.5,false,,,"));

        let bytes = bytes::Bytes::from(parquet(&columns).expect("written"));
        let reader = SerializedFileReader::new(bytes).expect("a file");
        let rows: Vec<_> = reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row")).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[1].get_long(0).expect("whole"), rows[1].get_string(2).expect("text").as_str()), (7, "a, b"));
        assert_eq!(rows[0].get_double(8).expect("a number"), 0.1 + 0.2);
        assert!(rows[1].get_double(8).is_err(), "nothing is there");
    }
}
