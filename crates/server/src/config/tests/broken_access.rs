//! Broken configurations about who may come: authentication, limits, routes, CORS, headers, replies and tests.

use super::broken::all_are_refused;

#[test]
fn authentication() {
    all_are_refused(&[
        ("[auth]\ndefault = \"api-key\"\n", 3, "`api-key` is not configured", "[auth.api_key]"),
        (
            "[auth]\ndefault = \"apikey\"\n",
            3,
            "`apikey` is not a way to authenticate",
            "did you mean `api-key`?",
        ),
        ("[auth.api_key]\nvalue = \"env:NOT_SET\"\n", 3, "NOT_SET is not set", "NOT_SET_FILE"),
        ("[auth.api_key]\nvalue = \"file:missing\"\n", 3, "cannot be read", "name a file"),
        ("[auth.api_key]\nvalue = \"file:there.pem\"\n", 3, "is empty", "write the secret"),
        ("[auth.api_key]\nvalue = \"\"\n", 3, "an empty secret", "env:NAME"),
        ("[auth.api_key]\nvalue = []\n", 3, "an empty list", "at least one"),
        ("[auth.api_key]\nvalue = \" blank\"\n", 3, "begins or ends with a blank", "take the blank away"),
        ("[auth.api_key]\nheader = \"X-Key\"\n", 2, "has no `value`", "env:API_KEY"),
        (
            "[auth.api_key]\nvalue = \"env:API_KEY\"\nheader = \"X Key\"\n",
            4,
            "is not a name that HTTP knows",
            "X-API-Key",
        ),
        (
            "[auth.api_key]\nvalue = \"env:API_KEY\"\nheader = \"Host\"\n",
            4,
            "`Host` has another meaning",
            "X-API-Key",
        ),
        (
            "[auth.api_key]\nvalue = \"env:API_KEY\"\nheader = \"X-Ingest-Token\"\n[auth.ingest_token]\nvalue = \"env:API_KEY\"\n",
            4,
            "both stand in `X-Ingest-Token`",
            "another `header`",
        ),
        (
            "[auth.api_key]\nvalue = \"env:API_KEY\"\n[auth]\ndefault = [\"none\", \"api-key\"]\n",
            5,
            "opens the route",
            "keep one",
        ),
        (
            "[auth.api_key]\nvalue = \"env:API_KEY\"\n[auth]\ndefault = \"anonymous\"\n",
            5,
            "`anonymous` without a scheme",
            "\"none\"",
        ),
        ("[auth]\ndefault = \"bearer\"\n", 3, "`bearer` is not configured", "[auth.tokens]"),
        ("[auth]\ndefault = \"session\"\n", 3, "`session` is not configured", "[auth.sessions]"),
        (
            "[auth.api_key]\nvalue = \"env:API_KEY\"\nrole = \"fre\"\n",
            4,
            "there is no role `fre`",
            "did you mean `free`?",
        ),
        ("[auth.failures]\nlimit = \"20/minute per user\"\n", 3, "prove nobody", "per ip"),
    ]);
}

#[test]
fn limits() {
    all_are_refused(&[
        ("[[limits]]\nrate = \"sixty/minute\"\n", 3, "is not a rate", "60/minute"),
        ("[[limits]]\nrate = \"60/minit\"\n", 3, "is not a rate", "did you mean `minute`?"),
        ("[[limits]]\nrate = \"60/minute per ips\"\n", 3, "is not a rate", "did you mean `ip`?"),
        ("[[limits]]\nrate = \"0/minute\"\n", 3, "is not a rate", "60/minute"),
        ("[[limits]]\nrate = 60\n", 3, "60 has no window", "60/minute per ip"),
        ("[[limits]]\nmode = \"observe\"\n", 2, "a limit without `rate`", "rate = "),
        ("[[limits]]\nrate = \"1/s\"\nmode = \"watch\"\n", 4, "`watch` is not one of", "`observe`"),
        ("[[limits]]\nrate = \"60/minute per user\"\n", 3, "no route proves anybody", "per ip"),
        ("[[routes]]\nmatch = \"/a\"\nlimits = [\"60/minute per key\"]\n", 4, "can never apply", "per ip"),
        (
            "[[routes]]\nmatch = \"/a\"\nlimits = [{ name = \"x\", rate = \"6/minute\" }]\n[[routes]]\nmatch = \"/b\"\nlimits = [{ name = \"x\", rate = \"7/minute\" }]\n",
            7,
            "they disagree on it",
            "\"6/minute per ip\" here too",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nlimits = [{ name = \"x\", rate = \"6/minute\" }, { name = \"x\", rate = \"6/minute\" }]\n",
            4,
            "stands twice in one route",
            "another name",
        ),
    ]);
}

#[test]
fn routes() {
    all_are_refused(&[
        ("[[routes]]\nauth = \"none\"\n", 2, "a route without `match`", "match = "),
        ("[[routes]]\nmatch = \"live/ingest\"\n", 3, "is not a match", "`/`"),
        ("[[routes]]\nmatch = \"POST\"\n", 3, "is not a match", "METHOD PATH"),
        ("[[routes]]\nmatch = \"post /a\"\n", 3, "capitals", "capitals"),
        ("[[routes]]\nmatch = \"PSOT /a\"\n", 3, "hardly a method", "did you mean `POST`?"),
        (
            "[[routes]]\nmatch = \"/a/{*rest}/b\"\n",
            3,
            "follows the parameter that takes the rest",
            "at the end",
        ),
        ("[[routes]]\nmatch = \"/a/{id\"\n", 3, "not closed", "close it"),
        ("[[routes]]\nmatch = \"/a?b=c\"\n", 3, "no query", "question mark"),
        (
            "[[routes]]\nmatch = \"/a/{id}\"\n[[routes]]\nmatch = \"/a/{name}\"\n",
            5,
            "can never be reached",
            "keep one",
        ),
        ("[[routes]]\nmatch = \"/portcullis/x\"\n", 3, "can never be reached", "prefix"),
        (
            "[[routes]]\nmatch = \"/a\"\nupstream = \"defualt\"\n",
            4,
            "there is no upstream `defualt`",
            "did you mean `default`?",
        ),
        (
            "[[routes]]\nmatch = \"GET /a\"\nwebsocket = { connections = 5 }\n",
            4,
            "which no WebSocket matches",
            "WS /a",
        ),
        ("[[routes]]\nmatch = \"/a\"\ngeneral_limits = \"none\"\n", 4, "`none` is not one of", "`off`"),
        ("[[routes]]\nmatch = \"/a\"\nroles = [\"free\"]\n", 4, "lets everybody pass", "take the roles away"),
        (
            "[auth.tokens]\n[[routes]]\nmatch = \"/a\"\nroles = [\"freee\"]\n",
            5,
            "there is no role `freee`",
            "did you mean `free`?",
        ),
        (
            "[auth.tokens]\n[[routes]]\nmatch = \"/a\"\nauth = [\"bearer\", \"anonymous\"]\nroles = [\"free\"]\n",
            6,
            "lets everybody pass",
            "take the roles away",
        ),
        ("[[routes]]\nmatch = \"/a\"\nmode = \"off\"\n", 4, "`off` is not one of", "`observe`"),
    ]);
}

#[test]
fn cross_origin() {
    all_are_refused(&[
        ("[cors]\norigins = [\"example.com\"]\n", 3, "is not an origin", "https://example.com"),
        ("[cors]\norigins = [\"https://a.example/\"]\n", 3, "has a path", "\"https://a.example\""),
        ("[cors]\norigins = [\"https://*.example.com\"]\n", 3, "has a wildcard", "list each"),
        ("[cors]\norigins = [\"null\"]\n", 3, "every sandboxed page", "https://"),
        ("[cors]\norigins = [\"https://a.example:99999\"]\n", 3, "is not an origin", "65535"),
        (
            "[cors]\norigins = \"*\"\ncredentials = true\n",
            3,
            "lets every page on the web act",
            "list the origins",
        ),
        ("[cors]\norigins = [\"*\", \"https://a.example\"]\n", 3, "beside other origins", "keep `*` alone"),
        ("[cors]\nmethods = [\"get\"]\n", 3, "compared as written", "`GET`"),
        ("[cors]\nmethods = []\n", 3, "allows nothing", "cors.enabled = false"),
        ("[cors]\nheaders = [\"X Key\"]\n", 3, "is not a name that HTTP knows", "X-API-Key"),
    ]);
}

#[test]
fn headers_and_replies() {
    all_are_refused(&[
        ("[headers]\nX-A = \"a\\nb\"\n", 3, "not the value of a header", "one line"),
        ("[headers]\nX-A = true\n", 3, "`true` is no value", "false to remove"),
        ("[headers]\nX-A = { valu = \"a\" }\n", 3, "`valu` is not a key of a header", "`value`"),
        ("[headers]\n\"X A\" = \"a\"\n", 3, "is not the name of a header", "letters"),
        ("[headers]\nContent-Length = \"5\"\n", 3, "belongs to the answer itself", "take it away"),
        ("[headers]\nAccess-Control-Allow-Origin = \"*\"\n", 3, "follow from [cors]", "cors.origins"),
        ("[headers]\nX-A = \"a\"\nx-a = \"b\"\n", 4, "two names for one header", "keep one"),
        (
            "[replies.rate-limited]\nbody = '{\"a\":\"{limt}\"}'\n",
            3,
            "no placeholder `{limt}`",
            "did you mean `{limit}`?",
        ),
        ("[replies.rate-limited]\nbody = '{\"a\":'\n", 3, "is not JSON", "mend the JSON"),
        ("[replies.rate-limited]\ncontent_type = \"json\"\n", 3, "is not a content type", "application/json"),
        (
            "[replies.rate-limited]\nheaders = { Date = \"now\" }\n",
            3,
            "belongs to the answer itself",
            "take it away",
        ),
    ]);
}

#[test]
fn policy_tests() {
    all_are_refused(&[
        ("[[tests]]\nexpect = { status = 401 }\n", 2, "a test without `request`", "GET /"),
        ("[[tests]]\nrequest = \"GET /\"\n", 2, "expects nothing", "status = 401"),
        ("[[tests]]\nrequest = \"/a\"\nexpect = { status = 401 }\n", 3, "is not a request", "METHOD PATH"),
        ("[[tests]]\nrequest = \"GET /\"\nexpect = { status = 999 }\n", 4, "999 is out of range", "100"),
        (
            "[[tests]]\nrequest = \"GET /\"\nexpect = { code = \"rate-limit\" }\n",
            4,
            "is not the code",
            "did you mean `rate-limited`?",
        ),
        (
            "[[tests]]\nrequest = \"GET /\"\nexpect = { route = \"GET /\" }\n",
            4,
            "there is no route",
            "`match`",
        ),
        (
            "[[tests]]\nrequest = \"GET /\"\nfrom = \"me\"\nexpect = { status = 401 }\n",
            4,
            "is not an address",
            "192.0.2.1",
        ),
    ]);
}
