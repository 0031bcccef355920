//! Broken configurations: each with the file, the line, what is wrong and how to mend it.

use super::{Case, SMALL};

/// A configuration, the line of its error, a piece of the message and a piece of the mend.
type Broken = (&'static str, usize, &'static str, &'static str);

/// Checks each against `portcullis.toml` with the smallest configuration in its first line.
pub(super) fn all_are_refused(cases: &[Broken]) {
    for (body, line, message, mend) in cases {
        let case = Case::config(&format!("{SMALL}{body}"))
            .env("API_KEY", "Zk3vYxN0pQ8sT1uWbRcDfGhJmLnVaXeKi5o7y9A2B4C")
            .file("there.pem", "");
        let problems = case.problems();
        let said = problems.to_string();
        let found = problems.0.iter().find(|problem| problem.message.contains(message));
        let Some(problem) = found else { panic!("no error says {message:?} about\n{body}\n{said}") };
        let (text, at) = problem.origin.place().unwrap_or_else(|| panic!("no place:\n{said}"));
        assert_eq!((text.name.as_str(), at.line), ("portcullis.toml", *line), "{body}\n{said}");
        let mended = problem.mend.as_deref().unwrap_or_default();
        assert!(mended.contains(mend), "mend of\n{body}\nis {mended:?}");
        assert!(said.contains(&format!("portcullis.toml:{line}:")), "{said}");
        assert_eq!(problems.0.len(), 1, "one mistake, one error:\n{said}");
    }
}

#[test]
fn syntax() {
    all_are_refused(&[
        ("[server\nworkers = 2\n", 2, "not TOML", "close the bracket"),
        ("[server]\nlisten = \"127.0.0.1:8000\n", 3, "not TOML", "close the quote"),
        ("[server]\nlisten = 127.0.0.1:8000\n", 3, "not TOML", "between quotes"),
        ("[server]\nworkers\n", 3, "not TOML", "key = value"),
        ("[server]\nworkers = 1\nworkers = 2\n", 4, "not TOML", "keep one of the two"),
        ("[log]\nlevel = \"info\"\n[log]\n", 4, "not TOML", "keep one of the two"),
    ]);
}

#[test]
fn unknown_names() {
    all_are_refused(&[
        (
            "[sever]\nlisten = \"127.0.0.1:1\"\n",
            2,
            "`sever` is not a key of the file",
            "did you mean `server`?",
        ),
        (
            "[server]\nlisen = \"127.0.0.1:1\"\n",
            3,
            "`lisen` is not a key of `server`",
            "did you mean `listen`?",
        ),
        ("[server.caps]\nheader_timout = \"1s\"\n", 3, "`header_timout`", "did you mean `header_timeout`?"),
        ("[server.caps]\nheader-timeout = \"1s\"\n", 3, "`header-timeout`", "did you mean `header_timeout`?"),
        ("[upstreams.app]\nurl = \"http://a:1\"\nretries = 3\n", 4, "`retries`", "`connect_timeout`"),
        (
            "[[limits]]\nrat = \"1/minute\"\nrate = \"1/minute\"\n",
            3,
            "`rat` is not a key",
            "did you mean `rate`?",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nlimit = [\"1/minute\"]\n",
            4,
            "`limit` is not a key",
            "did you mean `limits`?",
        ),
        ("[[routes]]\nmatch = \"/a\"\nbody = { maximum = 1 }\n", 4, "`maximum` is not a key", "`max`"),
        (
            "[[routes]]\nmatch = \"/a\"\nlimits = [{ rate = \"1/s\", mod = \"observe\" }]\n",
            4,
            "`mod` is not a key",
            "`mode`",
        ),
        (
            "[replies.rate-limit]\nbody = \"{}\"\n",
            2,
            "`rate-limit` is not the code",
            "did you mean `rate-limited`?",
        ),
        (
            "[server]\nlisten = { adress = \"127.0.0.1:1\", address = \"127.0.0.1:2\" }\n",
            3,
            "`adress`",
            "did you mean `address`?",
        ),
        ("[endpoints]\nhelth = false\n", 3, "`helth`", "did you mean `health`?"),
    ]);
}

#[test]
fn what_a_later_version_brings_is_said_so() {
    all_are_refused(&[
        ("[cluster]\nredis = \"env:REDIS_URL\"\n", 2, "`cluster` is not in this version", "take it away"),
        ("[auth.api_key]\nvalue = \"vault:a#b\"\n", 3, "`vault:` is not in this version", "env:NAME"),
        (
            "[upstreams.app]\nurl = \"https://a\"\n",
            3,
            "https towards the application is not in this version",
            "http://",
        ),
    ]);
}

#[test]
fn values_of_the_wrong_kind() {
    all_are_refused(&[
        ("environment = \"prod\"\n", 2, "`prod` is not one of the words", "`production`"),
        ("[server]\nworkers = \"2\"\n", 3, "text stands where a number", "without quotes"),
        ("[server]\nworkers = 0\n", 3, "0 is out of range", "from 1"),
        ("[server]\nworkers = 1.5\n", 3, "a fraction stands", "whole number"),
        ("[server]\ndrain = 30\n", 3, "30 has no unit", "\"30s\""),
        ("[server]\ndrain = \"30\"\n", 3, "`30` is not a duration", "\"30s\""),
        ("[server]\ndrain = \"5 parsecs\"\n", 3, "is not a duration", "\"10s\""),
        ("[server.caps]\nbody = \"1 megabyte\"\n", 3, "is not a size", "\"1 MB\""),
        ("[server.caps]\nbody = 0\n", 3, "lets nothing through", "at least 1"),
        ("[server]\ncaps = 5\n", 3, "a number stands where the section", "[server.caps]"),
        ("[cors]\ncredentials = \"true\"\n", 3, "text stands where true or false", "without quotes"),
        ("[log]\nlevel = \"warning\"\n", 3, "`warning` is not one of", "`warn`"),
        ("[log]\nfile = \"none/such/server.log\"\n", 3, "does not exist", "make the directory"),
        ("limits = \"60/minute\"\nroutes = \"/a\"\n", 3, "text stands where a list of tables", "[[routes]]"),
        ("[errors]\nreplace = \"4xx\"\n", 3, "`4xx` is not one of", "`5xx`"),
    ]);
}

#[test]
fn addresses() {
    all_are_refused(&[
        ("[server]\nlisten = \"127.0.0.1\"\n", 3, "is not an address to listen on", "\"127.0.0.1:8000\""),
        ("[server]\nlisten = \":8000\"\n", 3, "is not an address to listen on", "0.0.0.0:8000"),
        ("[server]\nlisten = \"127.0.0.1:80000\"\n", 3, "is not an address to listen on", "127.0.0.1:8000"),
        ("[server]\nlisten = \"unix:\"\n", 3, "`unix:` without a path", "unix:/run"),
        ("[server]\nlisten = []\n", 3, "nobody could connect", "127.0.0.1:8000"),
        ("[server]\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:1\"]\n", 3, "is listened on twice", "keep one"),
        ("[server]\nlisten = \"127.0.0.1:9000\"\n", 1, "is the gateway itself", "another port"),
        (
            "[server]\nlisten = { address = \"127.0.0.1:1\", tls = true }\n",
            3,
            "without a certificate",
            "[server.tls]",
        ),
        ("[server]\ntrusted_proxies = [\"10.0.0.1/8\"]\n", 3, "bits set beyond its prefix", "10.0.0.0/8"),
        (
            "[server]\ntrusted_proxies = [\"proxy.internal\"]\n",
            3,
            "is not an address or a prefix",
            "10.0.0.0/8",
        ),
        ("[server.tls]\ncert = \"there.pem\"\n", 3, "has `cert` and no `key`", "key = "),
        ("[server.tls]\ncert = \"there.pem\"\nkey = \"missing.pem\"\n", 4, "cannot be read", "PEM file"),
        (
            "[upstreams.app]\nurl = \"127.0.0.1:9000\"\n",
            3,
            "is not the address of an application",
            "\"http://127.0.0.1:9000\"",
        ),
        ("[upstreams.app]\nurl = \"http://a:1/api\"\n", 3, "has a path", "\"http://a:1\""),
        ("[upstreams.app]\nurl = \"http://me:pw@a:1\"\n", 3, "a user name", "take it away"),
        ("[upstreams.app]\nurl = \"http://a:0\"\n", 3, "is not a port", "1 to 65535"),
        ("[upstreams.app]\nconnect_timeout = \"5s\"\n", 2, "upstream `app` has no `url`", "url = "),
        (
            "[upstreams.default]\nurl = \"http://a:1\"\n",
            1,
            "two names for one setting",
            "keep one of the two",
        ),
        ("[endpoints]\nprefix = \"portcullis\"\n", 3, "is not a path", "begin with a slash"),
        ("[endpoints]\nhealth = true\n", 3, "`true` is no path", "/health"),
    ]);
}

#[test]
fn without_the_short_form_of_the_upstream() {
    for (body, message, mend) in [
        ("", "no upstream", "--upstream URL"),
        ("upstream = \"app\"\n", "there is no upstream `app`", "http://127.0.0.1:9000"),
        ("upstream = \"ap\"\n[upstreams.app]\nurl = \"http://a:1\"\n", "there is no upstream `ap`", "`app`"),
        (
            "[upstreams.a]\nurl = \"http://a:1\"\n[upstreams.b]\nurl = \"http://b:1\"\n",
            "none of them is the default",
            "upstream = \"a\"",
        ),
    ] {
        let problems = Case::config(body).problems();
        assert_eq!(problems.0.len(), 1, "{problems}");
        assert!(problems.0[0].message.contains(message), "{problems}");
        assert!(problems.0[0].mend.as_deref().unwrap().contains(mend), "{problems}");
    }
}

#[test]
fn every_error_of_a_file_is_reported_at_once_in_the_order_of_its_lines() {
    let body = "[server]\nlisen = \"x\"\ndrain = 5\n[cors]\norigins = [\"example.com\", \"https://a/\", \"https://fine\"]\n[[limits]]\nrate = \"none\"\n";
    let problems = Case::config(&format!("{SMALL}{body}")).problems();
    let lines: Vec<usize> = problems.0.iter().map(|problem| problem.origin.place().unwrap().1.line).collect();
    assert_eq!(lines, [3, 4, 6, 6, 8], "{problems}");
}

#[test]
fn the_command_line_and_the_environment_are_named_too() {
    let mut case = Case::new();
    case.sources.upstream = Some("ftp://a".into());
    case.sources.listen = Some("nowhere".into());
    let said = case.problems().to_string();
    assert!(said.contains("--> option --upstream") && said.contains("--> option --listen"), "{said}");
    for (name, value, message, mend) in [
        ("PORTCULLIS_SERVER__LISEN", "x", "names no key", "did you mean `PORTCULLIS_SERVER__LISTEN`?"),
        ("PORTCULLIS_SERVER_LISTEN", "x", "names no key", "did you mean `PORTCULLIS_SERVER__LISTEN`?"),
        ("PORTCULLIS_SERVER__WORKERS", "many", "`many` is not a number", "whole number"),
        ("PORTCULLIS_CORS__CREDENTIALS", "maybe", "neither true nor false", "`true` or `false`"),
        ("PORTCULLIS_PROFILE", "pump", "there is no profile `pump`", "`pump-analyzer`"),
        ("PORTCULLIS_UPSTREAM_FILE", "missing", "cannot be read", "name a file"),
    ] {
        let problems = Case::config(SMALL).env(name, value).problems();
        let problem = &problems.0[0];
        assert!(problem.message.contains(message), "{problems}");
        assert!(problem.mend.as_deref().unwrap_or_default().contains(mend), "{problems}");
        assert!(problems.to_string().contains(&format!("--> environment {name}")), "{problems}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let mut case = Case::new();
    case.sources.config_path = Some("missing.toml".into());
    assert!(case.problems().to_string().contains("missing.toml cannot be read"));
    let mut case = Case::config(SMALL);
    case.sources.env_file = Some("missing.env".into());
    assert!(case.problems().to_string().contains("missing.env cannot be read"));
    let case = Case::config(SMALL).file(".env", "A=1\nB='x' y\n\nno value here\n");
    let said = case.problems().to_string();
    assert!(said.contains(".env:2:") && said.contains(".env:4:") && said.contains("2 errors"), "{said}");
}
