//! The language as functions find it, and their results and errors.

use functions::{AnswerForm, ConsoleLevel, FunctionEnd, FunctionEngine, FunctionStop};
use serde_json::json;

use crate::rig::{error, invocation, lines, pool, run, value};

#[tokio::test]
async fn every_form_of_a_function_runs() {
    let pool = pool();
    for source in [
        "function add(a,b) { return a + b; }",
        "async function add(a,b) { return a + b; };\n",
        "(a, b) => a + b",
        "async (a, b) => { await null; return a + b; } // adds",
        "/* adds */ function(a, b) { return Promise.resolve(a + b) }",
        "async function add(a,b) { await (new Promise((res,_) => setTimeout(res, 20))); return a + b; }",
        "(a, b) => ({ then(settle) { settle(a + b) } })",
    ] {
        assert_eq!(value(&run(&pool, source, json!([4, 7])).await), json!(11), "{source}");
    }
    for (source, told) in [
        ("7", "SyntaxError: the source is no function: write one, such as (a, b) => a + b"),
        ("function (", "SyntaxError: "),
        ("", "SyntaxError: "),
        ("a => {\0}", "SyntaxError: the source has a character of number 0"),
    ] {
        let ran = run(&pool, source, json!([])).await;
        assert!(error(&ran).starts_with(told), "{source}: {:?}", ran.end);
    }
}

#[tokio::test]
async fn what_is_returned_is_json() {
    let pool = pool();
    for (source, result) in [
        ("() => undefined", json!(null)),
        ("() => NaN", json!(null)),
        ("() => ({ a: [1, 'é', { b: null }], c: undefined })", json!({ "a": [1, "é", { "b": null }] })),
        ("() => new Date(0)", json!("1970-01-01T00:00:00.000Z")),
        ("x => x", json!({ "deep": [[[]]] })),
    ] {
        assert_eq!(value(&run(&pool, source, json!([{ "deep": [[[]]] }])).await), result, "{source}");
    }
    for (source, told) in [
        ("() => 10n", "TypeError: "),
        ("() => { const a = {}; a.a = a; return a }", "TypeError: "),
        ("() => () => 1", "TypeError: a function cannot be a result: it has no JSON"),
        ("() => Symbol('x')", "TypeError: a value of this kind cannot be a result: it has no JSON"),
        ("() => ({ toJSON() { throw new RangeError('no') } })", "RangeError: no"),
    ] {
        let ran = run(&pool, source, json!([])).await;
        assert!(error(&ran).starts_with(told), "{source}: {:?}", ran.end);
    }
    // Half a pair of surrogates is no text: JSON writes it as it is.
    let ran = run(&pool, "() => '\\ud800'", json!([])).await;
    assert!(matches!(&ran.end, FunctionEnd::Value(value) if value.get() == "\"\\ud800\""), "{:?}", ran.end);
}

#[tokio::test]
async fn a_result_as_text_is_what_string_says_and_loses_nothing() {
    let pool = pool();
    for (source, text) in [
        ("() => 11", "11"),
        ("() => 'as it is'", "as it is"),
        ("() => undefined", "undefined"),
        ("() => null", "null"),
        ("() => NaN", "NaN"),
        ("() => 10n", "10"),
        ("() => [1, [2, 'x']]", "[1,[2,\"x\"]]"),
        ("() => ({ a: 1 })", "{\"a\":1}"),
        ("() => new Error('told')", "Error: told"),
        ("() => ({ toString() { return 'mine' } })", "mine"),
        ("() => { const a = {}; a.a = a; return a }", "[object Object]"),
        ("() => '\\ud800'", "\u{fffd}\u{fffd}\u{fffd}"),
    ] {
        let mut asked = invocation(source, &json!([]));
        asked.form = AnswerForm::Text;
        let ran = pool.run(asked).await.unwrap();
        let told = value(&ran);
        let told = told.as_str().unwrap();
        // A lone surrogate is replaced, by however many characters.
        assert!(told == text || text.contains('\u{fffd}') && told.contains('\u{fffd}'), "{source}: {told}");
    }
}

#[tokio::test]
async fn what_is_thrown_has_name_message_and_place() {
    let pool = pool();
    let ran = run(&pool, "function f() {\n  throw new TypeError('no such thing');\n}", json!([])).await;
    let FunctionEnd::Failed(error) = &ran.end else { panic!("{:?}", ran.end) };
    assert_eq!((error.name.as_str(), error.message.as_str()), ("TypeError", "no such thing"));
    assert_eq!(error.at.unwrap().0, 2);
    let ran = run(&pool, "() => {\n\n  let x = ;\n}", json!([])).await;
    let FunctionEnd::Failed(error) = &ran.end else { panic!("{:?}", ran.end) };
    assert_eq!((error.name.as_str(), error.at.unwrap().0), ("SyntaxError", 3));
    for (source, told) in [
        ("() => { throw 3 }", "3"),
        ("() => { throw { a: 1 } }", "[object Object]"),
        ("() => { throw null }", "null"),
        ("() => { throw Symbol('x') }", "Symbol(x)"),
        ("() => { throw Object.create(null) }", "a value without a text"),
        ("async () => { throw new RangeError('later') }", "RangeError: later"),
        ("() => { class Mine extends Error { get name() { return 'Mine' } } throw new Mine('own') }", "Mine: own"),
        (
            "() => { const e = new Error('x'); Object.defineProperty(e, 'message', { get() { throw 1 } }); throw e }",
            "Error",
        ),
        ("() => missing", "ReferenceError: missing is not defined"),
        ("() => JSON.parse('{')", "SyntaxError: "),
    ] {
        let ran = run(&pool, source, json!([])).await;
        let shown = self::error(&ran);
        assert!(shown == told || told.ends_with(": ") && shown.starts_with(told), "{source}: {shown}");
    }
}

#[tokio::test]
async fn timers_run_in_real_time_and_in_order() {
    let pool = pool();
    let source = "async () => {
        const seen = [];
        setTimeout(text => seen.push(text), 30, 'third');
        setTimeout(() => seen.push('first'), 0);
        const gone = setTimeout(() => seen.push('never'), 10);
        clearTimeout(gone);
        clearTimeout('no timer');
        let count = 0;
        await new Promise(done => {
            const every = setInterval(() => { if (++count === 3) { clearInterval(every); done() } }, 1);
        });
        await Promise.resolve().then(() => seen.push('after ' + count));
        await new Promise(done => setTimeout(done, 40));
        return seen;
    }";
    let ran = run(&pool, source, json!([])).await;
    let seen = value(&ran);
    assert_eq!(seen[0], "first");
    assert!(seen.as_array().unwrap().contains(&json!("third")) && !seen.to_string().contains("never"), "{seen}");
    // Waits for timers are the function's time.
    assert!(ran.function_ns >= 40_000_000, "{}", ran.function_ns);
    let ran = run(&pool, "async () => { setTimeout(() => { throw new Error('alone') }, 0); await new Promise(done => setTimeout(done, 5)); return 1 }", json!([])).await;
    assert_eq!((value(&ran), lines(&ran)), (json!(1), vec!["uncaught in a timer: Error: alone"]));
    let ran = run(&pool, "() => { for (;;) setTimeout(() => 1, 1e9) }", json!([])).await;
    assert_eq!(error(&ran), "RangeError: a function has at most 10,000 timers");
}

#[tokio::test]
async fn a_promise_that_nothing_settles_is_told_at_once() {
    let pool = pool();
    for source in ["() => new Promise(() => {})", "async () => { await new Promise(() => {}) }"] {
        let ran = run(&pool, source, json!([])).await;
        assert!(matches!(ran.end, FunctionEnd::Stopped(FunctionStop::NeverSettles)), "{:?}", ran.end);
        assert_eq!(value(&run(&pool, "() => 1", json!([])).await), json!(1));
    }
}

#[tokio::test]
async fn lines_are_kept_with_their_level() {
    let pool = pool();
    let source = "() => {
        console.log('plain', 1, null, undefined, [1, { a: 2 }], new Error('odd'), Symbol('s'), 10n);
        console.warn('careful'); console.error('bad'); console.debug('small'); console.log();
        console.log({ toJSON() { throw 1 }, toString() { throw 2 } });
        console.log('two\\nlines');
    }";
    let ran = run(&pool, source, json!([])).await;
    let plain = "plain 1 null undefined [1,{\"a\":2}] Error: odd Symbol(s) 10";
    let expected = [plain, "careful", "bad", "small", "", "(a value that cannot be shown)", "two\nlines"];
    assert_eq!(lines(&ran), expected);
    let levels: Vec<_> = ran.lines.iter().map(|line| line.level).collect();
    assert_eq!(levels[..4], [ConsoleLevel::Info, ConsoleLevel::Warn, ConsoleLevel::Error, ConsoleLevel::Debug]);
    assert_eq!(ran.cut, 0);
}

#[tokio::test]
async fn a_little_of_what_browsers_have_is_there() {
    let pool = pool();
    for (source, result) in [
        ("() => [btoa('hi'), atob('aGk=')]", json!(["aGk=", "hi"])),
        ("() => new TextDecoder().decode(new TextEncoder().encode('aé€😀'))", json!("aé€😀")),
        (
            "() => { try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])) } catch (e) { return e.name } }",
            json!("TypeError"),
        ),
        (
            "() => structuredClone({ a: new Date(0), b: [1, , new Map([[1, new Set([2])]])] }).b[2].get(1).has(2)",
            json!(true),
        ),
        ("() => { const a = { }; a.a = a; const b = structuredClone(a); return b.a === b && b !== a }", json!(true)),
        ("() => { try { structuredClone(() => 1) } catch (e) { return e.name } }", json!("DataCloneError")),
        ("() => /^[0-9a-f-]{36}$/.test(crypto.randomUUID())", json!(true)),
        (
            "() => { const u = new URL('../x?a=1&b=%20', 'https://u:p@h.example:8/y/z#f'); u.searchParams.append('c', 'ü ~'); u.port = '443'; return [u.href, u.origin, u.searchParams.get('b'), u.host] }",
            json!(["https://u:p@h.example/x?a=1&b=+&c=%C3%BC+%7E", "https://h.example", " ", "h.example"]),
        ),
        ("() => { try { new URL('no') } catch (e) { return String(e) } }", json!("TypeError: Invalid URL")),
        ("() => { URL = 7; return URL }", json!(7)),
        ("() => typeof queueMicrotask", json!("function")),
        (
            "() => [typeof fetch, typeof require, typeof process, typeof Deno, typeof std, typeof os]",
            json!(["undefined", "undefined", "undefined", "undefined", "undefined", "undefined"]),
        ),
        ("() => new Date(2026, 0, 1).getTimezoneOffset()", json!(0)),
    ] {
        assert_eq!(value(&run(&pool, source, json!([])).await), result, "{source}");
    }
}

#[tokio::test]
async fn a_source_is_read_without_a_call() {
    let pool = pool();
    let check = async |source: &str| pool.check("a", FunctionEngine::JavaScript, source).await.unwrap();
    let signature = check("async function add(a, b = 2, ...rest) { throw 1 }").await.unwrap();
    assert_eq!(signature.parameters, ["a", "b", "...rest"]);
    let error = check("(a) => {\n  return a +;\n}").await.unwrap_err();
    assert_eq!((error.name.as_str(), error.at.map(|at| at.0)), ("SyntaxError", Some(2)));
    assert_eq!(check("7").await.unwrap_err().name, "SyntaxError");
    // What would not end is given up, and the next source is read.
    assert_eq!(check("(() => { for (;;); })()").await.unwrap_err().name, "deadline");
    assert_eq!(check("x => x").await.unwrap().parameters, ["x"]);
}
