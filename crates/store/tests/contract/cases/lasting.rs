//! That it is there: at once for others, and after an end.

use portcullis_core::port::{Store, UserChange};

use crate::ground::*;

pub fn it_answers_and_says_what_it_is(ground: &Ground) {
    ground.store().ping().unwrap();
    let about = ground.store().describe();
    assert!(about.starts_with("SQLite 3.") || about.starts_with("PostgreSQL 1"), "{about}");
    assert!(!about.contains('/') && !about.contains('@'), "neither an address nor a path: {about}");
}

pub fn another_process_sees_what_was_done_at_once(ground: &Ground) {
    let (one, two) = (ground.store(), ground.again());
    for at in 0..20 {
        let name = format!("u{at}");
        let id = user(one, &name);
        assert_eq!(two.account_by_name(&name).unwrap().unwrap().user.id, id);
        two.change_user(id, &UserChange::Role("admin".to_owned())).unwrap();
        assert_eq!(one.account(id).unwrap().unwrap().user.role, "admin");
        assert_eq!(one.last_change().unwrap(), two.last_change().unwrap());
    }
}

pub fn what_was_done_is_there_after_it_was_closed(ground: &Ground) {
    // The case takes a store of its own, as it closes it.
    let own = if ground.lasts() { ground.sibling() } else { return still_there(ground) };
    let ada = user(own.store(), "ada");
    let (one, last) = (key(own.store(), ada), own.store().last_change().unwrap());
    let own = own.reopen();
    assert_eq!(own.store().account(ada).unwrap().unwrap().user.name, "ada");
    assert_eq!(own.store().key(one.id).unwrap(), Some(one));
    assert_eq!(own.store().last_change().unwrap(), last);
    own.store().delete_user(ada).unwrap();
    assert!(own.reopen().store().account(ada).unwrap().is_none());
}

/// Memory ends with the store, and only with it.
fn still_there(ground: &Ground) {
    let ada = user(ground.store(), "ada");
    assert!(ground.again().account(ada).unwrap().is_some());
    assert!(memory().store().account(ada).unwrap().is_none());
}

pub fn the_store_can_be_used_while_everything_is_read(ground: &Ground) {
    let store: &dyn Store = ground.store();
    let users: Vec<_> = (0..50).map(|at| new_user(&format!("u{at}"))).collect();
    store.create_users(&users).unwrap();
    let mut seen = 0;
    store
        .each_user(&mut |user| {
            assert_eq!(store.account(user.id).unwrap().unwrap().user, user);
            store.change_user(user.id, &UserChange::LoggedIn(NOW)).unwrap();
            seen += 1;
        })
        .unwrap();
    assert_eq!(seen, 50);
}
