//! What is done to a chain is found, and the first record of it named.
#![expect(clippy::cast_possible_wrap, reason = "numbers of a few records")]

use proptest::prelude::*;

use super::*;

fn record(number: i64) -> AuditRecord {
    AuditRecord {
        at_ms: 1_790_000_000_000 + number,
        event: AuditRecord::REQUEST.into(),
        request_id: format!("request-{number}"),
        method: "GET".to_owned(),
        endpoint: "/work".to_owned(),
        status: 200,
        ..AuditRecord::default()
    }
}

fn chain(records: impl IntoIterator<Item = AuditRecord>) -> (Vec<Link>, Ends) {
    let mut links: Vec<Link> = Vec::new();
    for record in records {
        let at = links.last().map_or(Mark::BEGINNING, Link::mark);
        links.push(at.next(record));
    }
    let head = links.last().map_or(Mark::BEGINNING, Link::mark);
    (links, Ends { cut: Mark::BEGINNING, head })
}

fn verify(links: &[Link], ends: Ends) -> Result<Proof, Flaw> {
    walked(Verifier::new(ends), links).finish(ends)
}

fn walked(mut verifier: Verifier, links: &[Link]) -> Verifier {
    for link in links {
        verifier.take(link);
    }
    verifier
}

#[test]
fn a_whole_chain_is_proven() {
    let (links, ends) = chain((1..=5).map(record));
    assert_eq!(verify(&links, ends), Ok(Proof { records: 5, ends }));
    let none = Ends { cut: Mark::BEGINNING, head: Mark::BEGINNING };
    assert_eq!(verify(&[], none), Ok(Proof { records: 0, ends: none }));
}

/// Each field, changed in the middle of a chain.
#[test]
fn every_field_is_protected() {
    let changes: [fn(&mut AuditRecord); 18] = [
        |it| it.at_ms += 1,
        |it| it.event = "other".into(),
        |it| it.request_id.push('x'),
        |it| it.user = Some(String::new()),
        |it| it.user_id = Some(Id::from_octets([0; 16])),
        |it| it.ip = Some("192.0.2.1".to_owned()),
        |it| it.method = "PUT".to_owned(),
        |it| it.endpoint.push('/'),
        |it| it.query = Some(String::new()),
        |it| it.route.push('x'),
        |it| it.user_agent = Some(String::new()),
        |it| it.device = Some(String::new()),
        |it| it.request_data = Some(String::new()),
        |it| it.status = 201,
        |it| it.duration_us += 1,
        |it| it.success = Some(false),
        |it| it.reason.push('x'),
        |it| it.details.push('x'),
    ];
    let (whole, ends) = chain((1..=5).map(record));
    for (index, change) in changes.iter().enumerate() {
        let mut links = whole.clone();
        change(&mut links[2].record);
        assert_eq!(verify(&links, ends), Err(Flaw::Altered { number: 3 }), "change {index}");
        // Whoever writes the hash anew, too, is found by the record behind.
        links[2] = Mark { number: 2, hash: links[1].hash }.next(links[2].record.clone());
        assert_eq!(verify(&links, ends), Err(Flaw::Detached { number: 4 }), "change {index}, written anew");
    }
}

#[test]
fn a_text_that_moves_from_one_field_to_the_next_is_another_record() {
    let one = AuditRecord { method: "GET".to_owned(), endpoint: "/a".to_owned(), ..record(1) };
    let two = AuditRecord { method: "GET/".to_owned(), endpoint: "a".to_owned(), ..record(1) };
    assert_ne!(Mark::BEGINNING.next(one).hash, Mark::BEGINNING.next(two).hash);
}

#[test]
fn an_end_that_was_cut_off_or_grew_is_found() {
    let (mut links, ends) = chain((1..=5).map(record));
    assert_eq!(verify(&links[..3], ends), Err(Flaw::Missing { from: 4, to: 5 }));
    assert_eq!(verify(&[], ends), Err(Flaw::Missing { from: 1, to: 5 }));
    links.push(links[4].mark().next(record(6)));
    assert_eq!(verify(&links, ends), Err(Flaw::PutIn { number: 6 }));
}

#[test]
fn a_chain_that_grows_while_it_is_walked_is_whole() {
    let (links, after) = chain((1..=5).map(record));
    let verifier = walked(Verifier::new(Ends { head: links[2].mark(), ..after }), &links);
    assert_eq!(verifier.finish(after).unwrap().ends.head.number, 5);
}

#[test]
fn a_beginning_that_was_removed_needs_a_record_of_that() {
    let cut = chain((1..=3).map(record)).1.head;
    let removal = AuditRecord::pruned(cut, 0);
    let (links, whole) = chain((1..=5).map(record).chain([removal, record(7)]));
    let ends = Ends { cut, ..whole };
    assert_eq!(verify(&links[3..], ends), Ok(Proof { records: 4, ends }));
    // One more went with them.
    let further = Ends { cut: links[3].mark(), ..whole };
    assert_eq!(verify(&links[4..], further), Err(Flaw::Cut { number: 4 }));
    assert_eq!(verify(&links[4..], ends), Err(Flaw::Missing { from: 4, to: 4 }));
    // Of several removals the last one counts.
    let second = AuditRecord::pruned(links[4].mark(), 0);
    let (links, whole) = chain((1..=5).map(record).chain([AuditRecord::pruned(cut, 0), second]));
    assert!(verify(&links[5..], Ends { cut: links[4].mark(), ..whole }).is_ok());
    assert_eq!(verify(&links[3..], Ends { cut, ..whole }), Err(Flaw::Cut { number: 3 }));
}

/// Somebody writes a whole chain anew, with everything in it right.
#[test]
fn a_mark_that_was_noted_finds_what_the_chain_alone_cannot() {
    let (links, ends) = chain((1..=5).map(record));
    let forged = (1..=5).map(|at| AuditRecord { status: if at == 2 { 500 } else { 200 }, ..record(at) });
    let (forged, forged_ends) = chain(forged);
    assert!(verify(&forged, forged_ends).is_ok());
    let expecting = |mark: Mark, links: &[Link], ends: Ends| {
        walked(Verifier::new(ends).expecting(mark), links).finish(ends).map(|proof| proof.records)
    };
    assert_eq!(expecting(links[3].mark(), &links, ends), Ok(5));
    assert_eq!(expecting(links[3].mark(), &forged, forged_ends), Err(Flaw::Unexpected { number: 4 }));
    let short = Ends { head: links[2].mark(), ..ends };
    assert_eq!(expecting(links[3].mark(), &links[..3], short), Err(Flaw::Missing { from: 4, to: 4 }));
}

#[test]
fn a_mark_reads_back() {
    let mark = chain((1..=3).map(record)).1.head;
    assert_eq!(mark.to_string().parse(), Ok(mark));
    for text in ["", "3", "3:", "x:00", "-1:", &mark.to_string()[1..], &format!("{mark}0"), "3:+f"] {
        assert_eq!(text.parse::<Mark>(), Err(NotAMark), "{text}");
    }
}

/// What somebody does to a chain.
#[derive(Debug, Clone)]
enum Deed {
    Change(usize),
    Rewrite(usize),
    Remove(usize),
    Swap(usize, usize),
    SwapContents(usize, usize),
    Repeat(usize, usize),
    PutIn(usize),
}

fn deed(length: usize) -> impl Strategy<Value = Deed> {
    let at = 0..length;
    prop_oneof![
        at.clone().prop_map(Deed::Change),
        at.clone().prop_map(Deed::Rewrite),
        at.clone().prop_map(Deed::Remove),
        (at.clone(), at.clone()).prop_map(|(one, two)| Deed::Swap(one, two)),
        (at.clone(), at.clone()).prop_map(|(one, two)| Deed::SwapContents(one, two)),
        (at.clone(), at.clone()).prop_map(|(one, two)| Deed::Repeat(one, two)),
        at.prop_map(Deed::PutIn),
    ]
}

proptest! {
    #[test]
    fn whatever_is_done_is_found_where_it_begins(
        (length, deed) in (2_usize..20).prop_flat_map(|length| (Just(length), deed(length)))
    ) {
        let (mut links, ends) = chain((1..=length as i64).map(record));
        // The index of the first record that is not as it was.
        let first = match deed {
            Deed::Change(at) => { links[at].record.status = 500; at }
            Deed::Rewrite(at) => {
                let before = if at == 0 { Mark::BEGINNING } else { links[at - 1].mark() };
                links[at] = before.next(AuditRecord { status: 500, ..links[at].record.clone() });
                // It shows at the one behind it; for the last, at itself.
                (at + 1).min(length - 1)
            }
            Deed::Remove(at) => { links.remove(at); at }
            Deed::Swap(one, two) if one != two => { links.swap(one, two); one.min(two) }
            Deed::SwapContents(one, two) if one != two => {
                let (a, b) = (links[one].record.clone(), links[two].record.clone());
                (links[one].record, links[two].record) = (b, a);
                one.min(two)
            }
            // The same again is the first of two, so that it shows behind it.
            Deed::Repeat(at, from) if from != at => { let link = links[from].clone(); links.insert(at, link); at }
            Deed::PutIn(at) => {
                let before = if at == 0 { Mark::BEGINNING } else { links[at - 1].mark() };
                links.insert(at, before.next(record(99)));
                at + 1
            }
            _ => return Ok(()),
        };
        let flaw = verify(&links, ends).unwrap_err();
        let named = flaw.number();
        let shown = match (&deed, flaw) {
            // Named by what stands there now.
            (Deed::Swap(one, two), _) => (*one.min(two) as i64 + 1) == named,
            (Deed::Repeat(at, from), Flaw::Misplaced { number, after }) => {
                number == *from as i64 + 1 && after == *at as i64
            }
            (Deed::Repeat(at, _), _) => named == *at as i64 + 1,
            (Deed::PutIn(at), Flaw::Misplaced { number, .. }) => number == *at as i64 + 1,
            // Where the last one should stand, it is not what the store knows as its last one.
            (Deed::PutIn(at), _) => *at == length - 1 && named == length as i64,
            _ => named == first as i64 + 1,
        };
        prop_assert!(shown, "{:?}: {}", deed, flaw);
    }
}
