//! What is an attack and what is none. Both lists were written for these tests.

use proptest::prelude::*;

use super::*;

fn findings(text: &str) -> Findings {
    let mut findings = Findings::default();
    Patterns::default().inspect_text(text, &mut findings);
    findings
}

/// The rules that a text meets.
fn met(text: &str) -> Vec<&'static str> {
    findings(text).found().iter().map(|(rule, _)| rule.name()).collect()
}

#[track_caller]
fn all_meet(rule: Rule, texts: &[&str]) {
    for text in texts {
        let findings = findings(text);
        assert!(findings.found().iter().any(|(met, _)| *met == rule), "{text}: {:?}", met(text));
        assert!(findings.are_attack(&Patterns::default()), "{text}");
    }
}

#[test]
fn conditions_that_an_attacker_chooses_are_found() {
    all_meet(
        Rule::SqlLogic,
        &[
            "1 or 1=1",
            "1 OR 1=1 --",
            "' or 1=1 --",
            "' or '1'='1",
            "\" or \"a\"=\"a",
            "') or ('x'='x",
            "')) or (('a'))=(('a",
            "x' AND 1=2 AND 'y'='y",
            "1' or true#",
            "' or 1 -- -",
            "admin' or 'a' like 'a",
            "'or'1'='1",
            "1/**/or/**/2>1",
            "1||1=1",
            "' || 'a'='a",
            "1 and (select 1)=1",
            "x' and exists(select * from users) and 'a'='a",
            "1 and ascii(substring(user(),1,1))>64",
            "' or not 1=2 --",
            "' or username is not null --",
            "' OR role LIKE '%admin",
            "1) and 5=5 and (3=3",
            "' or id=id --",
            "1 xor 1=0",
            "1 or 0x41=0x41",
            "1 or 1 in (1)",
            "1 or @@version like '5%'",
            "' ^ '",
            "admin'='",
            "1 and if(1=1,1,0)",
            "%' and 1=1 and '%'='",
        ],
    );
}

#[test]
fn second_queries_and_statements_are_found() {
    all_meet(
        Rule::SqlUnion,
        &[
            "1 union select 1,2,3",
            "' UNION ALL SELECT NULL,NULL--",
            "-1 UnIoN/**/sElEcT/**/@@version,2",
            "1 union(select(user()))",
            "x' union select password from users --",
            "1 /*!50000union*/ /*!50000select*/ 1,2",
            "1 union distinct select * from t",
            "0 union values (1,2)",
        ],
    );
    all_meet(
        Rule::SqlStatement,
        &[
            "1; drop table users",
            "x'; DROP TABLE playlists; --",
            "1;delete from users where 1=1",
            "'; insert into admins values ('x','y') --",
            "'; update users set role='admin' --",
            "1; exec xp_cmdshell('dir')",
            "1;waitfor delay '0:0:5'--",
            "1' waitfor delay '0:0:5' --",
            "1; declare @x varchar(99)",
            "1; shutdown --",
            "1;select pg_sleep(5)",
            "drop table users; --",
            "insert into users (name) values ('x')",
        ],
    );
}

#[test]
fn queries_functions_and_clauses_are_found() {
    all_meet(
        Rule::SqlQuery,
        &[
            "(select password from users limit 1)",
            "1-(select count(*) from users)",
            "'||(select banner from v$version where rownum=1)||'",
            "1 in (select table_name from information_schema.tables)",
            "select * from users where id = 1",
            "1 and 1=(select top 1 name from sysobjects)",
        ],
    );
    all_meet(
        Rule::SqlFunction,
        &[
            "1 and sleep(5)",
            "'+benchmark(1000000,md5(1))+'",
            "1 and extractvalue(1,concat(0x7e,version()))",
            "load_file('/etc/passwd')",
            "1 into outfile '/tmp/x'",
            "'||utl_http.request('http://x')||'",
            "1 or dbms_pipe.receive_message('a',5)=1",
            "sleep(5)#",
            "1 procedure analyse(1,1)",
        ],
    );
    all_meet(
        Rule::SqlClause,
        &[
            "1 order by 10--",
            "' order by 3 #",
            "1' having 1=1 --",
            "' group by users.id having 1=1 --",
            "(case when 1=1 then 1 else 0 end)",
        ],
    );
    all_meet(Rule::SqlComment, &["admin'--", "admin' #", "admin'/*", "x')-- -", "x';--"]);
}

#[test]
fn markup_that_runs_is_found() {
    all_meet(
        Rule::HtmlTag,
        &[
            "<script>alert(1)</script>",
            "\"><SCRIPT SRC=//x></SCRIPT>",
            "<scr\u{0}ipt>alert(1)</script>",
            "<svg:script>x",
            "<iframe src=//x>",
            "<object data=//x>",
            "<base href=//x>",
            "<meta http-equiv=refresh content=0>",
            "<link rel=stylesheet href=//x>",
            "<style>@import'//x'</style>",
            "%3Cscript%3Ealert(1)%3C/script%3E",
            r"\u003cscript\u003ealert(1)",
            "<a srcdoc=x>",
        ],
    );
    all_meet(
        Rule::HtmlHandler,
        &[
            "<img src=x onerror=alert(1)>",
            "<svg/onload=alert(1)>",
            "<body\nONLOAD = alert(1)>",
            "<a/b/onclick='x()'>",
            "\" onmouseover=\"alert(1)",
            "' autofocus onfocus=alert(1) x='",
            "x onerror=alert`1`",
            "<div style=\"width:expression(alert(1))\">",
            "<animate attributeName=onload to=x>",
            "<details open ontoggle=x>",
        ],
    );
    all_meet(
        Rule::HtmlAddress,
        &[
            "javascript:alert(1)",
            "JaVa\tScRiPt:alert(1)",
            " javascript://%0aalert(1)",
            "<a href=javascript:alert(1)>x</a>",
            "<a href=\"&#106;avascript&colon;alert(1)\">",
            "<form action=vbscript:msgbox(1)>",
            "data:text/html,<b>x</b>",
            "[x](javascript:alert(1))",
            "<svg><a xlink:href=\" javascript:x()\">",
        ],
    );
    all_meet(
        Rule::HtmlScript,
        &[
            "';alert(1)//",
            "\"-alert(1)-\"",
            "'+document.cookie+'",
            "{{constructor.constructor('alert(1)')()}}",
            "${alert(1)}",
            "alert(1)",
            "eval('x')",
        ],
    );
    all_meet(
        Rule::XmlEntity,
        &["<!DOCTYPE x [ <!ENTITY y SYSTEM 'file:///etc/passwd'> ]>", "<!ENTITY % x '1'>"],
    );
}

#[test]
fn ways_out_of_a_folder_and_signs_that_no_text_holds_are_found() {
    all_meet(
        Rule::PathTraversal,
        &[
            "../../etc/passwd",
            "..\\..\\windows\\win.ini",
            "a/../../b",
            "%2e%2e%2f%2e%2e%2fx",
            "../etc/passwd",
            "..;/..;/admin",
            "....//....//etc/passwd",
            "x=../../../proc/self/environ and more",
        ],
    );
    all_meet(Rule::SystemFile, &["/etc/passwd", "file:///etc/shadow", "C:\\boot.ini", "/proc/self/environ"]);
    all_meet(Rule::NullByte, &["a.png\u{0}.php", "a.png%00"]);
    all_meet(Rule::HeaderLine, &["x\r\nSet-Cookie: a=b", "x\nLocation: //y"]);
    assert_eq!(met("a\u{8}b\u{1b}[2J"), ["control-character"]);
    assert!(!findings("a\u{8}b").are_attack(&Patterns::default()), "alone it is not enough");
}

#[test]
fn what_honest_clients_send_is_none() {
    for text in [
        "upbeat indie for a rainy walk",
        "O'Reilly and Sons",
        "rock 'n' roll or 'soul'",
        "don't stop 'til you get enough",
        "the players' -- all of them -- won",
        "it's 5 o'clock -- or is it?",
        "Select a song from the list",
        "select one from many",
        "The Union select committee met today",
        "union of A and B",
        "drop the beat; then update me",
        "please delete from my queue",
        "insert coin into slot",
        "create table manners for kids",
        "order by phone, group by colour",
        "sort order by 3 friends",
        "size = 10 and weight = 5",
        "a = b or c = d",
        "1 or 2 songs",
        "either this or that",
        "not null and void",
        "Tom & Jerry || Itchy & Scratchy",
        "C# and F# -- or .NET?",
        "50% off; 2 for 1!",
        "if (x > y) return; else break;",
        "time.sleep(5) is slow",
        "print(\"hello\")",
        "f(x) = x^2 + 3*x - 1",
        "a < b and b > c",
        "i <3 u",
        "List<Object> and Map<String, Object>",
        "<b>bold</b> and <i>italic</i>",
        "<a href=\"https://example.com/?a=1&b=2\">x</a>",
        "<img src=\"/cover.png\" alt='on the road'>",
        "metadata: none; data: the facts",
        "javascript: the good parts",
        "a script about java",
        "online=true",
        "once = 1, only=2",
        "{\"a\": [1, 2, {\"b\": \"c\"}]}",
        "{{name}} and ${price}",
        "https://example.com/a/b?c=d&e=f#g",
        "../images/cover.png",
        "/users/42/playlists",
        "C:\\Users\\ann\\Music",
        "see [docs](../../guide.md) for more",
        "version 1.2.3-beta.4+build",
        "2026-11-25T13:00:00Z",
        "+49 (30) 1234-5678",
        "ann@example.com",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
        "Größe; Übung? Ça va!",
        "日本語の歌",
        "لا أعرف",
        "\u{1f3b5} (live) [2024 remaster] {bonus}",
        "line one\nline two\ttabbed\r\nline three",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ] {
        assert!(!findings(text).are_attack(&Patterns::default()), "{text}: {:?}", met(text));
    }
}

#[test]
fn rules_count_once_and_can_be_left_out() {
    let mut patterns = Patterns { words: vec!["quince".into()], ..Patterns::default() };
    let inspected = |patterns: &Patterns, query: &str| {
        let mut findings = Findings::default();
        patterns.inspect_head("/a/../b", Some(query), &mut findings);
        findings
    };
    let found = inspected(&patterns, "a=1+or+1=1&b=1+or+1=1&c=a+QUINCE&%3Cscript%3E=1");
    let named: Vec<_> = found.found().iter().map(|(rule, place)| (rule.name(), place.as_str())).collect();
    assert_eq!(
        named,
        [("sql-logic", "query `a`"), ("listed-text", "query `c`"), ("html-tag", "query `<script>`")]
    );
    assert_eq!(found.score(), 15);
    patterns.without.add(Rule::SqlLogic);
    assert_eq!(inspected(&patterns, "a=1+or+1=1").score(), 0);
    assert!(
        !inspected(&Patterns { threshold: 6, ..Patterns::default() }, "a=1+or+1=1")
            .are_attack(&Patterns { threshold: 6, ..Patterns::default() })
    );
}

#[test]
fn paths_and_bodies_are_read_piece_by_piece() {
    let patterns = Patterns::default();
    let of_path = |path: &str| {
        let mut findings = Findings::default();
        patterns.inspect_head(path, None, &mut findings);
        findings.found().iter().map(|(rule, place)| format!("{} in {place}", rule.name())).collect::<Vec<_>>()
    };
    assert_eq!(of_path("/users/1'%20or%201=1%20--/x"), ["sql-logic in path"]);
    assert_eq!(of_path("/a/%3Csvg%20onload=x()%3E"), ["html-handler in path"]);
    assert_eq!(of_path("/files/..%2f..%2fetc%2fpasswd"), ["path-traversal in path", "system-file in path"]);
    assert_eq!(of_path("/c++/users/42"), [""; 0]);
    let mut findings = Findings::default();
    let body = br#"{"a":[{"b/c":"x' or 1=1 --"}],"<script>":null,"n":1.5,"t":true}"#;
    patterns.inspect_body(body, false, &mut findings);
    let named: Vec<_> = findings.found().iter().map(|(rule, place)| (rule.name(), place.as_str())).collect();
    assert_eq!(named, [("sql-logic", "body /a/0/b~1c"), ("html-tag", "body /<script>")]);
}

#[test]
fn rules_have_names_of_their_own() {
    for (at, (rule, name, weight)) in Rule::ALL.into_iter().enumerate() {
        assert_eq!((rule as usize, Rule::named(name), rule.weight()), (at, Some(rule), weight));
        assert_eq!(rule.name(), name);
    }
    assert_eq!(Rule::named("sql"), None);
}

/// What is bounded in the small is bounded in the large: a body of 64 KiB of the worst kind.
#[test]
fn no_text_takes_more_than_time_in_its_length() {
    let worst = [
        "(",
        ")",
        "'",
        "a.",
        "or ",
        "select a,",
        "<a ",
        "union(",
        "&#x41;",
        "javascript:",
        "' or 1=1",
        "../",
        "%2525",
        "case when ",
        "\"'`",
        "${alert(",
        "\n",
        "<!doctype ",
        "/*",
        "alert)",
        "../etc/passwd",
        "<a x=\"",
        "set-cookie:\n",
    ];
    for piece in worst {
        // The best of several runs: other tests take their time too.
        let of = |length: usize| {
            let text = piece.repeat(length / piece.len());
            let run = |_| {
                let start = std::time::Instant::now();
                findings(&text);
                start.elapsed()
            };
            (0..5).map(run).min().unwrap_or_default()
        };
        of(1000);
        // Eight times the text may take eight times the time, and many more on a busy machine, not sixty-four.
        let (small, large) = (of(8 * 1024).max(std::time::Duration::from_micros(500)), of(64 * 1024));
        assert!(large < small * 30, "{piece}: {small:?} {large:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_inspected(text in any::<String>()) {
        met(&text);
    }

    #[test]
    fn whatever_attacks_are_made_of_is_inspected(
        text in r#"(<|>|'|"|`|=|\(|\)|;|--|/\*|\*/|#|&#x?|%u?00|\\[ux]00|select|union|or|1|a|on[a-z]{4}|script|:|\.\.|/|é| ){0,40}"#,
    ) {
        met(&text);
    }

    #[test]
    fn words_are_none(text in "[a-zäöü]{1,8}( [a-zäöü]{1,8}){0,8}") {
        prop_assert!(!findings(&text).are_attack(&Patterns::default()), "{:?}", met(&text));
    }
}
