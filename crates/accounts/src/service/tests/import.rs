//! Users of another system, taken over all or none.

use portcullis_core::port::Users;

use super::*;
use crate::service::Imported;

/// bcrypt of `U*U` (the test vectors of Openwall's implementation).
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn row(name: &str, email: Option<&str>, hash: Option<&str>) -> Imported {
    Imported {
        name: name.to_owned(),
        email: email.map(str::to_owned),
        role: "premium".to_owned(),
        password_hash: hash.map(str::to_owned),
    }
}

#[test]
fn they_log_in_with_the_password_they_had() {
    let house = House::new();
    let rows = [row("carol", Some("c@example.com"), Some(BCRYPT)), row("dave", None, None)];
    assert_eq!(house.accounts.import_users(&rows, NOW).unwrap(), 2);
    let granted = house.login("carol", "U*U", NOW).unwrap();
    assert_eq!(granted.user.role, "premium");
    proven(house.bearer(&granted.access.token, NOW));
    assert!(house.store_password("carol").starts_with("$argon2id$"), "and have a hash of today afterwards");
    assert_eq!(code(house.login("dave", "", NOW)), "invalid-login");
    assert_eq!(house.directory.sizes().0, 2);
}

#[test]
fn one_bad_row_and_nobody_comes() {
    let house = House::new();
    house.accounts.add_user("alice", Some("alice@example.com"), "free", None, NOW).unwrap();
    let good = || row("carol", Some("c@example.com"), Some(BCRYPT));
    for (bad, why) in [
        (row("x", None, None), "a user name has"),
        (row("dave", Some("nowhere"), None), "not an e-mail address"),
        (row("dave", None, Some("5f4dcc3b5aa765d61d8327deb882cf99")), "neither bcrypt nor argon2"),
        (
            row("dave", None, Some("$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")),
            "neither bcrypt",
        ),
        (Imported { role: "emperor".to_owned(), ..row("dave", None, None) }, "no role `emperor`"),
        (row("Carol", None, None), "row 1 has the same name"),
        (row("dave", Some("C@example.com"), None), "row 1 has the same e-mail address"),
        (row("ALICE", None, None), "the user name is taken"),
        (row("dave", Some("Alice@Example.com"), None), "the e-mail address is taken"),
    ] {
        match house.accounts.import_users(&[good(), bad], NOW) {
            Err(AccountError::Import { row: 2, why: said }) => assert!(said.contains(why), "{said}"),
            other => panic!("{why}: {other:?}"),
        }
    }
    assert_eq!(house.store.count_users().unwrap(), 1);
    assert_eq!(house.accounts.import_users(&[], NOW).unwrap(), 0);
}
