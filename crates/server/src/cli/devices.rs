//! `portcullis devices`: devices that sessions are bound to.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use portcullis_core::Id;
use portcullis_core::port::Device;
use serde_json::json;

use super::sources::SourceArgs;
use super::table;
use crate::ops::accounts::Opened;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  portcullis devices list --user alice
  portcullis devices remove 0199c0de-0000-7000-8000-000000000001

Works on a running gateway, which follows within a second, and on a stopped one.")]
pub struct Args {
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(subcommand)]
    pub act: Act,
}

#[derive(Debug, Subcommand)]
pub enum Act {
    /// Devices, those that wait for their first login too
    List {
        /// Only of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a device; its sessions end
    Remove { id: String },
}

pub(super) fn execute(args: &Args) -> ExitCode {
    super::report(act(args))
}

fn act(args: &Args) -> Result<()> {
    let opened = Opened::open(&args.sources.sources())?;
    match &args.act {
        Act::List { user, json } => {
            let devices = match user {
                Some(name) => opened.store.devices_of(opened.user(name)?.id)?,
                None => opened.devices()?,
            };
            list(&opened, &devices, *json)
        }
        Act::Remove { id } => {
            let id: Id = id.parse().with_context(|| format!("`{id}`"))?;
            let ended = opened.store.remove_device(id)?;
            opened.record("remove_device_of", &format!("device {id}"))?;
            super::print(&format!("device {id} is removed; {} sessions ended\n", ended.len()));
            Ok(())
        }
    }
}

fn list(opened: &Opened, devices: &[Device], json: bool) -> Result<()> {
    if json {
        super::print_json(&json!({ "devices": devices.iter().map(shown).collect::<Vec<_>>() }));
        return Ok(());
    }
    let mut table = table::of(&["id", "user", "name", "begun", "registered"]);
    for device in devices {
        let owner = match device.user {
            Some(user) => opened.store.account(user)?.map(|account| account.user.name),
            None => None,
        };
        table.add_row([
            device.id.to_string(),
            owner.unwrap_or_else(|| "-".to_owned()),
            device.name.clone(),
            table::moment(Some(device.created_ms)),
            table::moment(device.registered_ms),
        ]);
    }
    table::print(&table, "no device");
    Ok(())
}

/// A device as programs see it.
pub(super) fn shown(device: &Device) -> serde_json::Value {
    json!({
        "id": device.id.to_string(), "user_id": device.user.map(|id| id.to_string()), "name": device.name,
        "created_at": table::moment(Some(device.created_ms)),
        "registered_at": device.registered_ms.map(|ms| table::moment(Some(ms))),
    })
}
