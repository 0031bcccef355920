//! Whatever a URL looks like, and whatever a name server says: what the guard lets pass leads to public addresses,
//! to those that were judged, and to the host that the WHATWG standard reads.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use portcullis_core::address::is_public;
use portcullis_outbound::{Guard, LONGEST, Lookup, Resolver, Rules, Target};
use url::{Host, Url};

#[derive(Debug)]
struct Says(Vec<IpAddr>);

impl Resolver for Says {
    fn lookup<'a>(&'a self, _: &'a str) -> Lookup<'a> {
        Box::pin(async move { Ok(self.0.clone()) })
    }
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
}

fuzz_target!(|input: (&str, u32, u128)| {
    let (text, v4, v6) = input;
    let said = vec![IpAddr::V4(Ipv4Addr::from_bits(v4)), IpAddr::V6(Ipv6Addr::from_bits(v6))];
    let guard = Guard::new(Rules::default(), Arc::new(Says(said.clone())), Duration::from_secs(1));
    for text in [text.to_owned(), format!("http://{text}"), format!("https://{text}/"), format!("http://a.b@{text}:80/")] {
        let Ok(checked) = RUNTIME.with(|runtime| runtime.block_on(guard.check(&text))) else { continue };
        assert!(!checked.addresses().is_empty());
        assert!(checked.addresses().iter().all(|address| is_public(address.ip())), "{text:?}");
        let url = Url::parse(&text).expect("what is taken is a URL for everybody");
        let port = url.port_or_known_default().expect("a port");
        assert!(checked.addresses().iter().all(|address| address.port() == port), "{text:?}");
        assert!(matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none());
        match url.host().expect("a host") {
            Host::Ipv4(address) => assert_eq!(checked.addresses()[0].ip(), IpAddr::V4(address), "{text:?}"),
            Host::Ipv6(address) => assert_eq!(checked.addresses()[0].ip(), IpAddr::V6(address), "{text:?}"),
            Host::Domain(name) => {
                assert_eq!(checked.host(), name, "{text:?}");
                assert!(checked.addresses().iter().map(|address| address.ip()).eq(said.iter().copied()));
                let last = name.rsplit('.').next().unwrap_or_default();
                assert!(name.contains('.') && !["localhost", "local", "internal"].contains(&last), "{text:?}");
            }
        }
        // What was read once is read again as the same.
        match Target::parse(checked.url().as_str()) {
            Ok(again) => assert_eq!((again.host(), again.port()), (checked.host(), port), "{text:?}"),
            // Only escapes that its normal form adds can make it too long.
            Err(refusal) => assert!(checked.url().as_str().len() > LONGEST, "{text:?}: {refusal}"),
        }
    }
});
