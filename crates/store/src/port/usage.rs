//! How much was asked for.

use portcullis_core::Id;
use portcullis_core::port::{Minute, Span, StoreError, Usage, Used, UsedBy};

use super::SqlStore;
use crate::sql::{Fault, Row, Value};

impl Usage for SqlStore {
    fn add_minute(&self, node: Id, minute: &Minute) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO usage_minutes (minute_ms, node, requests, client_errors, server_errors, refused,
                       limited, proven, unproven, suspicious, slow, duration_us, connections, cpu, memory, disk)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
                   ON CONFLICT (minute_ms, node) DO UPDATE SET
                       requests = usage_minutes.requests + excluded.requests,
                       client_errors = usage_minutes.client_errors + excluded.client_errors,
                       server_errors = usage_minutes.server_errors + excluded.server_errors,
                       refused = usage_minutes.refused + excluded.refused,
                       limited = usage_minutes.limited + excluded.limited,
                       proven = usage_minutes.proven + excluded.proven,
                       unproven = usage_minutes.unproven + excluded.unproven,
                       suspicious = usage_minutes.suspicious + excluded.suspicious,
                       slow = usage_minutes.slow + excluded.slow,
                       duration_us = usage_minutes.duration_us + excluded.duration_us,
                       connections = CASE WHEN usage_minutes.connections > excluded.connections
                           THEN usage_minutes.connections ELSE excluded.connections END,
                       cpu = excluded.cpu, memory = excluded.memory, disk = excluded.disk";
        let values = [
            minute.minute_ms.into(),
            node.into(),
            number(minute.requests),
            number(minute.client_errors),
            number(minute.server_errors),
            number(minute.refused),
            number(minute.limited),
            number(minute.proven),
            number(minute.unproven),
            number(minute.suspicious),
            number(minute.slow),
            number(minute.duration_us),
            number(minute.connections),
            number(minute.cpu),
            number(minute.memory),
            number(minute.disk),
        ];
        self.database.write(|transaction| transaction.execute(sql, &values).map(drop))
    }

    fn add_used(&self, hour_ms: i64, used: &[(UsedBy, Used)]) -> Result<(), StoreError> {
        let sql = "INSERT INTO usage_hours (hour_ms, kind, name, requests, errors, last_ms)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                   ON CONFLICT (hour_ms, kind, name) DO UPDATE SET
                       requests = usage_hours.requests + excluded.requests,
                       errors = usage_hours.errors + excluded.errors,
                       last_ms = CASE WHEN usage_hours.last_ms > excluded.last_ms
                           THEN usage_hours.last_ms ELSE excluded.last_ms END";
        // In one order, so that two processes never wait for each other.
        let mut used: Vec<_> = used.iter().filter(|(_, used)| !used.name.contains('\0')).collect();
        used.sort_by(|(by, one), (other_by, other)| (by, &one.name).cmp(&(other_by, &other.name)));
        let rows: Vec<[Value<'_>; 6]> = used
            .iter()
            .map(|(by, used)| {
                [
                    hour_ms.into(),
                    by.name().into(),
                    (&used.name).into(),
                    number(used.requests),
                    number(used.errors),
                    used.last_ms.into(),
                ]
            })
            .collect();
        self.database.write(|transaction| transaction.execute_each(sql, &rows))
    }

    fn span(&self, from_ms: i64) -> Result<Span, StoreError> {
        // Sums of BIGINT are NUMERIC on PostgreSQL, which this facade does not speak.
        let sql = "SELECT COUNT(*), COALESCE(MIN(minute_ms), 0),
                       CAST(COALESCE(SUM(requests), 0) AS BIGINT),
                       CAST(COALESCE(SUM(client_errors), 0) AS BIGINT),
                       CAST(COALESCE(SUM(server_errors), 0) AS BIGINT),
                       CAST(COALESCE(SUM(refused), 0) AS BIGINT),
                       CAST(COALESCE(SUM(limited), 0) AS BIGINT),
                       CAST(COALESCE(SUM(proven), 0) AS BIGINT),
                       CAST(COALESCE(SUM(unproven), 0) AS BIGINT),
                       CAST(COALESCE(SUM(suspicious), 0) AS BIGINT),
                       CAST(COALESCE(SUM(slow), 0) AS BIGINT),
                       CAST(COALESCE(SUM(duration_us), 0) AS BIGINT),
                       CAST(COALESCE(MAX(connections), 0) AS BIGINT),
                       CAST(COALESCE(SUM(cpu), 0) AS BIGINT),
                       CAST(COALESCE(SUM(memory), 0) AS BIGINT),
                       CAST(COALESCE(SUM(disk), 0) AS BIGINT),
                       COUNT(DISTINCT minute_ms)
                   FROM usage_minutes WHERE minute_ms >= ?1";
        let span = self.database.first(sql, &[from_ms.into()], span)?;
        Ok(span.unwrap_or_default())
    }

    fn most_used(&self, by: UsedBy, from_ms: i64, limit: u32) -> Result<Vec<Used>, StoreError> {
        let sql =
            "SELECT name, CAST(SUM(requests) AS BIGINT) AS most, CAST(SUM(errors) AS BIGINT), MAX(last_ms)
                   FROM usage_hours WHERE kind = ?1 AND hour_ms > ?2
                   GROUP BY name ORDER BY most DESC, name LIMIT ?3";
        let values = [by.name().into(), from_ms.saturating_sub(HOUR_MS).into(), limit.into()];
        self.database.list(sql, &values, |row| {
            Ok(Used {
                name: row.text(0)?.to_owned(),
                requests: count(row, 1)?,
                errors: count(row, 2)?,
                last_ms: row.int(3)?,
            })
        })
    }

    fn first_seen(&self, name: &str, now_ms: Option<i64>) -> Result<Option<i64>, StoreError> {
        let select = "SELECT first_ms FROM first_seen WHERE name = ?1";
        let insert = "INSERT INTO first_seen (name, first_ms) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
        if let Some(found) = self.database.first(select, &[name.into()], |row| row.int(0))? {
            return Ok(Some(found));
        }
        let Some(now_ms) = now_ms else { return Ok(None) };
        self.database.write(|transaction| {
            transaction.execute(insert, &[name.into(), now_ms.into()])?;
            transaction.first(select, &[name.into()], |row| row.int(0))
        })
    }

    fn forget_usage(&self, before_ms: i64) -> Result<(), StoreError> {
        self.database.write(|transaction| {
            transaction.execute("DELETE FROM usage_minutes WHERE minute_ms < ?1", &[before_ms.into()])?;
            let hours = before_ms.saturating_sub(HOUR_MS);
            transaction.execute("DELETE FROM usage_hours WHERE hour_ms < ?1", &[hours.into()]).map(drop)
        })
    }
}

const HOUR_MS: i64 = 3_600_000;

fn number(value: u64) -> Value<'static> {
    i64::try_from(value).unwrap_or(i64::MAX).into()
}

fn count(row: &Row<'_>, at: usize) -> Result<u64, Fault> {
    Ok(u64::try_from(row.int(at)?).unwrap_or(0))
}

fn span(row: &Row<'_>) -> Result<Span, Fault> {
    let rows = count(row, 0)?;
    let mean = |at| Ok::<_, Fault>(count(row, at)?.checked_div(rows).unwrap_or(0));
    Ok(Span {
        minutes: count(row, 16)?,
        all: Minute {
            minute_ms: row.int(1)?,
            requests: count(row, 2)?,
            client_errors: count(row, 3)?,
            server_errors: count(row, 4)?,
            refused: count(row, 5)?,
            limited: count(row, 6)?,
            proven: count(row, 7)?,
            unproven: count(row, 8)?,
            suspicious: count(row, 9)?,
            slow: count(row, 10)?,
            duration_us: count(row, 11)?,
            connections: count(row, 12)?,
            cpu: mean(13)?,
            memory: mean(14)?,
            disk: mean(15)?,
        },
    })
}
