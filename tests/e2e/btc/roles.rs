//! B-ROLE: who may have which route.

use portcullis_tests::{Accounts, Request, Upstream, guide_command};

use super::{Behind, assert_forecast, assert_refused, launch, predict};

/// What everybody may have who is known.
const BASIC: [(&str, &str); 5] = [
    ("POST", "/predict"),
    ("POST", "/evaluate"),
    ("GET", "/status"),
    ("GET", "/features"),
    ("GET", "/user/predictions"),
];

const PREMIUM: [(&str, &str); 7] = [
    ("POST", "/forecast/recursive"),
    ("POST", "/forecast/features"),
    ("GET", "/user/analytics"),
    ("GET", "/realtime/alerts"),
    ("POST", "/realtime/alerts"),
    ("DELETE", "/realtime/alerts/0b7d3c1e-5a4f-4c2b-9d8e-1f2a3b4c5d6e"),
    ("GET", "/realtime/prices"),
];

const ADMIN: [(&str, &str); 3] =
    [("POST", "/realtime/start"), ("POST", "/realtime/stop"), ("GET", "/admin/anything")];

fn ask((method, path): (&str, &str)) -> Request {
    if method == "POST" {
        Request::post(path, r#"{"days": 7, "price": 1}"#)
    } else {
        Request::new(method, path)
    }
}

/// The status that each of the three roles gets for each of these, and how many of them reached the application.
#[track_caller]
fn statuses(routes: &[(&str, &str)]) -> [Vec<u16>; 3] {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).start();
    let accounts = Accounts::at_root(&gateway);
    let mut reached = 0;
    let all = ["free", "premium", "admin"].map(|role| {
        let login = gateway.user(&accounts, &format!("a-{role}"), role);
        let answers: Vec<_> =
            routes.iter().map(|route| ask(*route).bearer(&login.access).send_to(gateway.address())).collect();
        for answer in &answers {
            match answer.status {
                200 => reached += 1,
                403 => assert_refused(answer, 403, "Insufficient permissions"),
                other => panic!("{other}: {}", answer.text()),
            }
        }
        answers.iter().map(|answer| answer.status).collect()
    });
    assert_eq!(upstream.count(), reached);
    all
}

#[test]
fn b_role_01_every_known_user_may_forecast() {
    let all = vec![200; BASIC.len()];
    assert_eq!(statuses(&BASIC), [all.clone(), all.clone(), all]);
}

#[test]
fn b_role_02_b_role_03_what_is_premium_is_not_for_free_users() {
    let all = vec![200; PREMIUM.len()];
    assert_eq!(statuses(&PREMIUM), [vec![403; PREMIUM.len()], all.clone(), all]);
}

#[test]
fn b_role_04_what_is_for_administrators_is_for_nobody_else() {
    let [free, premium, admin] = statuses(&ADMIN[..2]);
    assert_eq!((free, premium, admin), (vec![403; 2], vec![403; 2], vec![200; 2]));
    let behind = Behind::start();
    for role in ["free", "premium"] {
        let login = behind.user(&format!("a-{role}"), role);
        for path in ["/admin/users", "/admin/keys", "/admin/sessions", "/admin/devices", "/admin/audit-log"] {
            let answer = behind.send(&Request::get(path).bearer(&login.access));
            assert_refused(&answer, 403, "Insufficient permissions");
        }
    }
}

/// However the path is spelled: an application might read it as the route's.
#[test]
fn b_role_02_b_role_04_no_other_spelling_of_a_path_is_a_way_in() {
    let upstream = Upstream::ok();
    let gateway = launch(&upstream.url()).start();
    let accounts = Accounts::at_root(&gateway);
    let login = accounts.newcomer("climber");
    for path in [
        "/forecast/recursive/",
        "//forecast/recursive",
        "/forecast//recursive",
        "/Forecast/Recursive",
        "/forecast/%72ecursive",
        "/forecast%2Frecursive",
        "/status/../forecast/recursive",
        "/forecast/recursive;a=b",
        "/ADMIN/users",
        "/admin%2fusers",
        "/./admin/users",
        "/admin/users?role=admin",
        "/admin/",
        "/admin",
    ] {
        let answer = Request::post(path, r#"{"days": 7}"#).bearer(&login.access).send_to(gateway.address());
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.head);
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn b_role_05_nobody_at_all_learns_nothing_of_administration() {
    let behind = Behind::start();
    for path in ["/admin/audit-log", "/admin/users", "/admin/metrics", "/admin/anything"] {
        assert_refused(&behind.send(&Request::get(path)), 401, "Not authenticated");
    }
    let answers = guide_command(
        r#"curl "http://localhost:8000/admin/audit-log?limit=100" \
  -H "Authorization: Bearer ADMIN_TOKEN""#,
        behind.gateway.address(),
    );
    assert_eq!((answers[0].status, answers[0].body.as_str()), (401, r#"{"detail":"Invalid token"}"#));
}

#[test]
fn b_role_05_an_administrator_sees_the_users_without_their_secrets() {
    let behind = Behind::start();
    behind.accounts.register("newuser");
    let admin = behind.user("root", "admin");
    let answer = behind.send(&Request::get("/admin/users").bearer(&admin.access));
    assert_eq!(answer.status, 200, "{}", answer.text());
    for word in ["newuser", "root", "free", "admin"] {
        assert!(answer.text().contains(word), "{word}: {}", answer.text());
    }
    for word in ["password", "$2b$", "$argon2", "digest", "api_key"] {
        assert!(!answer.text().contains(word), "{word}: {}", answer.text());
    }
}

#[test]
fn b_role_06_b_ref_01_what_is_open_asks_for_nothing_and_the_documents_are_the_application_s() {
    let behind = Behind::start();
    for path in ["/", "/health", "/docs", "/openapi.json"] {
        let answer = behind.send(&Request::get(path));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    assert!(behind.send(&Request::get("/openapi.json")).text().contains("/predict"));
    // These judge a body, and not who sends it.
    for path in ["/auth/register", "/auth/login"] {
        assert_eq!(behind.send(&Request::post(path, "{}")).status, 422, "{path}");
    }
}

#[test]
fn b_role_07_the_forecast_of_the_guide_is_made() {
    let behind = Behind::start();
    let login = behind.accounts.newcomer("newuser");
    let command = r#"curl -X POST "http://localhost:8000/predict" \
  -H "Authorization: Bearer YOUR_ACCESS_TOKEN" \
  -H "Content-Type: application/json" \
  -d '{"days": 7}'"#;
    let answers =
        guide_command(&command.replace("YOUR_ACCESS_TOKEN", &login.access), behind.gateway.address());
    assert_eq!(answers[0].status, 200, "{answers:?}");
    assert!(answers[0].body.contains("predictions"), "{answers:?}");
    let answers = guide_command(command, behind.gateway.address());
    assert_eq!((answers[0].status, answers[0].body.as_str()), (401, r#"{"detail":"Invalid token"}"#));
}

#[test]
fn b_role_08_the_roles_are_those_of_the_guide_and_others_have_to_be_configured() {
    let behind = Behind::start();
    for role in ["free", "premium", "admin"] {
        let login = behind.user(&format!("a-{role}"), role);
        assert_eq!(behind.accounts.profile(&login.access).json()["role"], role);
        assert_forecast(&behind.send(&predict().bearer(&login.access)));
    }
    for role in ["professional", "read_only", "Admin", ""] {
        let command = behind.gateway.command("users add other --role").arg(role);
        let said = command.arg("--password-stdin").stdin(portcullis_tests::PASSWORD).ran().failed();
        assert!(said.contains("role"), "{said}");
        let said = behind.gateway.command("users role a-free").arg(role).ran().failed();
        assert!(said.contains("role"), "{said}");
    }
    let behind =
        Behind::with(|launch| launch.config("[roles.professional]\nlimit = \"120/minute per user\"\n"));
    let login = behind.user("worker", "professional");
    assert_eq!(behind.send(&predict().bearer(&login.access)).number("x-ratelimit-limit"), 120);
}
