//! Tables: of JSON, and of what a session knows.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value};
use session_api::escaped;

/// Columns with a head. No lines drawn, so that it can be cut with any tool.
pub(crate) fn columns<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = new(None);
    table.set_header(head);
    rows.into_iter().for_each(|row| {
        table.add_row(row.map(|cell| escaped(&cell).into_owned()));
    });
    table.trim_fmt()
}

/// A value: an array of objects by their fields, an object by its fields, anything else as it is.
pub(crate) fn of_value(value: &Value, width: Option<u16>) -> String {
    let mut table = new(width);
    match value {
        Value::Array(rows) if rows.iter().any(Value::is_object) => {
            let mut names: Vec<&str> = Vec::new();
            for name in rows.iter().filter_map(Value::as_object).flat_map(Map::keys) {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
            table.set_header(names.iter().map(|name| escaped(name)));
            for row in rows {
                match row {
                    Value::Object(row) => {
                        table.add_row(names.iter().map(|name| row.get(*name).map_or_else(String::new, cell)))
                    }
                    // What has no fields stands in the first column.
                    other => table.add_row([cell(other)]),
                };
            }
        }
        Value::Array(rows) => rows.iter().for_each(|row| {
            table.add_row([cell(row)]);
        }),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            table.add_row([escaped(name).into_owned(), cell(value)]);
        }),
        other => {
            table.add_row([cell(other)]);
        }
    }
    table.trim_fmt()
}

fn new(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table
}

/// A text without its quotes, everything else as JSON.
fn cell(value: &Value) -> String {
    escaped(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)).into_owned()
}
