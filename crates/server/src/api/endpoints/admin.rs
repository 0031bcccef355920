//! What administrators do. What they only read, they may read with an API key.

use super::{ANY, ANY_NAME, Access, Endpoint, Group::Admin, ID};
use crate::api::admin::{devices, keys, recorded, sessions, users};
use crate::api::bodies::{self, asked, told};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("all_users", Admin, "/users", users::list)
        .access(Access::Admin(ANY))
        .pages(&ANY_NAME)
        .gives(&told::USERS)
        .about("The users, in the order of their names"),
    Endpoint::post("add_user", Admin, "/users", users::add)
        .takes(&asked::NEW_USER)
        .makes(&told::USER)
        .hashes()
        .about("Makes a user of any role"),
    Endpoint::get("show_user", Admin, "/users/{id}", users::show)
        .access(Access::Admin(ANY))
        .gives(&told::USER)
        .about("A user, by its id or its name"),
    Endpoint { method: "PATCH", ..Endpoint::post("change_user", Admin, "/users/{id}", users::change) }
        .takes(&asked::CHANGE_USER)
        .gives(&told::USER)
        .about("Another role or address, or whether the user may come"),
    Endpoint::post("reset_password", Admin, "/users/{id}/reset-password", users::reset_password)
        .takes(&asked::RESET_PASSWORD)
        .hashes()
        .about("Another password. Every login and session of the user ends"),
    Endpoint::post("revoke_user", Admin, "/users/{id}/revoke", users::revoke)
        .about("Ends every token, session and key of the user, at once"),
    Endpoint::delete("delete_user", Admin, "/users/{id}", users::delete)
        .about("Removes a user with all its credentials"),
    Endpoint::get("all_keys", Admin, "/keys", keys::list)
        .access(Access::Admin(ANY))
        .pages(&ID)
        .gives(&told::ALL_KEYS)
        .about("The API keys of everybody"),
    Endpoint::post("create_key_of", Admin, "/keys", keys::create)
        .takes(&asked::NEW_KEY_OF)
        .makes(&told::KEY_MADE)
        .about("Makes an API key for a user. It is shown this once"),
    Endpoint::post("rotate_key_of", Admin, "/keys/{id}/rotate", keys::rotate)
        .may_take(&asked::ROTATE)
        .makes(&told::KEY_MADE)
        .about("Makes a key that takes the place of another one"),
    Endpoint::delete("revoke_key_of", Admin, "/keys/{id}", keys::revoke).about("Revokes an API key, at once"),
    Endpoint::get("all_sessions", Admin, "/sessions", sessions::list)
        .access(Access::Admin(ANY))
        .pages(&ID)
        .gives(&told::ALL_SESSIONS)
        .about("The sessions of everybody"),
    Endpoint::delete("end_session_of", Admin, "/sessions/{id}", sessions::end)
        .about("Ends a session, at once"),
    Endpoint::get("all_devices", Admin, "/devices", devices::list)
        .access(Access::Admin(ANY))
        .pages(&ID)
        .gives(&told::ALL_DEVICES)
        .about("The devices of everybody"),
    Endpoint::delete("remove_device_of", Admin, "/devices/{id}", devices::remove)
        .about("Removes a device and ends its sessions, at once"),
    Endpoint::get("audit_log", Admin, "/audit-log", recorded::audit_log)
        .access(Access::Admin(ANY))
        .asks(&bodies::recorded::AUDIT_QUERY)
        .gives(&bodies::recorded::AUDIT_LOG)
        .about("What was done: every request, security event and change, newest first"),
    Endpoint::get("metrics", Admin, "/metrics", recorded::metrics)
        .access(Access::Admin(ANY))
        .asks(&bodies::recorded::METRICS_QUERY)
        .gives(&bodies::recorded::METRICS)
        .about("How busy the gateway was, and with what"),
    Endpoint::get("top", Admin, "/limits/top", recorded::top)
        .access(Access::Admin(ANY))
        .asks(&bodies::recorded::TOP_QUERY)
        .gives(&bodies::recorded::TOP)
        .about("Who asked for what most often"),
];
