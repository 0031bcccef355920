//! `portcullis-sample`: the sample application on an address of its own.

use portcullis_sample::{Listener, Options, System, router_with, serve};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
The sample application that stands behind the gateway in `portcullis demo` and in the tests.

Usage: portcullis-sample [--listen ADDR] [--system NAME] [--proxy ADDR] [--heartbeat-pause MILLISECONDS]

  --listen ADDR           HOST:PORT or unix:PATH (default 127.0.0.1:9000)
  --system NAME           all, pump-analyzer, ticker-service, echotuner, kalshiwhale or btc-forecasting
  --proxy ADDR            the proxy through which webhooks are called
  --heartbeat-pause MS    the pause after each heartbeat of KalshiWhale's socket (default 50)

Example: portcullis-sample --listen unix:sample.sock --system kalshiwhale
";

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(complaint) => {
            eprintln!("portcullis-sample: {complaint}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portcullis-sample: {}: {error}", arguments.listen);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = Listener::bind(&arguments.listen).await?;
        println!("sample application at {}", listener.address()?);
        serve(listener, router_with(arguments.options)).await
    })
}

struct Arguments {
    listen: String,
    options: Options,
}

impl Arguments {
    /// Nothing where the caller asks for help.
    fn read(mut given: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
        let mut arguments = Arguments { listen: "127.0.0.1:9000".to_owned(), options: Options::default() };
        while let Some(name) = given.next() {
            if name == "--help" || name == "-h" {
                return Ok(None);
            }
            let mut value = || given.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--listen" => arguments.listen = value()?,
                "--system" => {
                    let system = value()?;
                    arguments.options.system =
                        System::named(&system).ok_or_else(|| format!("no such system: {system}"))?;
                }
                "--proxy" => {
                    let proxy = value()?;
                    let address = proxy.parse().map_err(|_| format!("not an address: {proxy}"))?;
                    arguments.options.proxy = Some(address);
                }
                "--heartbeat-pause" => {
                    let pause = value()?;
                    let milliseconds = pause.parse().map_err(|_| format!("not a number: {pause}"))?;
                    arguments.options.heartbeat_pause = Duration::from_millis(milliseconds);
                }
                _ => return Err(format!("unknown argument: {name}")),
            }
        }
        Ok(Some(arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Arguments>, String> {
        Arguments::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_read() {
        let arguments =
            read("--system kalshiwhale --listen unix:/run/s.sock --heartbeat-pause 7").unwrap().unwrap();
        assert_eq!(arguments.listen, "unix:/run/s.sock");
        assert_eq!(arguments.options.system, System::Kalshi);
        assert_eq!(arguments.options.heartbeat_pause, Duration::from_millis(7));
        assert_eq!(read("").unwrap().unwrap().listen, "127.0.0.1:9000");
        assert!(read("--help").unwrap().is_none());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("--listen", "--listen"),
            ("--system none", "none"),
            ("--heartbeat-pause x", "x"),
            ("--port 1", "--port"),
        ] {
            assert!(read(line).is_err_and(|complaint| complaint.contains(named)), "{line}");
        }
    }
}
