//! What people do for themselves.

use super::{ANY, Access, Endpoint, Group::Auth, LOGIN};
use crate::api::bodies::{asked, told};
use crate::api::shape::Takes;
use crate::api::{account, devices, keys, sessions, totp};

/// Guesses of one address.
const GUESSES: &str = "20/minute per ip";

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post("register", Auth, "/register", account::register)
        .access(Access::Optional(LOGIN))
        .limit(GUESSES)
        .takes(&asked::REGISTER)
        .makes(&told::USER)
        .hashes()
        .about("Makes an account. A role above the default one is given by administrators only"),
    Endpoint::post("login", Auth, "/login", account::login)
        .open()
        .limit(GUESSES)
        .takes(&asked::LOGIN)
        .gives(&told::TOKENS)
        .hashes()
        .authenticates()
        .about("Gives tokens for a password. Asks for the second factor where there is one"),
    Endpoint::post("login_totp", Auth, "/login/totp", account::login_totp)
        .open()
        .limit(GUESSES)
        .takes(&asked::LOGIN_TOTP)
        .gives(&told::TOKENS)
        .authenticates()
        .about("Completes a login with the second factor"),
    Endpoint::post("refresh", Auth, "/refresh", account::refresh)
        .open()
        .limit(GUESSES)
        .takes(&asked::REFRESH)
        .gives(&told::TOKENS)
        .authenticates()
        .about("Gives a new pair of tokens. A refresh token that is used twice ends the whole login"),
    Endpoint::post("logout", Auth, "/logout", account::logout)
        .about("Ends the login or the session that asks, at once"),
    Endpoint::get("profile", Auth, "/profile", account::profile)
        .access(Access::Authenticated(ANY))
        .gives(&told::USER)
        .about("Who you are"),
    Endpoint::post("change_password", Auth, "/password", account::change_password)
        .takes(&asked::PASSWORD)
        .hashes()
        .about("Another password. Every login and session made before ends"),
    Endpoint::post("create_key", Auth, "/api-key", keys::create)
        .may_take(&asked::NEW_KEY)
        .makes(&told::KEY_MADE)
        .about("Makes an API key. It is shown this once"),
    Endpoint::get("list_keys", Auth, "/api-keys", keys::list).gives(&told::KEYS).about("Your API keys"),
    Endpoint::delete("revoke_key", Auth, "/api-keys/{id}", keys::revoke).about("Revokes an API key, at once"),
    Endpoint::post("rotate_key", Auth, "/api-keys/{id}/rotate", keys::rotate)
        .may_take(&asked::ROTATE)
        .makes(&told::KEY_MADE)
        .about("Makes a key that takes the place of another one"),
    Endpoint::post("enroll_totp", Auth, "/totp/enroll", totp::enroll)
        .gives(&told::TOTP)
        .about("Begins a second factor. It is not asked for before it is confirmed"),
    Endpoint::post("confirm_totp", Auth, "/totp/confirm", totp::confirm)
        .takes(&asked::TOTP_CODE)
        .gives(&told::RECOVERY)
        .about("Confirms the second factor by a code of it, and gives recovery codes"),
    Endpoint::delete("remove_totp", Auth, "/totp", totp::remove)
        .takes(&asked::TOTP_CODE)
        .about("Removes the second factor, for a code of it"),
    Endpoint::post("start_device", Auth, "/devices", devices::start)
        .open()
        .limit("30/minute per ip")
        .may_take(&asked::NEW_DEVICE)
        .makes(&told::DEVICE_STARTED)
        .about("Begins to register a device. Its first session completes that"),
    Endpoint::get("list_devices", Auth, "/devices", devices::list)
        .gives(&told::DEVICES)
        .about("Your devices"),
    Endpoint::delete("remove_device", Auth, "/devices/{id}", devices::remove)
        .about("Removes a device and ends its sessions, at once"),
    Endpoint {
        takes: Takes::Either(&asked::NEW_SESSION, &asked::NEW_COOKIE, "cookie"),
        ..Endpoint::post("create_session", Auth, "/sessions", sessions::create)
            .makes(&told::SESSION_MADE)
            .about("Makes a session on a device, or one in a cookie for a browser")
    },
    Endpoint::get("list_sessions", Auth, "/sessions", sessions::list)
        .gives(&told::SESSIONS)
        .about("Your sessions"),
    Endpoint::delete("end_session", Auth, "/sessions/{id}", sessions::end).about("Ends a session, at once"),
];
