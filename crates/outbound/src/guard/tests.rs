//! The guard with a resolver that says what a test says, over the tables of hostile and of benign forms.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use portcullis_core::address::Kind;
use portcullis_core::denial::UrlFault;

use super::*;
use crate::resolver::Lookup;
use crate::rules::Ports;

const HOSTILE: &str = include_str!("../../forms/hostile.txt");
const BENIGN: &str = include_str!("../../forms/benign.txt");

/// Says what the table says, and of every other name a public address of each family.
#[derive(Debug, Default)]
struct Names {
    known: HashMap<String, Result<Vec<IpAddr>, LookupError>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    fn with(name: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Self { known: HashMap::from([(name.to_owned(), Ok(addresses))]), ..Self::default() }
    }
}

impl Resolver for Names {
    fn lookup<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        self.asked.lock().unwrap().push(name.to_owned());
        let public = || Ok(vec!["93.184.216.34".parse().unwrap(), "2606:2800:220:1::1".parse().unwrap()]);
        let answer = self.known.get(name).cloned().unwrap_or_else(public);
        Box::pin(async move { answer })
    }
}

#[derive(Debug)]
struct Silent;

impl Resolver for Silent {
    fn lookup<'a>(&'a self, _: &'a str) -> Lookup<'a> {
        Box::pin(std::future::pending())
    }
}

fn guard(rules: Rules, names: Names) -> Guard {
    Guard::new(rules, Arc::new(names), Duration::from_millis(50))
}

/// The lines of a table: the URL, and what the name server says of its name.
fn lines(table: &str) -> Vec<(String, Option<&str>)> {
    let lines = table.lines().filter(|line| line.starts_with('"'));
    let parted =
        lines.map(|line| line.rsplit_once(" => ").map_or((line, None), |(url, said)| (url, Some(said))));
    parted.map(|(url, said)| (unquoted(url), said)).collect()
}

/// What a JSON string says; the tables hold no other escapes.
fn unquoted(text: &str) -> String {
    let mut units = Vec::new();
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
            continue;
        }
        units.push(match rest.next().unwrap() {
            'n' => 10,
            'r' => 13,
            't' => 9,
            'f' => 12,
            'u' => u16::from_str_radix(&rest.by_ref().take(4).collect::<String>(), 16).unwrap(),
            plain => plain as u16,
        });
    }
    String::from_utf16(&units).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn checked(guard: &Guard, url: &str) -> Result<Checked, Refusal> {
    block_on(guard.check(url))
}

#[test]
fn every_hostile_form_is_refused() {
    let hostile = lines(HOSTILE);
    assert!(hostile.len() >= 400, "{}", hostile.len());
    let mut names = Names::default();
    for (url, said) in &hostile {
        let Some(said) = said else { continue };
        let answer = match *said {
            "-" => Err(LookupError::NoSuchName),
            said => Ok(said.split(',').map(|address| address.parse().unwrap()).collect()),
        };
        names.known.insert(Target::parse(url).unwrap().host(), answer);
    }
    let guard = guard(Rules::default(), names);
    let taken: Vec<_> = hostile.iter().filter(|(url, _)| checked(&guard, url).is_ok()).collect();
    assert!(taken.is_empty(), "{taken:#?}");
}

#[test]
fn every_benign_form_is_taken_with_the_addresses_that_were_judged() {
    let benign = lines(BENIGN);
    assert!(benign.len() >= 100, "{}", benign.len());
    let guard = guard(Rules::default(), Names::default());
    for (url, _) in &benign {
        let checked = checked(&guard, url).unwrap_or_else(|refusal| panic!("{url:?}: {refusal}"));
        assert!(!checked.addresses().is_empty());
        assert!(checked.addresses().iter().all(|address| address::is_public(address.ip())), "{checked:?}");
    }
}

#[test]
fn one_address_that_is_not_public_is_enough() {
    let of = |addresses: &[&str]| {
        checked(&guard(Rules::default(), Names::with("a.example", addresses)), "http://a.example")
    };
    assert!(of(&["93.184.216.34", "2606:4700::1"]).is_ok());
    for addresses in
        [&["93.184.216.34", "127.0.0.1"][..], &["127.0.0.1", "93.184.216.34"], &["2606:4700::1", "::1"]]
    {
        let Err(Refusal::NotPublic(special)) = of(addresses) else { panic!("{addresses:?}") };
        assert_eq!(special.kind, Kind::Loopback);
    }
    assert_eq!(of(&[]), Err(Refusal::Unresolved(LookupError::NoSuchName)));
    assert_eq!(of(&["8.8.8.8"; 65]), Err(Refusal::Unresolved(LookupError::NoSuchName)));
}

#[test]
fn what_cannot_be_resolved_is_refused() {
    let mut names = Names::default();
    names.known.insert("a.example".to_owned(), Err(LookupError::Unavailable));
    let refusal = checked(&guard(Rules::default(), names), "http://a.example/").unwrap_err();
    assert_eq!(refusal, Refusal::Unresolved(LookupError::Unavailable));
    assert_eq!(refusal.fault(), UrlFault::Unresolved);
    let silent = Guard::new(Rules::default(), Arc::new(Silent), Duration::from_millis(20));
    assert_eq!(checked(&silent, "http://a.example/"), Err(Refusal::Unresolved(LookupError::TimedOut)));
}

#[test]
fn names_that_are_refused_are_not_asked_for() {
    let names = Arc::new(Names::default());
    let guard = Guard::new(Rules::default(), Arc::<Names>::clone(&names), Duration::from_secs(1));
    for url in [
        "http://db.internal/",
        "http://localhost/",
        "http://metadata/",
        "http://a.example:22/",
        "http://user@a.example/",
    ] {
        assert!(checked(&guard, url).is_err());
    }
    assert!(names.asked.lock().unwrap().is_empty());
    assert!(checked(&guard, "http://A.Example/").is_ok());
    assert_eq!(*names.asked.lock().unwrap(), ["a.example"]);
}

#[test]
fn rules_name_what_else_is_called_and_what_is_not() {
    let place = |text: &str| text.parse().unwrap();
    let rules = Rules {
        allow: vec![place("10.1.0.0/16"), place("hooks.internal"), place("*.svc.local")],
        deny: vec![
            place("10.1.9.0/24"),
            place("evil.example"),
            place("*.evil.example"),
            place("93.184.216.0/24"),
        ],
        ports: Ports::new(vec![80..=80, 9000..=9999]),
    };
    let mut names = Names::with("hooks.internal", &["192.168.5.5"]);
    names.known.insert("a.svc.local".to_owned(), Ok(vec!["10.1.9.1".parse().unwrap()]));
    names.known.insert("b.example".to_owned(), Ok(vec!["10.1.2.3".parse().unwrap()]));
    names
        .known
        .insert("c.example".to_owned(), Ok(vec!["10.1.2.3".parse().unwrap(), "10.2.0.1".parse().unwrap()]));
    names.known.insert("evil.example".to_owned(), Ok(vec!["8.8.8.8".parse().unwrap()]));
    let guard = guard(rules, names);
    for url in ["http://10.1.2.3/", "http://hooks.internal:9000/", "http://b.example", "http://8.8.8.8"] {
        assert!(checked(&guard, url).is_ok(), "{url}");
    }
    let refused = |url: &str| checked(&guard, url).unwrap_err();
    assert_eq!(refused("http://10.1.9.1/"), Refusal::Denied);
    assert_eq!(
        refused("http://a.svc.local/"),
        Refusal::Denied,
        "what is denied is denied under an allowed name, too"
    );
    assert_eq!(refused("http://evil.example/"), Refusal::Denied);
    assert_eq!(refused("http://x.evil.example/"), Refusal::Denied);
    assert_eq!(refused("http://d.example/"), Refusal::Denied, "by its address");
    assert_eq!(refused("http://[64:ff9b::93.184.216.7]/"), Refusal::Denied, "by way of a translator");
    assert_eq!(refused("http://[::ffff:93.184.216.7]/"), Refusal::Denied);
    assert_eq!(refused("http://8.8.8.8:443/"), Refusal::Port(443));
    assert!(matches!(refused("http://c.example/"), Refusal::NotPublic(_)));
    assert!(matches!(refused("http://10.2.0.1/"), Refusal::NotPublic(_)));
    assert!(matches!(refused("http://svc.local/"), Refusal::LocalName(_)));
    assert!(
        matches!(refused("http://0x0a010203/"), Refusal::NotPublic(_)),
        "allowed, and misread all the same"
    );
}

#[test]
fn a_refusal_tells_the_sort_and_no_address() {
    let guard = guard(Rules::default(), Names::with("a.example", &["10.9.8.7"]));
    let fault = |url: &str| checked(&guard, url).unwrap_err().fault();
    assert_eq!(fault("http://a.example/"), UrlFault::PrivateNetwork);
    assert_eq!(fault("http://172.16.0.1/"), UrlFault::PrivateNetwork);
    assert_eq!(fault("http://192.168.0.1/"), UrlFault::Refused);
    assert_eq!(fault("http://localhost/"), UrlFault::Refused);
    assert_eq!(fault("ftp://example.com/"), UrlFault::Scheme);
    assert_eq!(fault("example.com"), UrlFault::Invalid);
    let why = block_on(UrlGuard::check(&guard, "http://a.example/")).unwrap_err().why;
    assert_eq!(why, "an address that is not public (private)");
}

/// A name that means something else a moment later changes nothing: the connection goes where it was judged to.
#[test]
fn a_connection_goes_to_the_addresses_that_were_judged() {
    #[derive(Debug)]
    struct Rebinding(Mutex<u16>);
    impl Resolver for Rebinding {
        fn lookup<'a>(&'a self, _: &'a str) -> Lookup<'a> {
            *self.0.lock().unwrap() += 1;
            let answer = if *self.0.lock().unwrap() == 1 { "127.0.0.2" } else { "127.0.0.1" };
            Box::pin(async move { Ok(vec![answer.parse().unwrap()]) })
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let rules = Rules {
            allow: vec!["127.0.0.2".parse().unwrap()],
            ports: Ports::new(vec![port..=port]),
            ..Rules::default()
        };
        let guard = Guard::new(rules, Arc::new(Rebinding(Mutex::new(0))), Duration::from_secs(1));
        let url = format!("http://rebinding.example:{port}/");
        let checked = guard.check(&url).await.unwrap();
        // Now it means this machine.
        assert!(matches!(guard.check(&url).await, Err(Refusal::NotPublic(_))));
        let stream = checked.connect().await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        assert_eq!(checked.addresses(), [listener.local_addr().unwrap()]);
    });
}

#[test]
fn a_guard_judges_without_a_runtime_what_needs_no_lookup() {
    let guard = guard(Rules::default(), Names::default());
    let mut judged = Box::pin(guard.check("http://127.0.0.1/"));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(judged.as_mut().poll(&mut cx), Poll::Ready(Err(Refusal::NotPublic(_)))));
}
