//! `portcullis init`: a configuration, an example environment and a real one with fresh secrets.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::generate::{self, Kind};
use crate::config::FILE_NAME;
use crate::config::dialect::{Example, Name};
use crate::config::profile::{self, PROFILES, Profile};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis init --profile kalshiwhale --dir ./gateway")]
pub struct Args {
    /// System whose environment names and refusals apply: pump-analyzer, ticker-service, echotuner, kalshiwhale,
    /// btc-forecasting
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Directory to write into; made where it is missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// What is written without a profile.
const CONFIG: &str = r#"# Every route asks for an API key, is limited, and carries security headers. `portcullis check` says what is
# missing before production; `portcullis config show` where each value in force comes from.

upstream = "http://127.0.0.1:9000"        # where the application listens; or "unix:/run/app.sock"

[auth.api_key]
value = "env:API_KEY"                     # header X-API-Key

[cors]
origins = ["http://localhost:3000"]       # pages that may call

[[limits]]
rate = "100/minute per ip"

[[tests]]                                 # `portcullis test`
request = "GET /"
expect  = { status = 401 }
"#;

pub(super) fn execute(args: &Args) -> ExitCode {
    let profile = match args.profile.as_deref().map(|name| (name, profile::find(name))) {
        None => None,
        Some((_, Some(profile))) => Some(profile),
        Some((name, None)) => {
            let valid: Vec<&str> = PROFILES.iter().map(|it| it.name).collect();
            super::complain(&format!(
                "error: the profile `{name}` does not exist\n = mend: one of {}",
                valid.join(", ")
            ));
            return ExitCode::from(super::UNREADABLE);
        }
    };
    match write_all(&args.dir, profile) {
        Ok(files) => {
            report(&files, args.json);
            ExitCode::SUCCESS
        }
        Err((path, error)) => {
            super::complain(&format!(
                "error: {} cannot be written: {error}\n = mend: name another --dir",
                path.display()
            ));
            ExitCode::FAILURE
        }
    }
}

/// A file and whether it was written; else it was there.
type Written = (PathBuf, bool);

fn write_all(dir: &Path, profile: Option<&Profile>) -> Result<Vec<Written>, (PathBuf, io::Error)> {
    std::fs::create_dir_all(dir).map_err(|error| (dir.to_owned(), error))?;
    let names: &[Name] = profile.map_or(&[], |profile| profile.dialect.names);
    let secrets = environment(names, true).map_err(|error| (dir.join(".env"), io::Error::other(error)))?;
    let example =
        environment(names, false).map_err(|error| (dir.join(".env.example"), io::Error::other(error)))?;
    let config = profile.map_or_else(|| CONFIG.to_owned(), of_profile);
    [(FILE_NAME, config, 0o644), (".env.example", example, 0o644), (".env", secrets, 0o600)]
        .into_iter()
        .map(|(name, text, mode)| {
            let path = dir.join(name);
            match create(&path, &text, mode) {
                Ok(()) => Ok((path, true)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok((path, false)),
                Err(error) => Err((path, error)),
            }
        })
        .collect()
}

/// Writes a file that is not there yet; the mode holds from its first byte on.
fn create(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)?.write_all(text.as_bytes())
}

fn of_profile(profile: &Profile) -> String {
    format!(
        "# Portcullis in front of {name}: its environment names and refusals work unchanged. What stands here is laid\n\
         # over the profile; `portcullis config show` prints the result, `portcullis config env` the names.\n\n\
         profile  = \"{name}\"\n\
         upstream = \"http://127.0.0.1:9000\"        # where the application listens; the gateway has its old port\n",
        name = profile.name
    )
}

/// The lines of an environment file; secrets are fresh, or left empty in the example.
fn environment(names: &[Name], fresh: bool) -> Result<String, getrandom::Error> {
    let mut text = String::from(if fresh {
        "# Secrets: not for version control. Fresh ones come from `portcullis generate`.\n"
    } else {
        "# Copy to .env and fill in; `portcullis generate token` or `api-key` makes a secret.\n"
    });
    let mut line = |doc: &str, name: &str, example: Example, default: &str| -> Result<(), getrandom::Error> {
        let secret = |kind| if fresh { generate::fresh(kind) } else { Ok(String::new()) };
        let line = match example {
            Example::Text(value) => format!("{name}={value}"),
            Example::Hex => format!("{name}={}", secret(Kind::Token)?),
            Example::UrlSafe => format!("{name}={}", secret(Kind::ApiKey)?),
            Example::EncryptionKey => format!("{name}={}", secret(Kind::EncryptionKey)?),
            Example::SigningKey => format!("{name}={}", secret(Kind::SigningKey)?),
            Example::None => format!("# {name}={default}"),
        };
        let _ = write!(text, "\n# {doc}\n{line}\n");
        Ok(())
    };
    if names.is_empty() {
        line("Key that every route asks for in X-API-Key", "API_KEY", Example::UrlSafe, "")?;
    }
    for name in names {
        line(name.doc, name.name, name.example, name.default)?;
    }
    Ok(text)
}

fn report(files: &[Written], json: bool) {
    if json {
        let files: Vec<_> = files
            .iter()
            .map(|(path, written)| serde_json::json!({ "path": path.display().to_string(), "written": written }))
            .collect();
        super::print_json(&serde_json::json!({ "files": files }));
        return;
    }
    let mut text = String::new();
    for (path, written) in files {
        let what = if *written { "wrote" } else { "left as it is" };
        let _ = writeln!(text, "{what}: {}", path.display());
    }
    text.push_str("\nNext: name the application in `upstream`, keep .env out of version control, then\n  portcullis check\n  portcullis run\n");
    super::print(&text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::dialect::Meaning;
    use crate::config::{Sources, load};

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("portcullis-init-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn what_is_written_starts_without_a_word() {
        for profile in std::iter::once(None).chain(PROFILES.iter().map(Some)) {
            let dir = scratch(profile.map_or("none", |it| it.name));
            assert!(write_all(&dir, profile).unwrap().iter().all(|(_, written)| *written));
            let loaded = load(&Sources { directory: dir.clone(), ..Sources::default() }).unwrap();
            let warnings: String = loaded.warnings.iter().map(ToString::to_string).collect();
            // ticker-service has no name for its host: it listens on every interface, and is told so.
            let named = |it: &Profile| it.dialect.names.iter().any(|name| name.meaning == Meaning::Host);
            let expected = usize::from(!profile.is_none_or(named));
            assert_eq!(loaded.warnings.len(), expected, "{warnings}");
            assert_eq!(loaded.config.auth.schemes().count(), 1);
            let example = std::fs::read_to_string(dir.join(".env.example")).unwrap();
            let real = std::fs::read_to_string(dir.join(".env")).unwrap();
            assert_eq!(example.lines().count(), real.lines().count());
            assert!(
                !example.lines().any(|line| line.len() > 40 && !line.starts_with('#')),
                "no secret: {example}"
            );
            std::fs::remove_dir_all(dir).unwrap();
        }
    }

    #[test]
    fn nothing_is_overwritten_and_secrets_are_private() {
        let dir = scratch("twice");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(FILE_NAME), "mine").unwrap();
        let files = write_all(&dir, None).unwrap();
        assert_eq!(files.iter().map(|(_, written)| *written).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(std::fs::read_to_string(dir.join(FILE_NAME)).unwrap(), "mine");
        let secret = std::fs::read_to_string(dir.join(".env")).unwrap();
        write_all(&dir, None).unwrap();
        assert_eq!(std::fs::read_to_string(dir.join(".env")).unwrap(), secret);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(dir.join(".env")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
