//! What queries, bodies and messages may be: from the file to the rules of the gate.

use std::time::Duration;

use portcullis_gate::validate::patterns::{Patterns, Rule as PatternRule, Rules};
use portcullis_gate::validate::{Bound, Cleaning, Fields, Forbidden, Form, Held, Kind, Object, Query, Rule};

use super::super::model::Breaker;
use super::broken::all_are_refused;
use super::{Case, SMALL};

#[test]
fn nothing_is_judged_where_nothing_is_said() {
    let config = Case::config(&format!("{SMALL}[[routes]]\nmatch = \"/a\"\nbody = {{ max = \"10 MiB\" }}\n"))
        .load()
        .config;
    assert_eq!(config.query, None);
    assert!(config.routes[0].validate.is_empty());
    assert_eq!(config.routes[0].body_max, 10 << 20);
    assert_eq!(config.routes[0].websocket.max_message, None);
}

#[test]
fn a_route_says_what_differs_from_every_query() {
    let config = Case::config(&format!(
        "{SMALL}[query]\ncheck = true\nmax_count = 7\n\
         [[routes]]\nmatch = \"/a\"\n\
         [[routes]]\nmatch = \"/b\"\nquery = {{ names = [\"limit\"], max_length = 9 }}\n\
         [[routes]]\nmatch = \"/c\"\nquery = {{ names = [] }}\n"
    ))
    .load()
    .config;
    let general = Query { max_count: 7, ..Query::default() };
    let of = |at: usize| config.routes[at].validate.query.clone().unwrap();
    assert_eq!(config.query, Some(general.clone()));
    assert_eq!(of(0), general);
    assert_eq!(of(1), Query { names: Some(vec!["limit".into()]), max_count: 7, max_length: 9 });
    assert_eq!(of(2), Query { names: Some(Vec::new()), ..general });
}

#[test]
fn a_route_may_check_its_query_alone() {
    let config = Case::config(&format!("{SMALL}[[routes]]\nmatch = \"/a\"\nquery = {{ max_count = 1 }}\n"))
        .load()
        .config;
    assert_eq!(config.query, None);
    assert_eq!(config.routes[0].validate.query, Some(Query { max_count: 1, ..Query::default() }));
}

#[test]
fn what_is_judged_is_held_and_what_is_held_is_small() {
    let body = |keys: &str| {
        let config =
            Case::config(&format!("{SMALL}[[routes]]\nmatch = \"/a\"\nbody = {{ {keys} }}\n")).load().config;
        let route = config.routes.into_iter().next().unwrap();
        (route.validate.body.unwrap(), route.body_max)
    };
    let (rules, max) =
        body("fields = { a = \"boolean\", b = \"any\" }, content_types = \"Application/JSON\"");
    assert_eq!((rules.held, max), (Held::MOST, 65_536));
    assert_eq!(*rules.types[0], *"application/json");
    let fields = Some(Fields::closed([("a", Kind::Boolean), ("b", Kind::Any)]));
    assert_eq!(rules.json, Some(Object { fields, ..Object::default() }));

    let (rules, max) = body("max = \"1 KiB\", max_depth = 2, max_fields = 3");
    assert_eq!((rules.held.bytes(), max), (1024, 1024));
    assert_eq!(rules.json, Some(Object { fields: None, max_depth: 2, max_fields: 3 }));

    let (rules, max) = body("hold = 100");
    assert_eq!((rules.held.bytes(), max, rules.json), (100, 100, Some(Object::default())));

    // The type alone is judged by the head.
    let (rules, max) = body("content_types = [\"image/png\"]");
    assert_eq!((rules.json, max), (None, 1 << 20));
}

#[test]
fn a_field_can_be_judged_by_more_than_its_type() {
    let config = Case::config(&format!(
        "{SMALL}[[routes]]\nmatch = \"/a\"\n\
         [routes.body]\nunknown_fields = \"pass\"\n\
         [routes.body.fields]\nplain = \"array\"\n\
         [routes.body.fields.prompt]\nrequired = true\nmin_length = 1\nmax_length = 500\n\
         pattern = \"^[a-z]+$\"\nforbid = [\"<Script\"]\nmessage = \"no\"\nsanitize = \"trim\"\n\
         [routes.body.fields.share]\nmin = -0.5\nmax = 1\n\
         [routes.body.fields.size]\ntype = \"integer\"\nmin = 1\n\
         [routes.body.fields.owner.fields]\nid = {{ type = \"integer\", required = true }}\n"
    ))
    .load()
    .config;
    let object = config.routes[0].validate.body.as_ref().unwrap().json.clone().unwrap();
    let prompt = Rule {
        kind: Kind::String,
        required: true,
        min_length: 1,
        max_length: Some(500),
        pattern: Some(Form::new("^[a-z]+$").unwrap()),
        forbidden: Some(Forbidden::new(["<script"], "no")),
        cleaning: Some(Cleaning::Trim),
        ..Rule::default()
    };
    let id = Rule { required: true, ..Rule::from(Kind::Integer) };
    let owner = Rule { fields: Some(Fields::closed([("id", id)])), ..Rule::from(Kind::Object) };
    let fields = Fields::closed([
        ("owner", owner),
        ("plain", Rule::from(Kind::Array)),
        ("prompt", prompt),
        ("share", Rule { min: Bound::new(-0.5), max: Some(1.into()), ..Rule::from(Kind::Number) }),
        ("size", Rule { min: Some(1.into()), ..Rule::from(Kind::Integer) }),
    ]);
    assert_eq!(object, Object { fields: Some(Fields { open: true, ..fields }), ..Object::default() });
}

#[test]
fn what_requests_are_inspected_for_is_said_for_all_and_for_one() {
    let config = Case::config(&format!(
        "{SMALL}[patterns]\nmode = \"observe\"\nscore = 7\nwithout = [\"sql-hint\"]\nwords = [\"<Script\"]\n\
         [[routes]]\nmatch = \"/a\"\n\
         [[routes]]\nmatch = \"/b\"\npatterns = \"enforce\"\n\
         [[routes]]\nmatch = \"/c\"\npatterns = \"off\"\n\
         [[routes]]\nmatch = \"/d\"\nbody = {{ content_types = [\"application/x-www-form-urlencoded\"], hold = 100 }}\n"
    ))
    .load()
    .config;
    let mut without = Rules::default();
    without.add(PatternRule::SqlHint);
    let observe = Patterns { enforce: false, threshold: 7, without, words: vec!["<script".into()] };
    let of = |at: usize| config.routes[at].validate.patterns.as_deref().cloned();
    assert_eq!(config.patterns.as_deref(), Some(&observe));
    assert_eq!(of(0).as_ref(), Some(&observe));
    assert_eq!(of(1), Some(Patterns { enforce: true, ..observe }));
    assert_eq!(of(2), None);
    let form = config.routes[3].validate.body.as_ref().unwrap();
    assert_eq!((form.form, form.json.as_ref(), form.held.bytes()), (true, None, 100));
    assert_eq!(Case::config(SMALL).load().config.patterns, None);
}

#[test]
fn kalshiwhale_judges_what_its_guide_asks_for() {
    let config = Case::profile("kalshiwhale").load().config;
    assert_eq!(config.query, Some(Query::default()));
    let refresh = config.routes.iter().find(|route| route.pattern.text == "POST /api/refresh").unwrap();
    let fields = Some(Fields::closed([("force_update", Kind::Boolean)]));
    assert_eq!(refresh.validate.body.as_ref().unwrap().json.as_ref().unwrap().fields, fields);
    let socket = config.routes.iter().find(|route| route.pattern.text == "WS /ws").unwrap();
    assert_eq!(socket.websocket.max_message, Some(1024));
    assert_eq!(socket.validate.query, Some(Query::default()));
}

#[test]
fn wrong_rules_are_refused_where_they_stand() {
    all_are_refused(&[
        ("[patterns]\nmode = \"on\"\n", 3, "`on` is not one of the words", "observe"),
        (
            "[patterns]\nwithout = [\"sql-unoin\"]\n",
            3,
            "`sql-unoin` is not a rule",
            "did you mean `sql-union`?",
        ),
        ("[patterns]\nwords = [\"\"]\n", 3, "an empty text", "take it away"),
        ("[query]\nchek = true\n", 3, "`chek`", "did you mean `check`?"),
        ("[query]\nmax_count = 0\n", 3, "0 is out of range", "from 1"),
        ("[[routes]]\nmatch = \"/a\"\nquery = { names = [\"\"] }\n", 4, "an empty name", "name a parameter"),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { fields = { a = \"bool\" } }\n",
            4,
            "`bool` is not a type",
            "boolean",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { fields = [\"a\"] }\n",
            4,
            "fields and their types",
            "force_update",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { fields = { a = { typ = \"string\" } } }\n",
            4,
            "`typ` is not a key of `routes[0].body.fields.a`",
            "did you mean `type`?",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { fields = { a = { pattern = \"(?=a)\" } } }\n",
            4,
            "look-around",
            "no look-around",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { fields = { a = { type = \"number\", max_length = 1 } } }\n",
            4,
            "`max_length` is for a string",
            "type = \"string\"",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { fields = { a = { min_length = 2, max_length = 1 } } }\n",
            4,
            "both as great and as small",
            "exchange",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { fields = { a = { sanitize = \"tirm\" } } }\n",
            4,
            "`tirm` is not a way to clean",
            "did you mean `trim`?",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { fields = { a = { fields = { b = \"boole\" } } } }\n",
            4,
            "`routes[0].body.fields.a.fields.b`: `boole` is not a type",
            "boolean",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { fields = { a = { message = \"no\" } } }\n",
            4,
            "`message` says why",
            "forbid",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { fields = { a = { min = \"1\" } } }\n",
            4,
            "where a number is expected",
            "without quotes",
        ),
        ("[[routes]]\nmatch = \"/a\"\nbody = { hold = \"1 MiB\" }\n", 4, "more than one request", "64 KiB"),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { max = \"1 MiB\", max_depth = 3 }\n",
            4,
            "65536 bytes are at most",
            "a smaller `max`",
        ),
        (
            "[[routes]]\nmatch = \"/a\"\nbody = { content_types = [\"json\"] }\n",
            4,
            "not a media type",
            "application/json",
        ),
        (
            "[[routes]]\nmatch = \"GET /a\"\nwebsocket = { max_message = 9 }\n",
            4,
            "no WebSocket matches",
            "WS /a",
        ),
        ("[[routes]]\nmatch = \"WS /a\"\nwebsocket = { max_message = 0 }\n", 4, "a size of 0", "at least 1"),
    ]);
}

#[test]
fn an_upstream_has_a_breaker_where_it_is_asked_for() {
    let of = |line: &str| {
        let upstream = format!(
            "upstream = \"app\"\n[auth]\ndefault = \"none\"\n[upstreams.app]\nurl = \"http://127.0.0.1:1\"\n{line}\n"
        );
        Case::config(&upstream).load().config.upstreams[0].breaker
    };
    let breaker = |failures, seconds| Some(Breaker { failures, open: Duration::from_secs(seconds) });
    assert_eq!(of(""), None);
    assert_eq!(of("breaker = {}"), breaker(5, 10));
    assert_eq!(of("breaker = { failures = 2, open = \"3s\" }"), breaker(2, 3));
}
