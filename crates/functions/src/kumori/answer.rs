//! Requests to answers.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::route::Route;
use super::store::{Faas, FaasAccess, FaasError, FaasJob};
use crate::frame::FunctionEnd;

/// Bytes of a body at most.
const MOST_BODY: usize = 1 << 20;
/// Characters of a name at most, and of what an error repeats of a body.
const LONGEST_NAME: usize = 128;
const LONGEST_REPEATED: usize = 200;
const NANOSECONDS_IN_MS: u64 = 1_000_000;

/// A request. Its content type says nothing here, whatever it is.
#[derive(Clone, Copy, Debug)]
pub struct FaasRequest<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// As the request line has it.
    pub path: &'a str,
    /// All of it.
    pub body: &'a [u8],
    /// The caller's rights.
    pub access: FaasAccess<'a>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaasAnswer {
    /// Of HTTP.
    pub status: u16,
    /// JSON.
    pub body: String,
}

impl FaasAnswer {
    fn new(status: u16, error: bool, res: &Value) -> Self {
        Self { status, body: json!({ "error": error, "res": res }).to_string() }
    }
}

/// An error, in words for the caller.
struct Refusal(String);

impl From<FaasError> for Refusal {
    fn from(error: FaasError) -> Self {
        Self(format!("[ERR] {error}"))
    }
}

/// Answers a request.
pub async fn answer(faas: &dyn Faas, request: FaasRequest<'_>) -> FaasAnswer {
    let Some(route) = Route::read(request.path) else { return not_found() };
    if request.access == FaasAccess::Nobody {
        return FaasAnswer::new(401, true, &json!("[ERR] A token is needed."));
    }
    match respond(faas, &route, request).await {
        Some(Ok(res)) => FaasAnswer::new(200, false, &res),
        Some(Err(Refusal(words))) => FaasAnswer::new(200, true, &json!(words)),
        None => not_found(),
    }
}

fn not_found() -> FaasAnswer {
    FaasAnswer::new(404, true, &json!("[ERR] Not found."))
}

/// None where the method means nothing there.
async fn respond(faas: &dyn Faas, route: &Route, request: FaasRequest<'_>) -> Option<Result<Value, Refusal>> {
    // What is another's is not there.
    if let Some(user) = route.user().filter(|user| !request.access.may_see(user)) {
        return Some(Err(no_user(user)));
    }
    Some(match (request.method, route) {
        ("POST", Route::User(user)) if request.access.may_register() => register(faas, user).await,
        ("DELETE", Route::User(user)) if request.access.may_register() => done(faas.unregister(user).await),
        ("POST" | "DELETE", Route::User(_)) => {
            Err(Refusal("[ERR] Only the operator may register and remove users.".to_owned()))
        }
        ("GET", Route::Time(user)) => time(faas, user).await,
        ("GET", Route::Functions(user)) => functions(faas, user).await.map(|functions| json!(functions)),
        ("GET", Route::Function(user, name)) => {
            function(faas, user, name).await.map(|source| json!({ "f_name": name, "src": source }))
        }
        ("POST", Route::Function(user, name)) => put(faas, user, name, request.body).await,
        ("DELETE", Route::Function(user, name)) => remove(faas, user, name).await,
        ("POST", Route::Run(user, name)) => run(faas, user, name, request.body).await,
        ("GET", Route::Job(id)) => ended(faas, id, request.access).await.map(|ended| json!(u8::from(ended.is_some()))),
        ("GET", Route::Outcome(id)) => outcome(faas, id, request.access).await,
        ("DELETE", Route::Job(id)) => remove_job(faas, id, request.access).await,
        _ => return None,
    })
}

fn done(result: Result<(), FaasError>) -> Result<Value, Refusal> {
    result?;
    Ok(json!(1))
}

fn no_user(user: &str) -> Refusal {
    Refusal(format!("[ERR] User <{user}> does not exist."))
}

/// A name that can be kept and shown.
fn checked<'a>(what: &str, name: &'a str) -> Result<&'a str, Refusal> {
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        let name = repeated(name.as_bytes());
        return Err(Refusal(format!(
            "[ERR] Invalid {what} ({name}) - longer than 128 characters, or with control characters"
        )));
    }
    Ok(name)
}

/// The part of a body that an error repeats.
fn repeated(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut repeated: String = text.chars().take(LONGEST_REPEATED).filter(|c| !c.is_control()).collect();
    if text.chars().nth(LONGEST_REPEATED).is_some() {
        repeated.push('…');
    }
    repeated
}

async fn register(faas: &dyn Faas, user: &str) -> Result<Value, Refusal> {
    done(faas.register(checked("user name", user)?).await)
}

async fn time(faas: &dyn Faas, user: &str) -> Result<Value, Refusal> {
    let time = faas.time(user).await?.ok_or_else(|| no_user(user))?;
    Ok(json!(time / NANOSECONDS_IN_MS))
}

async fn functions(faas: &dyn Faas, user: &str) -> Result<std::collections::BTreeMap<String, String>, Refusal> {
    faas.functions(user).await?.ok_or_else(|| no_user(user))
}

async fn function(faas: &dyn Faas, user: &str, name: &str) -> Result<String, Refusal> {
    let source = functions(faas, user).await?.remove(name);
    source.ok_or_else(|| Refusal(format!("[ERR] User function <{name}> does not exist.")))
}

async fn put(faas: &dyn Faas, user: &str, name: &str, body: &[u8]) -> Result<Value, Refusal> {
    functions(faas, user).await?;
    let name = checked("function name", name)?;
    let most = crate::pool::MOST_SOURCE;
    if body.len() > most {
        return Err(Refusal(format!("[ERR] Invalid source of <{name}> - {} bytes, at most {most}", body.len())));
    }
    let source = std::str::from_utf8(body);
    let source = source.map_err(|_| Refusal(format!("[ERR] Invalid source of <{name}> - not UTF-8")))?;
    done(faas.put_function(user, name, source).await)
}

async fn remove(faas: &dyn Faas, user: &str, name: &str) -> Result<Value, Refusal> {
    functions(faas, user).await?;
    done(faas.remove_function(user, name).await)
}

async fn run(faas: &dyn Faas, user: &str, name: &str, body: &[u8]) -> Result<Value, Refusal> {
    function(faas, user, name).await?;
    let invalid = |why: &str| Refusal(format!("[ERR] Invalid argv ({}) - {why}", repeated(body)));
    if body.len() > MOST_BODY {
        return Err(invalid("larger than 1 MiB"));
    }
    let argv: Box<RawValue> = serde_json::from_slice(body).map_err(|_| invalid("invalid JSON"))?;
    if !argv.get().starts_with('[') {
        return Err(invalid("not an array"));
    }
    Ok(json!(faas.submit(user, name, argv).await?))
}

/// A job that may be seen; none where there is none.
async fn find(faas: &dyn Faas, id: &str, access: FaasAccess<'_>) -> Result<Option<FaasJob>, Refusal> {
    if !faas.is_job_id(id) {
        return Err(Refusal(format!("[ERR] Invalid job_id ({})", repeated(id.as_bytes()))));
    }
    Ok(faas.job(id).await?.filter(|job| access.may_see(&job.user)))
}

/// The text that a job ended with, if it has.
async fn ended(faas: &dyn Faas, id: &str, access: FaasAccess<'_>) -> Result<Option<String>, Refusal> {
    let job = find(faas, id, access).await?;
    job.map(|job| job.ended).ok_or_else(|| Refusal(format!("[ERR] Job <{id}> does not exist.")))
}

async fn outcome(faas: &dyn Faas, id: &str, access: FaasAccess<'_>) -> Result<Value, Refusal> {
    let ended = ended(faas, id, access).await?;
    ended.map(Value::from).ok_or_else(|| Refusal(format!("[ERR] Job <{id}> has not ended.")))
}

async fn remove_job(faas: &dyn Faas, id: &str, access: FaasAccess<'_>) -> Result<Value, Refusal> {
    match find(faas, id, access).await? {
        Some(_) => Ok(json!(faas.remove_job(id).await?)),
        None => Ok(json!(0)),
    }
}

/// The end of a run as `/j/ID/res` shows it: the text of its result or of its error.
pub fn shown(end: &FunctionEnd) -> String {
    match end {
        // It was asked for as text.
        FunctionEnd::Value(value) => serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned()),
        FunctionEnd::Failed(error) => error.to_string(),
        FunctionEnd::Stopped(stop) => format!("{}: {stop}", stop.name()),
        FunctionEnd::Lost(end) => format!("lost: {end}"),
    }
}
