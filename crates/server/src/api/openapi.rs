//! `/openapi.json`, made from the table of the endpoints and the shapes of their bodies.

use std::collections::BTreeMap;

use portcullis_core::identity::Scheme;
use portcullis_gate::reply::reason_phrase;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat,
    SchemaType, Type,
};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApiBuilder, Paths, Ref, RefOr, Required, Response,
    ResponseBuilder,
};

use super::answer::Answer;
use super::bodies::forms::{ID, ROLE, TEXT, USER_NAME};
use super::call::{Call, LARGEST_PAGE};
use super::endpoints::{self, Access, Endpoint, Gives, Group, Places};
use super::refusal::Refusal;
use super::service::State;
use super::shape::{Field, Form, Kind, Shape, Takes};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
/// How long the document may be kept, in seconds.
const KEPT_S: u32 = 300;

/// The refusals that every request may meet, whatever it asks for; what they say stands at
/// [`reason_phrase`].
const REFUSALS: [u16; 16] = [400, 403, 404, 405, 408, 409, 413, 414, 415, 417, 422, 429, 431, 500, 503, 504];

/// A problem document (RFC 9457).
static PROBLEM_SHAPE: Shape = Shape {
    name: "Problem",
    fields: &[
        Field::new("type", Kind::Text(&TEXT), "Names the kind of problem"),
        Field::new("title", Kind::Text(&TEXT), "The status in words"),
        Field::new("status", Kind::Integer(400, 599), "The status"),
        Field::new("detail", Kind::Text(&TEXT), "A sentence for people"),
        Field::new("request_id", Kind::Text(&TEXT), "Finds the request in the log"),
        Field::new("code", Kind::Text(&TEXT), "The last word of `type`").omissible(),
        Field::new("retry_after", Kind::Integer(0, i64::MAX), "Seconds to wait").omissible(),
        Field::new("errors", Kind::Any, "What is wrong, place by place").omissible(),
        Field::new("attempt", Kind::Text(&TEXT), "For `login/totp`: the login waits for the second factor")
            .omissible(),
        Field::new("expires_in", Kind::Integer(0, i64::MAX), "Seconds for which it waits").omissible(),
    ],
};

/// `GET /openapi.json`
#[expect(clippy::unnecessary_wraps, reason = "every endpoint has this form")]
pub fn show(_: &State, call: &Call) -> Result<Answer, Refusal> {
    Ok(Answer::document(JSON, call.live.document.clone(), KEPT_S))
}

/// The document for endpoints at these places, where these roles can be given.
pub fn document(places: &Places, roles: &[String]) -> String {
    let mut schemas = BTreeMap::from([(PROBLEM_SHAPE.name, &PROBLEM_SHAPE)]);
    let mut paths = Paths::new();
    for (_, endpoint) in endpoints::placed(places) {
        let path = endpoint.whole_path(places).unwrap_or_default();
        paths.add_path_operation(path, vec![method(endpoint)], operation(endpoint));
        collect(endpoint, &mut schemas);
    }
    let mut components = Components::new();
    for (name, shape) in schemas {
        components.schemas.insert(name.to_owned(), RefOr::T(object(shape, roles)));
    }
    for (name, scheme) in security_schemes() {
        components.add_security_scheme(name, scheme);
    }
    for status in REFUSALS.into_iter().chain([401]) {
        components.responses.insert(name_of(status), RefOr::T(refusal(status)));
    }
    let description = "Who may come (users, tokens, API keys, sessions and devices) and what they did. Every \
        refusal is a problem document (RFC 9457), or what the configuration says instead.";
    let document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Portcullis")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(description))
                .build(),
        )
        .paths(paths)
        .components(Some(components))
        .tags(Some(
            [
                ("auth", "What people do for themselves"),
                ("admin", "What administrators do"),
                ("documents", "Documents"),
            ]
            .map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build()),
        ))
        .build();
    // Its values are texts and numbers of ours: there is nothing that cannot be written.
    document.to_json().unwrap_or_default()
}

fn operation(endpoint: &Endpoint) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(endpoint.id))
        .summary(Some(endpoint.summary))
        .tag(tag(endpoint.group))
        .request_body(request_body(&endpoint.takes))
        .response(endpoint.status.to_string(), success(endpoint));
    for parameter in parameters(endpoint) {
        operation = operation.parameter(parameter);
    }
    for requirement in requirements(endpoint) {
        operation = operation.security(requirement);
    }
    for status in REFUSALS.into_iter().chain([401]) {
        operation = operation.response(status.to_string(), Ref::from_response_name(name_of(status)));
    }
    operation.build()
}

fn method(endpoint: &Endpoint) -> HttpMethod {
    match endpoint.method {
        "POST" => HttpMethod::Post,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// The group of an endpoint as the document names it.
pub fn tag(group: Group) -> &'static str {
    match group {
        Group::Auth => "auth",
        Group::Admin => "admin",
        Group::Docs | Group::OpenApi | Group::Jwks => "documents",
    }
}

fn parameters(endpoint: &Endpoint) -> Vec<Parameter> {
    let parameter = |name: &str, place, required, about: &str, schema: Schema| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .description(Some(about))
            .schema(Some(schema))
            .build()
    };
    let mut all = Vec::new();
    if endpoint.path.contains("{id}") {
        let named = endpoint.path.starts_with("/users");
        let (form, about) = if named { (&USER_NAME, "An id or a name") } else { (&ID, "An id") };
        all.push(parameter("id", ParameterIn::Path, Required::True, about, text(form, false, "")));
    }
    if let Some(after) = endpoint.pages {
        let limit = value(Kind::Integer(1, i64::from(LARGEST_PAGE)), false, "");
        all.push(parameter(
            "limit",
            ParameterIn::Query,
            Required::False,
            "The most entries; 100 without it",
            limit,
        ));
        let about = "Where the page begins: `next` of the page before";
        all.push(parameter("after", ParameterIn::Query, Required::False, about, text(after, false, "")));
    }
    all.extend(endpoint.query.iter().map(|field| {
        let schema = value(field.kind, false, "");
        parameter(field.name, ParameterIn::Query, Required::False, field.about, schema)
    }));
    all
}

fn requirements(endpoint: &Endpoint) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    let mut all = Vec::new();
    if matches!(endpoint.access, Access::Open | Access::Optional(_)) {
        all.push(SecurityRequirement::default());
    }
    for scheme in endpoint.schemes() {
        match scheme {
            Scheme::Bearer => all.push(SecurityRequirement::new("bearer", none)),
            Scheme::ApiKey => all.push(SecurityRequirement::new("api_key", none)),
            Scheme::Session => {
                all.push(SecurityRequirement::new("session", none).add("device", none));
                all.push(SecurityRequirement::new("cookie", none));
            }
            Scheme::IngestToken | Scheme::FirstMessage => {}
        }
    }
    all
}

fn security_schemes() -> [(&'static str, SecurityScheme); 5] {
    let header = |name: &str, about: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, about)))
    };
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("JWT".to_owned());
    let cookie = ApiKeyValue::with_description("__Host-session", "A session in a browser");
    [
        ("api_key", header("X-API-Key", "An API key")),
        ("bearer", SecurityScheme::Http(bearer)),
        ("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
        ("device", header("X-Device-ID", "The device that the session is bound to")),
        ("session", header("X-Session-ID", "A session, with its device")),
    ]
}

fn request_body(takes: &Takes) -> Option<RequestBody> {
    let mut schemas = takes.shapes().map(|shape| RefOr::Ref(Ref::from_schema_name(shape.name)));
    let (first, second) = (schemas.next()?, schemas.next());
    let schema = match second {
        None => first,
        Some(second) => RefOr::T(OneOfBuilder::new().item(first).item(second).build().into()),
    };
    let required = if takes.is_required() { Required::True } else { Required::False };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    Some(RequestBodyBuilder::new().content(JSON, content).required(Some(required)).build())
}

fn success(endpoint: &Endpoint) -> Response {
    let response = ResponseBuilder::new().description(reason(endpoint.status));
    match endpoint.gives {
        Gives::Nothing => response.build(),
        Gives::Json(shape) => {
            let schema = RefOr::Ref(Ref::from_schema_name(shape.name));
            response.content(JSON, ContentBuilder::new().schema(Some(schema)).build()).build()
        }
        Gives::Document(media_type) => {
            let essence = media_type.split(';').next().unwrap_or(media_type);
            let schema = if essence == JSON {
                value(Kind::Any, false, "")
            } else {
                text(&TEXT_OF_ANY_LENGTH, false, "")
            };
            response.content(essence, ContentBuilder::new().schema(Some(schema)).build()).build()
        }
    }
}

static TEXT_OF_ANY_LENGTH: Form = Form { length: (0, 0), pattern: "", ..TEXT_FORM };
const TEXT_FORM: Form = Form { is: "text", length: (0, 0), pattern: "", format: "", fits: |_| true };

fn refusal(status: u16) -> Response {
    let problem = RefOr::Ref(Ref::from_schema_name(PROBLEM_SHAPE.name));
    ResponseBuilder::new()
        .description(reason_phrase(status))
        .content(PROBLEM, ContentBuilder::new().schema(Some(problem)).build())
        .content(JSON, ContentBuilder::new().schema(Some(value(Kind::Any, false, ""))).build())
        .build()
}

fn reason(status: u16) -> &'static str {
    match status {
        201 => "Created",
        204 => "Done",
        _ => "OK",
    }
}

fn name_of(status: u16) -> String {
    format!("Refused{status}")
}

/// Every shape that an endpoint names, and those that these name.
fn collect(endpoint: &Endpoint, schemas: &mut BTreeMap<&'static str, &'static Shape>) {
    let given = match endpoint.gives {
        Gives::Json(shape) => Some(shape),
        Gives::Nothing | Gives::Document(_) => None,
    };
    let mut left: Vec<&'static Shape> = endpoint.takes.shapes().chain(given).collect();
    while let Some(shape) = left.pop() {
        schemas.insert(shape.name, shape);
        left.extend(shape.fields.iter().filter_map(|field| match field.kind {
            Kind::Thing(shape) | Kind::Things(shape) => Some(shape),
            _ => None,
        }));
    }
}

fn object(shape: &Shape, roles: &[String]) -> Schema {
    let mut object = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Object))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    for field in shape.fields {
        object = object.property(field.name, property(field, roles));
        if field.required {
            object = object.required(field.name);
        }
    }
    object.build().into()
}

fn property(field: &Field, roles: &[String]) -> RefOr<Schema> {
    match field.kind {
        Kind::Text(form) if std::ptr::eq(form, &raw const ROLE) && !roles.is_empty() => {
            RefOr::T(one_of(roles, field.null, field.about))
        }
        Kind::Thing(shape) => RefOr::Ref(Ref::from_schema_name(shape.name)),
        kind => RefOr::T(value(kind, field.null, field.about)),
    }
}

fn value(kind: Kind, null: bool, about: &str) -> Schema {
    let plain = |of: Type| {
        let kind = if null { SchemaType::Array(vec![of, Type::Null]) } else { SchemaType::Type(of) };
        ObjectBuilder::new().schema_type(kind).description(described(about))
    };
    match kind {
        Kind::Text(form) => text(form, null, about),
        Kind::Integer(least, most) => {
            let object = plain(Type::Integer).minimum(Some(least as f64));
            // What is no bound but the end of the type says nothing to anybody.
            if most == i64::MAX {
                object.build().into()
            } else {
                object.maximum(Some(most as f64)).build().into()
            }
        }
        Kind::Number => plain(Type::Number).build().into(),
        Kind::Boolean => plain(Type::Boolean).build().into(),
        Kind::Yes => plain(Type::Boolean).enum_values(Some([true])).build().into(),
        Kind::Texts(form, most) => list(text(form, false, ""), most, null, about),
        Kind::Lists(form, most) => plain(Type::Object)
            .property_names(Some(text(form, false, "")))
            .additional_properties(Some(AdditionalProperties::RefOr(RefOr::T(filled_list(form, most)))))
            .max_properties(Some(most))
            .build()
            .into(),
        Kind::Moment => {
            plain(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build().into()
        }
        Kind::Thing(shape) => OneOfBuilder::new().item(Ref::from_schema_name(shape.name)).build().into(),
        Kind::Things(shape) => ArrayBuilder::new()
            .items(RefOr::Ref(Ref::from_schema_name(shape.name)))
            .description(described(about))
            .build()
            .into(),
        Kind::Any => ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .description(described(about))
            .build()
            .into(),
    }
}

fn text(form: &Form, null: bool, about: &str) -> Schema {
    let kind =
        if null { SchemaType::Array(vec![Type::String, Type::Null]) } else { SchemaType::Type(Type::String) };
    let (least, most) = form.length;
    let mut object = ObjectBuilder::new().schema_type(kind).description(described(about));
    if least > 0 {
        object = object.min_length(Some(least));
    }
    if most > 0 {
        object = object.max_length(Some(most));
    }
    if !form.pattern.is_empty() {
        object = object.pattern(Some(form.pattern));
    }
    if !form.format.is_empty() {
        object = object.format(Some(SchemaFormat::Custom(form.format.to_owned())));
    }
    object.build().into()
}

/// The name of a role that there is.
fn one_of(roles: &[String], null: bool, about: &str) -> Schema {
    let names = roles.iter().cloned().map(serde_json::Value::from);
    let names = names.chain(null.then_some(serde_json::Value::Null));
    ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .enum_values(Some(names))
        .description(described(about))
        .build()
        .into()
}

fn list(item: Schema, most: usize, null: bool, about: &str) -> Schema {
    let kind =
        if null { SchemaType::Array(vec![Type::Array, Type::Null]) } else { SchemaType::Type(Type::Array) };
    ArrayBuilder::new()
        .schema_type(kind)
        .items(RefOr::T(item))
        .max_items(Some(most))
        .unique_items(true)
        .description(described(about))
        .build()
        .into()
}

fn filled_list(form: &Form, most: usize) -> Schema {
    ArrayBuilder::new()
        .items(RefOr::T(text(form, false, "")))
        .min_items(Some(1))
        .max_items(Some(most))
        .unique_items(true)
        .build()
        .into()
}

fn described(about: &str) -> Option<String> {
    (!about.is_empty()).then(|| about.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn parsed() -> Value {
        serde_json::from_str(&document(
            &Places::below("/portcullis"),
            &["free".to_owned(), "admin".to_owned()],
        ))
        .unwrap()
    }

    #[test]
    fn the_document_names_every_endpoint_and_no_other() {
        let document = parsed();
        assert_eq!(document["openapi"], "3.1.0");
        let paths = document["paths"].as_object().unwrap();
        let operations: usize = paths.values().map(|item| item.as_object().unwrap().len()).sum();
        assert_eq!(operations, endpoints::all().count());
        for endpoint in endpoints::all() {
            let path = endpoint.whole_path(&Places::below("/portcullis")).unwrap();
            let operation = &paths[&path][endpoint.method.to_lowercase()];
            assert_eq!(operation["operationId"], endpoint.id);
            assert!(operation["responses"][endpoint.status.to_string()].is_object(), "{}", endpoint.id);
            for status in REFUSALS {
                assert!(operation["responses"][status.to_string()].is_object(), "{} {status}", endpoint.id);
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = parsed();
        let mut left = vec![&document];
        let mut references = 0;
        while let Some(value) = left.pop() {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                references += 1;
                assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            }
            match value {
                Value::Object(members) => left.extend(members.values()),
                Value::Array(items) => left.extend(items),
                _ => {}
            }
        }
        assert!(references > 100);
    }

    #[test]
    fn bodies_are_shown_as_they_are_judged() {
        let document = parsed();
        let register = &document["components"]["schemas"]["Register"];
        assert_eq!(register["additionalProperties"], false);
        assert_eq!(register["required"], serde_json::json!(["username", "email", "password"]));
        assert_eq!(register["properties"]["username"]["maxLength"], 64);
        assert_eq!(register["properties"]["role"]["enum"], serde_json::json!(["free", "admin", null]));
        let paths = &document["paths"];
        let sessions = &paths["/portcullis/auth/sessions"]["post"]["requestBody"];
        assert_eq!(sessions["content"][JSON]["schema"]["oneOf"].as_array().unwrap().len(), 2);
        let pages = paths["/portcullis/admin/keys"]["get"]["parameters"].as_array().unwrap();
        assert_eq!(pages[0]["schema"]["maximum"].as_f64(), Some(1000.0));
        let open = &paths["/portcullis/auth/register"]["post"]["security"];
        assert_eq!(open[0], serde_json::json!({}), "a credential may be left out");
    }
}
