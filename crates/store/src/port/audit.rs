//! The audit log.

use std::borrow::Cow;

use portcullis_core::Id;
use portcullis_core::audit::{AuditRecord, Ends, Link, Mark};
use portcullis_core::port::{AuditFilter, AuditLog, StoreError};

use super::SqlStore;
use crate::sql::{Fault, Row, Transaction, Value};

macro_rules! columns {
    () => {
        "number, at_ms, event, request_id, username, user_id, ip, method, endpoint, query, route, user_agent, \
         device, request_data, status, duration_us, success, reason, details, previous, hash"
    };
}

impl AuditLog for SqlStore {
    fn append_audit(&self, records: &[AuditRecord]) -> Result<Mark, StoreError> {
        self.database.write(|transaction| {
            let ends = locked(transaction)?;
            append(transaction, ends, records)
        })
    }

    fn audit(&self, filter: &AuditFilter) -> Result<Vec<Link>, StoreError> {
        let has_zero = |text: &&str| text.contains('\0');
        if [filter.event.as_deref(), filter.user.as_deref()].iter().flatten().any(has_zero) {
            return Ok(Vec::new());
        }
        let user = filter.user.as_deref().map(|user| (user, user.parse::<Id>()));
        let asked: [(&str, Option<Value<'_>>); 6] = [
            ("number < ?", filter.before.map(Value::from)),
            ("event = ?", filter.event.as_ref().map(Value::from)),
            ("user_id = ?", user.as_ref().and_then(|(_, id)| id.as_ref().ok()).map(|id| (*id).into())),
            ("username = ?", user.as_ref().filter(|(_, id)| id.is_err()).map(|(name, _)| (*name).into())),
            ("at_ms >= ?", filter.from_ms.map(Value::from)),
            ("at_ms < ?", filter.to_ms.map(Value::from)),
        ];
        let mut sql = concat!("SELECT ", columns!(), " FROM audit").to_owned();
        let mut values: Vec<Value<'_>> = Vec::new();
        for (term, value) in asked {
            let Some(value) = value else { continue };
            values.push(value);
            sql.push_str(if values.len() == 1 { " WHERE " } else { " AND " });
            sql.push_str(&format!("{term}{}", values.len()));
        }
        values.push(filter.limit.into());
        sql.push_str(&format!(" ORDER BY number DESC LIMIT ?{}", values.len()));
        self.database.list(&sql, &values, link)
    }

    fn each_audit(&self, after: i64, take: &mut dyn FnMut(Link)) -> Result<(), StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM audit WHERE number > ?1 ORDER BY number");
        self.database.each(sql, &[after.into()], link, take)
    }

    fn audit_ends(&self) -> Result<Ends, StoreError> {
        let ends = self.database.first(ENDS, &[], ends)?;
        ends.ok_or_else(|| StoreError::Broken("where the audit log ends is gone".to_owned()))
    }

    fn prune_audit(&self, before_ms: i64, now_ms: i64, most: u32) -> Result<u64, StoreError> {
        // From the front only: a clock that was set back may have made a later record look older.
        let last = "SELECT MIN(number) - 1 FROM audit WHERE at_ms >= ?1";
        let hash = "SELECT number, hash FROM audit WHERE number = ?1";
        self.database.write(|transaction| {
            let ends = locked(transaction)?;
            let kept = transaction.first(last, &[before_ms.into()], |row| row.maybe_int(0))?.flatten();
            let number = kept.unwrap_or(ends.head.number).min(ends.cut.number + i64::from(most));
            if number <= ends.cut.number {
                return Ok(0);
            }
            let parse = |row: &Row<'_>| Ok(Mark { number: row.int(0)?, hash: row.digest(1)? });
            let cut = transaction.first(hash, &[number.into()], parse)?;
            let cut = cut.ok_or_else(|| StoreError::Broken(format!("audit record {number} is missing")))?;
            let removed = transaction.execute("DELETE FROM audit WHERE number <= ?1", &[number.into()])?;
            let sql = "UPDATE audit_ends SET cut_number = ?1, cut_hash = ?2 WHERE id = 1";
            transaction.execute(sql, &[cut.number.into(), (&cut.hash).into()])?;
            append(transaction, Ends { cut, ..ends }, &[AuditRecord::pruned(cut, now_ms)])?;
            Ok(removed)
        })
    }
}

const ENDS: &str = "SELECT cut_number, cut_hash, head_number, head_hash FROM audit_ends WHERE id = 1";

/// The ends, for whoever is the only one to move them until the commit.
fn locked(transaction: &mut Transaction<'_>) -> Result<Ends, Fault> {
    let sql = "SELECT cut_number, cut_hash, head_number, head_hash FROM audit_ends WHERE id = 1 {lock}";
    let ends = transaction.first(sql, &[], ends)?;
    ends.ok_or_else(|| StoreError::Broken("where the audit log ends is gone".to_owned()).into())
}

fn ends(row: &Row<'_>) -> Result<Ends, Fault> {
    let mark = |number, hash: usize| {
        let hash = if row.maybe_bytes(hash)?.is_none() { [0; 32] } else { row.digest(hash)? };
        Ok::<_, Fault>(Mark { number: row.int(number)?, hash })
    };
    Ok(Ends { cut: mark(0, 1)?, head: mark(2, 3)? })
}

fn append(transaction: &mut Transaction<'_>, ends: Ends, records: &[AuditRecord]) -> Result<Mark, Fault> {
    let mut at = ends.head;
    if records.is_empty() {
        return Ok(at);
    }
    let links: Vec<Link> = records
        .iter()
        .map(|record| {
            let link = at.next(storable(record));
            at = link.mark();
            link
        })
        .collect();
    let rows: Vec<[Value<'_>; 21]> = links.iter().map(row).collect();
    let head = concat!("INSERT INTO audit (", columns!(), ") VALUES");
    let places = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    transaction.insert(head, places, &rows)?;
    let sql = "UPDATE audit_ends SET head_number = ?1, head_hash = ?2 WHERE id = 1";
    transaction.execute(sql, &[at.number.into(), (&at.hash).into()])?;
    Ok(at)
}

/// The record as it reads back. Neither database may refuse one for a zero byte that a client sent: it would
/// hold up all those behind it.
fn storable(record: &AuditRecord) -> AuditRecord {
    let plain = |text: &String| text.replace('\0', "\u{fffd}");
    let maybe = |text: &Option<String>| text.as_ref().map(plain);
    AuditRecord {
        at_ms: record.at_ms,
        event: Cow::Owned(record.event.replace('\0', "\u{fffd}")),
        request_id: plain(&record.request_id),
        user: maybe(&record.user),
        user_id: record.user_id,
        ip: maybe(&record.ip),
        method: plain(&record.method),
        endpoint: plain(&record.endpoint),
        query: maybe(&record.query),
        route: plain(&record.route),
        user_agent: maybe(&record.user_agent),
        device: maybe(&record.device),
        request_data: maybe(&record.request_data),
        status: record.status,
        duration_us: record.duration_us.min(i64::MAX.unsigned_abs()),
        success: record.success,
        reason: plain(&record.reason),
        details: plain(&record.details),
    }
}

fn row(link: &Link) -> [Value<'_>; 21] {
    let record = &link.record;
    [
        link.number.into(),
        record.at_ms.into(),
        (&*record.event).into(),
        (&record.request_id).into(),
        record.user.as_ref().into(),
        record.user_id.into(),
        record.ip.as_ref().into(),
        (&record.method).into(),
        (&record.endpoint).into(),
        record.query.as_ref().into(),
        (&record.route).into(),
        record.user_agent.as_ref().into(),
        record.device.as_ref().into(),
        record.request_data.as_ref().into(),
        u32::from(record.status).into(),
        i64::try_from(record.duration_us).unwrap_or(i64::MAX).into(),
        record.success.into(),
        (&record.reason).into(),
        (&record.details).into(),
        (&link.previous).into(),
        (&link.hash).into(),
    ]
}

/// A row as it is. What no version ever wrote is read as a record whose hash does not fit, so that whoever walks
/// the chain can name it: an error would only say that there is one somewhere.
fn link(row: &Row<'_>) -> Result<Link, Fault> {
    let number = row.int(0)?;
    let link = readable(row, number);
    Ok(link.unwrap_or_else(|_| Link {
        number,
        previous: [0; 32],
        hash: [0; 32],
        record: AuditRecord::default(),
    }))
}

fn readable(row: &Row<'_>, number: i64) -> Result<Link, Fault> {
    let maybe = |at| Ok::<_, Fault>(row.maybe_text(at)?.map(str::to_owned));
    let text = |at| Ok::<_, Fault>(row.text(at)?.to_owned());
    let strange = |_| Fault::from(StoreError::Broken("a number that was never written".to_owned()));
    let record = AuditRecord {
        at_ms: row.int(1)?,
        event: text(2)?.into(),
        request_id: text(3)?,
        user: maybe(4)?,
        user_id: row.maybe_id(5)?,
        ip: maybe(6)?,
        method: text(7)?,
        endpoint: text(8)?,
        query: maybe(9)?,
        route: text(10)?,
        user_agent: maybe(11)?,
        device: maybe(12)?,
        request_data: maybe(13)?,
        status: u16::try_from(row.int(14)?).map_err(strange)?,
        duration_us: u64::try_from(row.int(15)?).map_err(strange)?,
        success: row.maybe_flag(16)?,
        reason: text(17)?,
        details: text(18)?,
    };
    Ok(Link { number, previous: row.digest(19)?, hash: row.digest(20)?, record })
}
