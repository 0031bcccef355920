//! `portcullis users`: people.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use portcullis_core::port::User;
use serde_json::json;
use zeroize::Zeroizing;

use super::sources::SourceArgs;
use super::table;
use crate::ops::accounts::Opened;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis users add alice --role admin --email alice@example.com
  echo \"$PASSWORD\" | portcullis users add bob --role free --email bob@example.com --password-stdin
  portcullis users list

Works on a running gateway, which follows within a second, and on a stopped one.")]
pub struct Args {
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(subcommand)]
    pub act: Act,
}

#[derive(Debug, Subcommand)]
pub enum Act {
    /// Make a user
    Add {
        name: String,
        /// Its role
        #[arg(long, default_value = "free")]
        role: String,
        /// Its e-mail address
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Everybody
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// One user with its keys, sessions and devices
    Show {
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a user another role
    Role { name: String, role: String },
    /// Let a user no longer come; what it holds stays
    Disable { name: String },
    /// Let a user come again
    Enable { name: String },
    /// Give a user another password; its tokens and sessions end
    ResetPassword {
        name: String,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// End every token, session and API key of a user
    Revoke { name: String },
    /// Remove a user with everything it holds
    Delete { name: String },
    /// Make users from a file of another system
    #[command(after_help = "\
The file has one JSON object a line: {\"username\":…,\"email\":…,\"role\":…,\"password_hash\":…}. Hashes are bcrypt
($2a$, $2b$, $2y$) or argon2 ($argon2id$, …) and are replaced by the configured one at the next login.

Example:
  portcullis users import users.jsonl")]
    Import { file: PathBuf },
}

pub(super) fn execute(args: &Args) -> ExitCode {
    super::report(act(args))
}

fn act(args: &Args) -> Result<()> {
    let opened = Opened::open(&args.sources.sources())?;
    let accounts = &opened.accounts;
    let now_ms = opened.now_ms();
    let named = |name: &str| opened.user(name);
    match &args.act {
        Act::Add { name, role, email, password_stdin, json } => {
            let password = new_password(*password_stdin)?;
            let user = accounts.add_user(name, email.as_deref(), role, Some(&password), now_ms)?;
            opened.record("add_user", &format!("user {} with the role {}", user.name, user.role))?;
            if *json {
                super::print_json(&shown(&user));
            } else {
                super::print(&format!("user {} made, role {}\n", user.name, user.role));
            }
        }
        Act::List { json } => list(&opened, *json)?,
        Act::Show { name, json } => show(&opened, &named(name)?, *json)?,
        Act::Role { name, role } => {
            let user = named(name)?;
            accounts.set_role(user.id, role, now_ms)?;
            opened.record("change_user", &format!("user {}, role {role}", user.name))?;
            super::print(&format!("{name} has the role {role} now\n"));
        }
        Act::Disable { name } => {
            let user = named(name)?;
            accounts.set_active(user.id, false, now_ms)?;
            opened.record("change_user", &format!("user {}, disabled", user.name))?;
            super::print(&format!("{name} may no longer come\n"));
        }
        Act::Enable { name } => {
            let user = named(name)?;
            accounts.set_active(user.id, true, now_ms)?;
            opened.record("change_user", &format!("user {}, enabled", user.name))?;
            super::print(&format!("{name} may come again\n"));
        }
        Act::ResetPassword { name, password_stdin } => {
            let user = named(name)?;
            let password = new_password(*password_stdin)?;
            accounts.reset_password(user.id, &password, now_ms)?;
            opened.record("reset_password", &format!("user {}", user.name))?;
            super::print(&format!("{name} has another password; its tokens and sessions ended\n"));
        }
        Act::Revoke { name } => {
            let user = named(name)?;
            accounts.revoke_all(user.id, now_ms)?;
            opened.record("revoke_user", &format!("user {}", user.name))?;
            super::print(&format!("every token, session and API key of {name} ended\n"));
        }
        Act::Delete { name } => {
            let user = named(name)?;
            accounts.delete_user(user.id, now_ms)?;
            opened.record("delete_user", &format!("user {}", user.name))?;
            super::print(&format!("{name} is removed\n"));
        }
        Act::Import { file } => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            let count = opened.import(&text).with_context(|| file.display().to_string())?;
            opened.record("import_users", &format!("{count} users"))?;
            super::print(&format!("{count} users made\n"));
        }
    }
    Ok(())
}

fn list(opened: &Opened, json: bool) -> Result<()> {
    let users = opened.users()?;
    if json {
        super::print_json(&json!({ "users": users.iter().map(shown).collect::<Vec<_>>() }));
        return Ok(());
    }
    let mut table = table::of(&["name", "role", "active", "e-mail", "made", "last login"]);
    for user in users {
        table.add_row([
            user.name,
            user.role,
            if user.active { "yes".to_owned() } else { "no".to_owned() },
            user.email.unwrap_or_else(|| "-".to_owned()),
            table::moment(Some(user.created_ms)),
            table::moment(user.last_login_ms),
        ]);
    }
    table::print(&table, "nobody yet; `portcullis users add NAME --role admin` makes the first");
    Ok(())
}

fn show(opened: &Opened, user: &User, json: bool) -> Result<()> {
    let store = &opened.store;
    let (keys, sessions, devices) =
        (store.keys_of(user.id)?, store.sessions_of(user.id)?, store.devices_of(user.id)?);
    let second_factor =
        store.account(user.id)?.and_then(|account| account.totp).is_some_and(|totp| totp.confirmed);
    if json {
        let mut value = shown(user);
        value["second_factor"] = json!(second_factor);
        value["keys"] = keys.iter().map(super::keys::shown).collect();
        value["sessions"] = sessions.iter().map(super::sessions::shown).collect();
        value["devices"] = devices.iter().map(super::devices::shown).collect();
        super::print_json(&value);
        return Ok(());
    }
    let live = keys.iter().filter(|key| key.revoked_ms.is_none()).count();
    let rows = [
        ("name", user.name.clone()),
        ("id", user.id.to_string()),
        ("role", user.role.clone()),
        ("active", if user.active { "yes".into() } else { "no".into() }),
        ("e-mail", user.email.clone().unwrap_or_else(|| "-".into())),
        ("made", table::moment(Some(user.created_ms))),
        ("last login", table::moment(user.last_login_ms)),
        ("second factor", if second_factor { "yes".into() } else { "no".into() }),
        ("API keys", live.to_string()),
        ("sessions", sessions.len().to_string()),
        ("devices", devices.len().to_string()),
    ];
    for (name, value) in rows {
        super::print(&format!("{name:14} {value}\n"));
    }
    Ok(())
}

/// A user as programs see it.
fn shown(user: &User) -> serde_json::Value {
    json!({
        "id": user.id.to_string(), "username": user.name, "email": user.email, "role": user.role,
        "is_active": user.active, "created_at": table::moment(Some(user.created_ms)),
        "last_login": user.last_login_ms.map(|ms| table::moment(Some(ms))),
    })
}

/// The first line of standard input, or what is typed twice without an echo.
fn new_password(from_stdin: bool) -> Result<Zeroizing<String>> {
    if from_stdin {
        let mut text = Zeroizing::new(String::new());
        std::io::stdin().take(8 * 1024).read_to_string(&mut text).context("the password")?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            bail!("standard input has no password");
        }
        return Ok(Zeroizing::new(line.to_owned()));
    }
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask for a password: --password-stdin reads it from standard input");
    }
    let password = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let again = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
    if *password != *again {
        bail!("the two are not the same; nothing was changed");
    }
    Ok(password)
}
