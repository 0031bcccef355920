//! Tests of the table: what is put in is found by digest and by id, and identities are kept within a bound.

use std::collections::HashMap;

use portcullis_core::identity::Scheme;
use portcullis_core::port::User;
use proptest::prelude::*;

use super::super::people::People;
use super::*;

fn person() -> Arc<Person> {
    let people = People::new();
    let user = User {
        id: Id::fresh(1, 1),
        name: "alice".to_owned(),
        email: None,
        role: "free".to_owned(),
        active: true,
        created_ms: 0,
        last_login_ms: None,
        valid_from_ms: 0,
    };
    people.put(&user);
    people.find(user.id).unwrap()
}

fn digest(number: u32) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(number.to_le_bytes()).into()
}

fn id(number: u32) -> Id {
    Id::fresh(7, u128::from(number) * 0x9e37_79b9_7f4a_7c15)
}

fn entry(number: u32, expires_ms: i64, person: &Arc<Person>) -> New<u8> {
    let person = Arc::clone(person);
    New { id: id(number), digest: digest(number), person, expires_ms, used_ms: 0, extra: 0 }
}

const NOW: Use = Use { now_ms: 1_000_000, noted_ms: Some(60_000), rules: 0 };

fn made(table: &Table<u8>, number: u32, by: Use) -> Judgement {
    table.check(
        &digest(number),
        by,
        |_, _| None,
        |entry, standing| Identity {
            user: standing.name.clone(),
            credential: format!("{} {}", entry.id(), entry.expires_ms).into(),
            ..Identity::shared(Scheme::ApiKey, "")
        },
    )
}

fn identity(table: &Table<u8>, number: u32, by: Use) -> Arc<Identity> {
    match made(table, number, by) {
        Judgement::Proven(identity) => identity,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_is_small() {
    assert!(
        size_of::<Option<Entry<Option<Arc<u8>>>>>() <= 88,
        "{}",
        size_of::<Option<Entry<Option<Arc<u8>>>>>()
    );
}

#[test]
fn an_identity_is_made_once_and_again_when_what_it_rests_on_changed() {
    let (table, person) = (Table::new(6400), person());
    assert_eq!(table.put(entry(1, 5, &person)), Put::Added);
    let first = identity(&table, 1, NOW);
    assert!(Arc::ptr_eq(&first, &identity(&table, 1, NOW)), "nothing is made for the second check");
    assert_eq!(table.put(entry(1, 5, &person)), Put::Same);
    assert!(Arc::ptr_eq(&first, &identity(&table, 1, NOW)));
    assert_eq!(table.put(entry(1, 6, &person)), Put::Changed);
    let second = identity(&table, 1, NOW);
    assert!(second.credential.ends_with(" 6"), "{second:?}");
    assert!(!Arc::ptr_eq(&second, &identity(&table, 1, Use { rules: 1, ..NOW })), "other rules");
}

#[test]
fn what_was_taken_out_is_found_no_more() {
    let (table, person) = (Table::new(6400), person());
    for number in 0..5000 {
        table.put(entry(number, i64::from(number), &person));
        identity(&table, number, NOW);
    }
    assert_eq!(table.len(), 5000);
    assert!(table.remove(id(17)) && !table.remove(id(17)));
    assert_eq!(made(&table, 17, NOW), Judgement::Rejected);
    assert_eq!(table.digest_of(id(17)), None);
    assert_eq!(table.digest_of(id(18)), Some(digest(18)));
    assert_eq!(table.remove_where(|entry| entry.expires_ms < 1000), 999);
    assert_eq!(table.len(), 4000);
    // A place that became free is taken again, and shows nothing of who stood there.
    table.put(entry(9999, 1, &person));
    assert!(identity(&table, 9999, NOW).credential.starts_with(&id(9999).to_string()));
}

#[test]
fn identities_are_kept_within_their_bound_and_never_mixed_up() {
    let (table, person) = (Table::new(640), person());
    for number in 0..20_000 {
        table.put(entry(number, 9, &person));
    }
    for number in (0..20_000).chain((0..20_000).rev()) {
        assert_eq!(*identity(&table, number, NOW).credential, *format!("{} 9", id(number)));
    }
    let kept: usize = table.shards.iter().map(|shard| shard.read().kept.iter().flatten().count()).sum();
    assert!(kept <= 640, "{kept}");
}

#[test]
fn what_is_filled_in_is_found_like_what_is_put_in() {
    let (mut table, person) = (Table::new(6400), person());
    for number in 0..50_000 {
        table.fill(entry(number, 9, &person));
    }
    table.index();
    assert_eq!(table.len(), 50_000);
    for number in (0..50_000).step_by(7) {
        assert_eq!(table.digest_of(id(number)), Some(digest(number)));
        assert!(identity(&table, number, NOW).credential.starts_with(&id(number).to_string()));
    }
    assert_eq!(table.put(entry(7, 9, &person)), Put::Same);
    assert_eq!(table.put(entry(50_000, 9, &person)), Put::Added);
    assert!(table.remove(id(7)) && table.remove(id(50_000)));
    assert_eq!((made(&table, 7, NOW), table.len()), (Judgement::Rejected, 49_999));
}

#[test]
fn a_use_is_noted_once_a_minute() {
    let (table, person) = (Table::new(640), person());
    table.put(entry(1, 9, &person));
    for now_ms in (1_000_000..1_180_000).step_by(1000) {
        identity(&table, 1, Use { now_ms, ..NOW });
    }
    let noted = table.take_notes();
    assert_eq!(noted.iter().map(|(_, at_ms)| *at_ms).collect::<Vec<_>>(), [1_000_000, 1_060_000, 1_120_000]);
    assert!(noted.iter().all(|(noted, _)| *noted == id(1)));
    identity(&table, 1, Use { now_ms: 2_000_000, noted_ms: None, ..NOW });
    assert!(table.take_notes().is_empty(), "a look is no use");
}

proptest! {
    #[test]
    fn it_holds_what_a_plain_map_would(acts in prop::collection::vec((0..4_u8, 0..60_u32, 0..3_i64), 1..300)) {
        let (table, person) = (Table::new(128), person());
        let mut plain: HashMap<u32, i64> = HashMap::new();
        for (act, number, expires_ms) in acts {
            match act {
                0 | 1 => {
                    let expected = match plain.insert(number, expires_ms) {
                        None => Put::Added,
                        Some(before) if before == expires_ms => Put::Same,
                        Some(_) => Put::Changed,
                    };
                    prop_assert_eq!(table.put(entry(number, expires_ms, &person)), expected);
                }
                2 => prop_assert_eq!(table.remove(id(number)), plain.remove(&number).is_some()),
                _ => match (made(&table, number, NOW), plain.get(&number)) {
                    (Judgement::Proven(identity), Some(expires_ms)) => {
                        prop_assert_eq!(&*identity.credential, &*format!("{} {expires_ms}", id(number)));
                    }
                    (Judgement::Rejected, None) => {}
                    other => prop_assert!(false, "{:?}", other),
                },
            }
            prop_assert_eq!(table.len(), plain.len());
        }
        for number in 0..60 {
            prop_assert_eq!(table.digest_of(id(number)).is_some(), plain.contains_key(&number));
        }
    }
}
