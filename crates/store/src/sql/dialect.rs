//! Where the two databases want other words: the few of them, in one table.
//!
//! SQL is written once, with `?1` for values and `{words}` for what has no common form.

use std::borrow::Cow;

/// A word, what SQLite has for it, and what PostgreSQL has.
const WORDS: [(&str, &str, &str); 7] = [
    // Types are what they are called, and rows stand in the order of their key, without a second tree to
    // look through.
    ("{clustered}", "STRICT, WITHOUT ROWID", ""),
    ("{number}", "INTEGER", "BIGINT"),
    ("{bytes}", "BLOB", "BYTEA"),
    ("{boolean}", "INTEGER", "BOOLEAN"),
    // Compared and sorted byte by byte, whatever the language of the database.
    ("{binary}", "COLLATE BINARY", "COLLATE \"C\""),
    // Others that would change the row wait; SQLite has one writer at a time.
    ("{lock}", "", "FOR UPDATE"),
    (
        "{now_ms}",
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    ),
];

/// The text for SQLite.
pub(super) fn sqlite(sql: &str) -> Cow<'_, str> {
    words(sql, |(_, sqlite, _)| sqlite)
}

/// The text for PostgreSQL.
pub(super) fn postgres(sql: &str) -> String {
    let sql = words(sql, |(_, _, postgres)| postgres);
    sql.replace('?', "$")
}

/// The text of a statement that inserts `rows` rows: `row` is repeated, and its `?` are numbered.
pub(super) fn repeated(head: &str, row: &str, rows: usize) -> String {
    let mut text = String::with_capacity(head.len() + rows * (row.len() + 32));
    text.push_str(head);
    let mut number = 0;
    for at in 0..rows {
        text.push_str(if at == 0 { " " } else { ", " });
        for character in row.chars() {
            text.push(character);
            if character == '?' {
                number += 1;
                text.push_str(&number.to_string());
            }
        }
    }
    text
}

fn words(sql: &str, choose: fn((&str, &'static str, &'static str)) -> &'static str) -> Cow<'_, str> {
    if !sql.contains('{') {
        return Cow::Borrowed(sql);
    }
    let mut text = sql.to_owned();
    for word in WORDS {
        text = text.replace(word.0, choose(word));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_put_in() {
        let sql = "SELECT a FROM b WHERE c = ?1 AND d = ?2 {lock}";
        assert_eq!(sqlite(sql), "SELECT a FROM b WHERE c = ?1 AND d = ?2 ");
        assert_eq!(postgres(sql), "SELECT a FROM b WHERE c = $1 AND d = $2 FOR UPDATE");
        assert!(matches!(sqlite("SELECT 1"), Cow::Borrowed("SELECT 1")));
    }

    #[test]
    fn rows_are_repeated_with_their_own_numbers() {
        let sql = repeated("INSERT INTO a (b, c) VALUES", "(?, 7, ?)", 2);
        assert_eq!(sql, "INSERT INTO a (b, c) VALUES (?1, 7, ?2), (?3, 7, ?4)");
    }
}
