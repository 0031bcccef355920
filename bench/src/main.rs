//! Measures Portcullis beside nginx and HAProxy: the same policy, the same work, on loopback, in alternating rounds.

mod gateway;
mod histogram;
mod load;
mod machine;
mod plan;
mod policy;
mod probe;
mod procfs;
mod report;
mod response;
mod round;
mod run;
mod spread;
mod upstream;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::gateway::{Gateway, Missing};
use crate::load::tls::Certificate;
use crate::machine::Machine;
use crate::plan::Times;
use crate::report::{Product, Report};
use crate::run::Run;
use crate::upstream::Upstream;

/// Descriptors for ten thousand connections on both sides of a gateway.
const DESCRIPTORS: u64 = 32_768;

/// Runs nginx, HAProxy and Portcullis on the same work and prints the ratios.
///
/// Example: cargo run --release -p portcullis-bench -- --quick
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Under a minute, to see that it works; its figures are rough
    #[arg(long)]
    quick: bool,
    /// The binary to measure [default: `portcullis` beside this program]
    #[arg(long, value_name = "PATH")]
    portcullis: Option<PathBuf>,
    /// Where report.md and report.json go
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only these cases (see --list)
    #[arg(long, value_delimiter = ',', value_name = "ID,…")]
    cases: Vec<String>,
    /// Only these products
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    only: Vec<String>,
    /// Rounds of each closed case
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Seconds measured of each closed round
    #[arg(long, value_name = "SECONDS")]
    window: Option<f64>,
    /// Workers of each gateway [default: one for each processor]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Threads of the load generator [default: half the processors]
    #[arg(long, value_name = "N")]
    load_threads: Option<usize>,
    /// List the cases and end
    #[arg(long)]
    list: bool,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    if options.list {
        for case in plan::cases(options.quick) {
            println!("{:<16}{}", case.id, case.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    end_gateways_on_signal()?;
    raise_descriptor_limit()?;
    let report = measure(&options)?;
    let text = report::markdown::render(&report);
    println!("{text}");
    if let Some(dir) = &options.out {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("report.md"), text)?;
        fs::write(dir.join("report.json"), serde_json::to_string_pretty(&report)?)?;
        eprintln!("written to {}", dir.display());
    }
    if report.faults() == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{} requests failed or products could not be measured", report.faults());
    Ok(ExitCode::FAILURE)
}

fn measure(options: &Options) -> Result<Report> {
    let began = Instant::now();
    let machine = Machine::read();
    let portcullis = match &options.portcullis {
        Some(path) => path.canonicalize().with_context(|| format!("--portcullis {}", path.display()))?,
        None => env::current_exe()?.with_file_name("portcullis"),
    };
    let (mut gateways, missing) = gateway::products(&portcullis);
    gateways.retain(|gateway| chosen(&options.only, gateway.name()));
    for Missing { name, reason } in missing.iter().filter(|missing| chosen(&options.only, missing.name)) {
        eprintln!("{name} is not measured: {reason}");
    }
    ensure!(!gateways.is_empty(), "none of the products is here: apt-get install nginx haproxy");
    let mut cases = plan::cases(options.quick);
    for id in &options.cases {
        ensure!(cases.iter().any(|case| case.id == id), "no case `{id}` in this mode; see --list");
    }
    cases.retain(|case| chosen(&options.cases, case.id));
    let workers = options.workers.unwrap_or(machine.processors);
    let load_threads = options.load_threads.unwrap_or((machine.processors / 2).max(1));
    let upstream = Upstream::start()?;
    let dir = Scratch::new()?;
    let mut run = Run {
        gateways: &gateways,
        upstream: &upstream,
        certificate: Arc::new(Certificate::write(dir.path())?),
        dir: dir.path(),
        workers,
        load_threads,
        times: options.times(),
        shapes: BTreeMap::new(),
    };
    let mut measured = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        eprintln!("[{}/{}] {}", number + 1, cases.len(), case.title);
        let case = run.case(case)?;
        for problem in &case.problems {
            eprintln!("  {problem}");
        }
        measured.push(case);
    }
    Ok(Report {
        mode: if options.quick { "quick" } else { "full" },
        command: command(options),
        machine,
        load_after: machine::load(),
        workers,
        load_threads,
        seconds: began.elapsed().as_secs_f64(),
        products: products(&gateways, missing, &run.shapes),
        cases: measured,
    })
}

impl Options {
    fn times(&self) -> Times {
        let times = if self.quick { Times::QUICK } else { Times::FULL };
        Times {
            rounds: self.rounds.unwrap_or(times.rounds),
            window: self.window.map_or(times.window, Duration::from_secs_f64),
            ..times
        }
    }
}

/// An empty choice is everything; case does not matter.
fn chosen(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|chosen| chosen.eq_ignore_ascii_case(name))
}

/// What repeats the run, without the paths of this machine.
fn command(options: &Options) -> String {
    let mut text = "cargo run --release -p portcullis-bench --".to_owned();
    if options.quick {
        text.push_str(" --quick");
    }
    for (name, values) in [("--cases", &options.cases), ("--only", &options.only)] {
        if !values.is_empty() {
            text = format!("{text} {name} {}", values.join(","));
        }
    }
    if let Some(rounds) = options.rounds {
        text = format!("{text} --rounds {rounds}");
    }
    if let Some(window) = options.window {
        text = format!("{text} --window {window}");
    }
    text.trim_end_matches(" --").to_owned()
}

fn products(
    gateways: &[Box<dyn Gateway>],
    missing: Vec<Missing>,
    shapes: &BTreeMap<&'static str, probe::Shape>,
) -> Vec<Product> {
    let here = gateways.iter().map(|gateway| Product {
        name: gateway.name(),
        version: gateway::version(gateway.as_ref()).map_err(|error| format!("{error:#}")),
        remark: gateway.remark(),
        answer: shapes.get(gateway.name()).cloned(),
    });
    let gone = missing.into_iter().map(|missing| Product {
        name: missing.name,
        version: Err(missing.reason),
        remark: "",
        answer: None,
    });
    here.chain(gone).collect()
}

/// A terminated benchmark leaves no gateway and no file behind.
fn end_gateways_on_signal() -> Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = runtime.block_on(async {
        anyhow::Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    })?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        });
        gateway::process::end_all();
        if let Some(dir) = SCRATCH.get() {
            // What cannot be removed stays in the temporary directory.
            let _ = fs::remove_dir_all(dir);
        }
        std::process::exit(130);
    })?;
    Ok(())
}

/// The gateways inherit it. Only root may raise the hard limit; whoever may not gets as much as there is.
fn raise_descriptor_limit() -> Result<()> {
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: Some(DESCRIPTORS),
        maximum: Some(now.maximum.unwrap_or(u64::MAX).max(DESCRIPTORS)),
    };
    if now.current.is_none_or(|current| current >= DESCRIPTORS) || setrlimit(Resource::Nofile, raised).is_ok()
    {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum })?;
    eprintln!(
        "only {:?} descriptors: the largest number of waiting connections may not be reached",
        now.maximum
    );
    Ok(())
}

/// The directory of this run, for the signal handler.
static SCRATCH: OnceLock<PathBuf> = OnceLock::new();

/// A directory that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("portcullis-bench-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        SCRATCH.get_or_init(|| path.clone());
        Ok(Scratch(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}
