//! The report for people.

use std::fmt::{self, Write as _};

use super::{Case, ClosedRow, Figures, IdleRow, PacedRow, Report};
use crate::round::Closed;
use crate::spread::Spread;

/// Processor time used by others, above which figures are marked.
const NOISY_PERCENT: f64 = 10.0;

/// Renders everything.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, report);
    text
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    let machine = &report.machine;
    writeln!(out, "# Benchmark, {} mode\n", report.mode)?;
    writeln!(out, "Repeat with `{}`; it took {:.0} s.\n", report.command, report.seconds)?;
    writeln!(
        out,
        "Machine: {} × {}{}, {} MiB, Linux {}. Load average before: {}; after: {}. Every gateway had {} workers; load \
         generator ({} build, {} threads) and application (1 thread) ran on the same processors.",
        machine.processors,
        machine.processor,
        if machine.virtualized { " (virtual)" } else { "" },
        machine.memory_mib,
        machine.kernel,
        machine.load,
        report.load_after,
        report.workers,
        machine.build,
        report.load_threads,
    )?;
    noise(out, report)?;
    products(out, report)?;
    for case in &report.cases {
        section(out, case)?;
    }
    Ok(())
}

fn noise(out: &mut String, report: &Report) -> fmt::Result {
    let rounds = || {
        report.cases.iter().filter_map(|case| match &case.figures {
            Figures::Closed(rows) => Some(rows.iter().flat_map(|row| &row.rounds)),
            _ => None,
        })
    };
    let foreign = Spread::of(rounds().flatten().map(|round| round.foreign * 100.0));
    let steal = Spread::of(rounds().flatten().map(|round| round.steal * 100.0));
    if let Some((foreign, steal)) = foreign.zip(steal) {
        writeln!(
            out,
            "Noise over all rounds: other processes used {:.1} % of the processors (worst round {:.1} %), the hypervisor \
             took {:.1} % (worst {:.1} %).",
            foreign.median, foreign.max, steal.median, steal.max
        )?;
        if foreign.median > NOISY_PERCENT {
            writeln!(
                out,
                "\n**Too noisy to quote**: caches and processors were shared with other work, which raises everybody's \
                 figures; only the ratios mean something."
            )?;
        }
    }
    Ok(())
}

fn products(out: &mut String, report: &Report) -> fmt::Result {
    writeln!(out, "\n| product | version | head of a 200 | remark |\n|---|---|---|---|")?;
    for product in &report.products {
        let version = match &product.version {
            Ok(version) => version.clone(),
            Err(reason) => format!("not measured: {reason}"),
        };
        let head = product.answer.as_ref().map_or_else(
            || "–".to_owned(),
            |shape| {
                let missing = match shape.missing.as_slice() {
                    [] => String::new(),
                    names => format!(", without {}", names.join(", ")),
                };
                format!("{} lines, {} bytes{missing}", shape.header_lines, shape.head_bytes)
            },
        );
        writeln!(out, "| {} | {version} | {head} | {} |", product.name, product.remark)?;
    }
    writeln!(out)
}

fn section(out: &mut String, case: &Case) -> fmt::Result {
    writeln!(out, "## {} (`{}`)\n", case.title, case.id)?;
    for problem in &case.problems {
        writeln!(out, "Not measured: {problem}\n")?;
    }
    match &case.figures {
        Figures::Closed(rows) => closed(out, case, rows),
        Figures::Paced(rows) => paced(out, rows),
        Figures::Idle(rows) => idle(out, rows),
    }
}

fn closed(out: &mut String, case: &Case, rows: &[ClosedRow]) -> fmt::Result {
    writeln!(
        out,
        "| | CPU µs a request | requests per CPU second | × nginx, round by round | requests a second | failed | RSS (PSS) MiB: start, loaded, after |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for row in rows {
        let per_cpu_second =
            row.cpu_us.map(|us| Spread { median: 1e6 / us.median, min: 1e6 / us.max, max: 1e6 / us.min });
        let memory = [row.memory_start, row.memory_loaded, row.memory_after].map(|memory| {
            memory
                .map_or_else(|| "–".to_owned(), |memory| format!("{} ({})", mib(memory.rss), mib(memory.pss)))
        });
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            cell(row.cpu_us, 2),
            cell(per_cpu_second, 0),
            cell(row.ratio, 2),
            cell(row.per_second, 0),
            failed(row.failed, row.first_failure.as_deref()),
            memory.join(", "),
        )?;
    }
    let each = |title: &str, value: &dyn Fn(&ClosedRow) -> Option<String>| {
        let parts: Vec<_> =
            rows.iter().filter_map(|row| Some(format!("{} {}", row.name, value(row)?))).collect();
        if parts.is_empty() { String::new() } else { format!(" {title}: {}.", parts.join(", ")) }
    };
    // A product that does not keep its connections to the application shows here.
    let beside = |row: &ClosedRow, field: fn(&Closed) -> f64| {
        Spread::of(row.rounds.iter().map(field)).map(|spread| format!("{:.1}", spread.median))
    };
    out.push_str("\nMedian µs a request beside it.");
    out.push_str(&each("Application", &|row| beside(row, |round| round.upstream_us_per_request)));
    out.push_str(&each("Load generator", &|row| beside(row, |round| round.load_us_per_request)));
    let writes = |row: &ClosedRow| row.log_bytes_per_request.is_some_and(|bytes| bytes >= 1.0);
    if case.log || rows.iter().any(writes) {
        out.push_str(&each("Log bytes a request", &|row| {
            row.log_bytes_per_request.map(|bytes| format!("{bytes:.0}"))
        }));
    }
    if case.id.starts_with("429") {
        out.push_str(&each("Still admitted", &|row| Some(format!("{:.2} %", row.admitted * 100.0))));
    }
    if case.id.starts_with("tls-") && case.id != "tls-64" {
        out.push_str(&each("Sessions resumed", &|row| Some(format!("{:.1} %", row.resumed * 100.0))));
    }
    writeln!(out, "\n")
}

fn paced(out: &mut String, rows: &[PacedRow]) -> fmt::Result {
    writeln!(out, "Microseconds from the moment a request was due.\n")?;
    writeln!(out, "| | p50 | p99 | p99.9 | added p50 | added p99 | generator late, p99 | failed |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")?;
    for row in rows {
        let figures = [row.p50, row.p99, row.p999, row.added_p50, row.added_p99, row.lag_p99];
        let figures = figures.map(|spread| cell(spread, 0)).join(" | ");
        writeln!(out, "| {} | {figures} | {} |", row.name, failed(row.failed, row.first_failure.as_deref()))?;
    }
    writeln!(out)
}

fn idle(out: &mut String, rows: &[IdleRow]) -> fmt::Result {
    let Some(first) = rows.first() else { return Ok(()) };
    write!(
        out,
        "RSS (PSS) in MiB; each connection has carried one request.\n\n| | start to listening | at start |"
    )?;
    for step in &first.steps {
        write!(out, " {} connections | KiB each |", step.connections)?;
    }
    writeln!(out, " after |\n|---|---|---|{}---|", "---|---|".repeat(first.steps.len()))?;
    for row in rows {
        let start = row.memory_start;
        write!(out, "| {} | {:.1} ms | {} ({}) |", row.name, row.start_ms, mib(start.rss), mib(start.pss))?;
        for step in &row.steps {
            let lost = step.connections - step.alive;
            let closed = if lost == 0 { String::new() } else { format!(", **{lost} closed**") };
            let memory = step.memory;
            let each = |now: u64, then: u64| now.saturating_sub(then) as f64 / step.connections as f64;
            write!(out, " {} ({}){closed} |", mib(memory.rss), mib(memory.pss))?;
            write!(out, " {:.2} ({:.2}) |", each(memory.rss, start.rss), each(memory.pss, start.pss))?;
        }
        writeln!(out, " {} ({}) |", mib(row.memory_after.rss), mib(row.memory_after.pss))?;
    }
    writeln!(out)
}

fn cell(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |Spread { median, min, max }| format!("**{median:.digits$}** ({min:.digits$} – {max:.digits$})"),
    )
}

fn failed(count: u64, first: Option<&str>) -> String {
    match first {
        Some(first) if count > 0 => format!("**{count}**, first: {first}"),
        _ => count.to_string(),
    }
}

fn mib(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::round;

    #[test]
    fn a_row_shows_median_ends_ratio_and_failures() {
        let nginx = [round(10.0), round(12.0)];
        let mut row = ClosedRow::new("x", vec![round(5.0), round(4.0)], Some(&nginx));
        row.failed = 3;
        row.first_failure = Some("status 502 with 0 bytes".to_owned());
        let case = Case {
            id: "json-64",
            title: "t",
            log: false,
            figures: Figures::Closed(vec![row]),
            problems: vec!["y: does not start".to_owned()],
        };
        let mut text = String::new();
        section(&mut text, &case).unwrap();
        assert!(
            text.contains(
                "| x | **4.50** (4.00 – 5.00) | **222222** (200000 – 250000) | **2.50** (2.00 – 3.00) |"
            ),
            "{text}"
        );
        assert!(text.contains("**3**, first: status 502"), "{text}");
        assert!(text.contains("Not measured: y: does not start"), "{text}");
    }
}
