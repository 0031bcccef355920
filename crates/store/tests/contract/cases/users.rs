//! Users and what they prove themselves by.

use portcullis_core::Secret;
use portcullis_core::port::{Account, NewUser, Store, StoreError, Totp, User, UserChange, UserField};

use crate::ground::*;

fn account(store: &dyn Store, id: portcullis_core::Id) -> Account {
    store.account(id).unwrap().unwrap()
}

fn totp(last_step: i64, recovery: Vec<[u8; 32]>) -> Totp {
    Totp { secret: Secret::new(b"a second factor of 20 b".to_vec()), confirmed: true, last_step, recovery }
}

fn refused(store: &dyn Store, users: &[NewUser]) -> UserField {
    match store.create_users(users) {
        Err(StoreError::Taken(field)) => field,
        other => panic!("{other:?}"),
    }
}

pub fn a_user_reads_back_whole(ground: &Ground) {
    let store = ground.store();
    let mut ada = new_user("Ada.Lovelace");
    ada.user.role = "admin".into();
    ada.user.last_login_ms = Some(NOW + 1);
    ada.user.valid_from_ms = NOW + 2;
    let mut nobody = new_user("nobody");
    nobody.user.email = None;
    nobody.user.active = false;
    nobody.password = None;
    store.create_users(&[ada.clone(), nobody.clone()]).unwrap();
    for new in [&ada, &nobody] {
        let found = account(store, new.user.id);
        assert_eq!(found.user, new.user);
        assert_eq!(found.password, new.password);
        assert!(found.totp.is_none());
        for name in [new.user.name.clone(), new.user.name.to_uppercase(), new.user.name.to_lowercase()] {
            assert_eq!(store.account_by_name(&name).unwrap().unwrap().user, new.user, "{name}");
        }
    }
    assert!(store.account(id()).unwrap().is_none());
    for name in ["Ada", "Ada.Lovelac", "Ada.Lovelace ", "Ada%", "", "ada_lovelace"] {
        assert!(store.account_by_name(name).unwrap().is_none(), "{name}");
    }
    assert_eq!(store.count_users().unwrap(), 2);
}

pub fn names_and_addresses_are_unique_whatever_their_case(ground: &Ground) {
    let store = ground.store();
    user(store, "Ada");
    let mut other = new_user("aDA");
    other.user.email = None;
    assert_eq!(refused(store, &[other]), UserField::Name);
    let mut other = new_user("eve");
    other.user.email = Some("ADA@Example.COM".to_owned());
    assert_eq!(refused(store, &[other]), UserField::Email);
    assert_eq!(refused(store, &[new_user("ADA")]), UserField::Name, "where both are taken");
    // Of ASCII letters only: what else is one letter is for others to decide.
    user(store, "Élodie");
    user(store, "élodie");
    // Nobody's address is like nobody's.
    for name in ["x", "y"] {
        let mut other = new_user(name);
        other.user.email = None;
        store.create_users(&[other]).unwrap();
    }
    assert_eq!(store.count_users().unwrap(), 5);
}

pub fn many_are_made_or_none(ground: &Ground) {
    let store = ground.store();
    let many: Vec<_> = (0..1000).map(|at| new_user(&format!("user-{at}"))).collect();
    store.create_users(&many).unwrap();
    assert_eq!(store.count_users().unwrap(), 1000);
    let mut more: Vec<_> = (1000..1700).map(|at| new_user(&format!("user-{at}"))).collect();
    more.push(NewUser { user: User { email: None, ..new_user("USER-7").user }, password: None });
    more.push(new_user("another"));
    assert_eq!(refused(store, &more), UserField::Name);
    more.truncate(700);
    more[699].user.email = Some("user-1200@example.com".to_owned());
    assert_eq!(refused(store, &more), UserField::Email, "taken by another of the same act");
    assert_eq!(store.count_users().unwrap(), 1000);
    assert!(store.account_by_name("user-1000").unwrap().is_none());
    store.create_users(&[]).unwrap();
}

pub fn lists_go_by_name_byte_by_byte(ground: &Ground) {
    let store = ground.store();
    // An order that a language's collation would change.
    let names = ["A-b", "a_c", "ab", "aB2", "B", "é", "Z", "z1", "~", "a b", "日本"];
    for name in names {
        user(store, name);
    }
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.sort_by_key(|name| name.to_ascii_lowercase());
    let named = |users: Vec<User>| users.into_iter().map(|user| user.name).collect::<Vec<_>>();
    assert_eq!(named(store.users(None, 100).unwrap()), expected);
    let mut paged = Vec::new();
    loop {
        let page = named(store.users(paged.last().map(String::as_str), 3).unwrap());
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        paged.extend(page);
    }
    assert_eq!(paged, expected);
    assert_eq!(named(store.users(Some("A"), 2).unwrap()), ["a b", "A-b"], "`after` need not be a user");
    assert_eq!(store.users(None, 0).unwrap(), []);
}

pub fn every_user_is_handed_over(ground: &Ground) {
    let store = ground.store();
    let mut expected: Vec<User> = (0..300).map(|at| new_user(&format!("u{at}")).user).collect();
    let new = |user: &User| NewUser { user: user.clone(), password: None };
    store.create_users(&expected.iter().map(new).collect::<Vec<_>>()).unwrap();
    let mut found = Vec::new();
    store.each_user(&mut |user| found.push(user)).unwrap();
    found.sort_by_key(|user| user.id);
    expected.sort_by_key(|user| user.id);
    assert_eq!(found, expected);
}

pub fn a_change_changes_what_it_says(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let eve = user(store, "eve");
    let mut expected = account(store, ada).user;
    let mut check = |change: UserChange, edit: &dyn Fn(&mut User)| {
        store.change_user(ada, &change).unwrap();
        edit(&mut expected);
        assert_eq!(account(store, ada).user, expected, "{change:?}");
    };
    check(UserChange::Role("premium".to_owned()), &|user| user.role = "premium".into());
    check(UserChange::Active(false), &|user| user.active = false);
    check(UserChange::Active(true), &|user| user.active = true);
    check(UserChange::Email(Some("A@b.c".to_owned())), &|user| user.email = Some("A@b.c".to_owned()));
    check(UserChange::Email(Some("a@B.c".to_owned())), &|user| user.email = Some("a@B.c".to_owned()));
    check(UserChange::Email(None), &|user| user.email = None);
    check(UserChange::LoggedIn(NOW + 5), &|user| user.last_login_ms = Some(NOW + 5));
    check(UserChange::ValidFrom(NOW + 6), &|user| user.valid_from_ms = NOW + 6);
    let password = UserChange::Password { hash: "another".to_owned(), valid_from_ms: NOW + 7 };
    check(password, &|user| user.valid_from_ms = NOW + 7);
    assert_eq!(account(store, ada).password.as_deref(), Some("another"));
    let taken = store.change_user(ada, &UserChange::Email(Some("EVE@example.com".to_owned())));
    assert!(matches!(taken, Err(StoreError::Taken(UserField::Email))), "{taken:?}");
    assert_eq!(account(store, ada).user.email, None);
    assert_eq!(account(store, eve).user.role, "free", "nobody else changed");
    assert_eq!(account(store, eve).password.as_deref(), Some("$argon2id$of eve"));
}

pub fn a_change_of_nobody_is_missing(ground: &Ground) {
    let store = ground.store();
    let changes = [
        UserChange::Role("admin".to_owned()),
        UserChange::Active(true),
        UserChange::Email(None),
        UserChange::Password { hash: String::new(), valid_from_ms: 0 },
        UserChange::Rehash { from: String::new(), to: String::new() },
        UserChange::ValidFrom(0),
        UserChange::LoggedIn(0),
        UserChange::Totp(None),
        UserChange::Totp(Some(totp(0, Vec::new()))),
    ];
    for change in changes {
        let missing = store.change_user(id(), &change);
        assert!(matches!(missing, Err(StoreError::Missing("user"))), "{change:?}: {missing:?}");
    }
    assert!(!store.take_totp_step(id(), 1).unwrap());
    assert!(!store.take_recovery_code(id(), &digest()).unwrap());
}

pub fn an_end_of_tokens_never_moves_back(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    store.change_user(ada, &UserChange::ValidFrom(NOW)).unwrap();
    store.change_user(ada, &UserChange::ValidFrom(NOW - 1)).unwrap();
    assert_eq!(account(store, ada).user.valid_from_ms, NOW);
    let older = UserChange::Password { hash: "new".to_owned(), valid_from_ms: NOW - 2 };
    store.change_user(ada, &older).unwrap();
    assert_eq!(account(store, ada).user.valid_from_ms, NOW);
    assert_eq!(account(store, ada).password.as_deref(), Some("new"));
}

pub fn a_hash_is_replaced_only_where_it_is_still_the_one(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    let rehash = |from: &str, to: &str| {
        let change = UserChange::Rehash { from: from.to_owned(), to: to.to_owned() };
        store.change_user(ada, &change).unwrap();
        account(store, ada).password.unwrap()
    };
    assert_eq!(rehash("$argon2id$of ada", "second"), "second");
    assert_eq!(rehash("$argon2id$of ada", "third"), "second", "it was changed since");
    assert_eq!(account(store, ada).user.valid_from_ms, 0, "it ends nothing");
}

pub fn a_second_factor_is_kept_and_removed(ground: &Ground) {
    let store = ground.store();
    let (ada, eve) = (user(store, "ada"), user(store, "eve"));
    let codes = vec![digest(), digest()];
    let mut factor = totp(41, codes.clone());
    factor.confirmed = false;
    store.change_user(ada, &UserChange::Totp(Some(factor))).unwrap();
    let kept = account(store, ada).totp.unwrap();
    assert_eq!(kept.secret, Secret::from("a second factor of 20 b"));
    assert_eq!((kept.confirmed, kept.last_step, kept.recovery), (false, 41, codes));
    let by_name = store.account_by_name("ADA").unwrap().unwrap().totp.unwrap();
    assert_eq!(by_name.secret, kept.secret);
    assert!(account(store, eve).totp.is_none());
    store.change_user(ada, &UserChange::Totp(Some(totp(42, Vec::new())))).unwrap();
    let kept = account(store, ada).totp.unwrap();
    assert_eq!((kept.confirmed, kept.last_step, kept.recovery), (true, 42, Vec::new()));
    store.change_user(ada, &UserChange::Totp(None)).unwrap();
    assert!(account(store, ada).totp.is_none());
    assert!(!store.take_totp_step(ada, 43).unwrap(), "there is none to take a step of");
}

pub fn a_step_is_taken_once_and_only_forward(ground: &Ground) {
    let store = ground.store();
    let ada = user(store, "ada");
    store.change_user(ada, &UserChange::Totp(Some(totp(10, Vec::new())))).unwrap();
    assert!(!store.take_totp_step(ada, 9).unwrap());
    assert!(!store.take_totp_step(ada, 10).unwrap());
    assert!(store.take_totp_step(ada, 12).unwrap());
    assert!(!store.take_totp_step(ada, 12).unwrap());
    assert!(!store.take_totp_step(ada, 11).unwrap());
    assert!(store.take_totp_step(ada, 13).unwrap());
    assert_eq!(account(store, ada).totp.unwrap().last_step, 13);
}

pub fn a_recovery_code_is_taken_once(ground: &Ground) {
    let store = ground.store();
    let (ada, eve) = (user(store, "ada"), user(store, "eve"));
    let codes = vec![digest(), digest(), digest()];
    store.change_user(ada, &UserChange::Totp(Some(totp(0, codes.clone())))).unwrap();
    store.change_user(eve, &UserChange::Totp(Some(totp(0, vec![digest()])))).unwrap();
    assert!(!store.take_recovery_code(ada, &digest()).unwrap());
    assert!(!store.take_recovery_code(eve, &codes[1]).unwrap(), "it is another's");
    assert!(store.take_recovery_code(ada, &codes[1]).unwrap());
    assert!(!store.take_recovery_code(ada, &codes[1]).unwrap());
    assert_eq!(account(store, ada).totp.unwrap().recovery, [codes[0], codes[2]]);
    assert!(store.take_recovery_code(ada, &codes[0]).unwrap());
    assert!(store.take_recovery_code(ada, &codes[2]).unwrap());
    assert_eq!(account(store, ada).totp.unwrap().recovery, [[0; 32]; 0]);
}

pub fn who_is_deleted_leaves_nothing(ground: &Ground) {
    let store = ground.store();
    let everything = |name: &str| {
        let user = user(store, name);
        let (key, device) = (key(store, user), device(store, user));
        let (session, family) = (session(store, user), family(store, user));
        (user, key.id, device, session.id, family.id, attempt(store, user).digest)
    };
    let ada = everything("ada");
    let eve = everything("eve");
    store.delete_user(ada.0).unwrap();
    for ((user, key, device, session, family, attempt), there) in [(ada, false), (eve, true)] {
        assert_eq!(store.account(user).unwrap().is_some(), there);
        assert_eq!(store.key(key).unwrap().is_some(), there);
        assert_eq!(store.device(device).unwrap().is_some(), there);
        assert_eq!(store.session(session).unwrap().is_some(), there);
        assert_eq!(store.family(family).unwrap().is_some(), there);
        assert_eq!(store.attempt(&attempt, NOW).unwrap().is_some(), there);
    }
    assert!(matches!(store.delete_user(ada.0), Err(StoreError::Missing("user"))));
    user(store, "ada");
}

pub fn odd_texts_are_kept_as_they_are(ground: &Ground) {
    let store = ground.store();
    let long = "long ".repeat(20_000);
    let texts = ["Robert'); DROP TABLE users;--", "?1 $1 {lock}", "a\\b\"c", "😀 ZWJ👩‍🚀", "\u{1}\n\t", &long];
    for (at, text) in texts.iter().enumerate() {
        // An index takes names of a few thousand bytes; no account has one.
        let name = if text.len() > 1000 { "long" } else { text };
        let mut new = new_user(name);
        new.user.email = Some(format!("{at}@x"));
        new.user.role = (*text).into();
        store.create_users(std::slice::from_ref(&new)).unwrap();
        assert_eq!(store.account_by_name(name).unwrap().unwrap().user, new.user);
    }
    assert_eq!(store.count_users().unwrap(), 6);
}

pub fn a_zero_byte_is_refused_and_found_by_nobody(ground: &Ground) {
    let store = ground.store();
    user(store, "ada");
    user(store, "bob");
    let refused = store.create_users(&[new_user("ada\0")]);
    assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    assert_eq!(store.count_users().unwrap(), 2);
    assert!(store.account_by_name("ada\0").unwrap().is_none());
    let after = store.users(Some("ada\0z"), 10).unwrap();
    assert_eq!(after.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["bob"]);
}
