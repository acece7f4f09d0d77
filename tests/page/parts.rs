//! Parts of the page, each with what no session of a test would bring about by itself.

use serde_json::json;

use crate::Seen;

/// Keeps the socket of a page where a test finds it: run before anything of the page's own.
const SOCKET: &str = "
    const Own = WebSocket;
    window.WebSocket = class extends Own { constructor(...of) { super(...of); window.socket = this; } };";

#[test]
fn message_that_does_not_read_or_follow_is_said_and_everything_asked_for_anew() {
    let seen = Seen::start();
    let browser = &seen.browser;
    browser.tool("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": SOCKET }));
    browser.run("location.reload()");
    browser.until("the page", "window.socket && document.body.innerText.includes('3 of 3 live')");
    for strange in [
        "'no JSON'",
        "'{\"seq\":2,\"frame\":{\"seq\":'",
        "'{\"seq\":99,\"frame\":{\"seq\":99,\"now_ms\":1,\"set\":{\"app\":\"of another\"}}}'",
        "'x'.repeat(64 << 20)",
    ] {
        browser.run(&format!("window.before = window.socket; window.socket.onmessage({{ data: {strange} }})"));
        browser.until(
            "another socket",
            "window.socket !== window.before && document.body.innerText.includes('3 of 3 live')",
        );
        browser.shows("everything is asked for anew");
        assert!(!browser.text().contains("of another"), "{strange}");
        browser.run("document.querySelector('.notice button').click()");
        browser.until("no notice", "!document.querySelector('.notice')");
    }
    // A later version may tell more.
    browser.run("window.socket.onmessage({ data: '{\"later\":{\"of\":[1]}}' })");
    browser.run("window.socket.onmessage({ data: `[${'1,'.repeat(32 << 20)}1]` })");
    seen.ask(1);
    browser.until("figures", "/[0-9.]+ (µs|ms)/.test(document.querySelector('main table tbody')?.innerText ?? '')");
    assert!(!browser.text().contains("asked for anew"), "{}", browser.text());
    seen.is_quiet();
}

/// Draws values and lines without a pattern; answers with what became markup, or with how many were drawn.
const DRAWN: &str = r#"
    const done = arguments[arguments.length - 1];
    const hostile = ['<img src=x onerror=document.title="hit">', '</script><script>document.title="hit"</script>', '${document.title="hit"}',
      'javascript:document.title="hit"', '\u001b[31mred\u001b[0m \u001b]8;;http://elsewhere.example\u0007link\u001b]8;;\u0007', '\u202eabc\u2066', '\ud800', '\u0000',
      '__proto__', 'constructor', 'toString', '"\'&<>`', '<!--', '{{x}}', '?lit$1$', ''];
    let seed = 7;
    const below = (n) => (seed = (seed * 48271) % 2147483647) % n;
    const word = () => hostile[below(hostile.length)] + (below(2) ? hostile[below(hostile.length)] : '');
    const value = (depth) => {
      const kind = below(depth ? 6 : 4);
      if (kind === 0) return below(1000) / 8 - 9;
      if (kind === 1) return [null, true, false, -0, 1e300][below(5)];
      if (kind < 4) return word();
      const inner = Array.from({ length: below(7) }, () => value(depth - 1));
      if (kind === 4) return inner;
      return JSON.parse(`{${inner.map((one) => `${JSON.stringify(word())}:${JSON.stringify(one) ?? 'null'}`).join(',')}}`);
    };
    const part = (name) => import(`${location.origin}/${name}.js`);
    Promise.all([part('tree'), part('logs'), part('lit-html')]).then(([{ tree }, { coloured }, { render, html }]) => {
      const allowed = new Set(['CODE', 'DETAILS', 'SUMMARY', 'UL', 'LI', 'SPAN']);
      const box = document.createElement('div');
      document.body.append(box);
      let drawn = 0;
      const look = (template, of) => {
        render(template, box);
        drawn += 1;
        const strange = [...box.querySelectorAll('*')].find((one) => !allowed.has(one.tagName) || [...one.attributes].some(({ name }) => !['class', 'open'].includes(name)));
        if (strange) throw new Error(`${strange.outerHTML} of ${JSON.stringify(of)}`);
        return box.textContent;
      };
      for (let turn = 0; turn < 400; turn++) {
        const one = value(3), text = look(tree(one), one);
        if (typeof one !== 'object' && text !== JSON.stringify(one)) throw new Error(`${text} for ${JSON.stringify(one)}`);
        const line = word(), shown = look(html`${coloured(line)}`, line);
        if (/[\u0000\u001b\u202e\u2066]/.test(shown)) throw new Error(`${JSON.stringify(shown)} steers`);
      }
      const long = 'x'.repeat(1 << 20);
      if (look(tree(long), 'long').length > 70000 || look(html`${coloured(long)}`, 'long').length > 5000) throw new Error('a long value is drawn whole');
      box.remove();
      done([drawn, document.title === 'hit']);
    }).catch((error) => done(error.message));
"#;

#[test]
fn any_value_and_any_line_is_drawn_as_text() {
    let seen = Seen::start();
    assert_eq!(seen.browser.wait_for(DRAWN), json!([802, false]));
    seen.is_quiet();
}

#[test]
fn lines_that_come_leave_the_reader_where_it_is() {
    let seen = Seen::start();
    let browser = &seen.browser;
    browser.run("location.hash = '#/logs'");
    browser.until("Logs", "document.querySelector('main h1').innerText === 'Logs'");
    seen.ask(150);
    browser.until("lines", "/^150 lines/.test(document.querySelector('.title .dim').innerText)");
    browser.until("the last line", "(() => { const box = document.querySelector('.lines'); return box.scrollHeight - box.scrollTop - box.clientHeight < 2; })()");
    // Up by hand: it stands still, and what came is counted.
    browser.run("document.querySelector('.lines').scrollTop = 1000");
    let top = "(() => { const box = document.querySelector('.lines').getBoundingClientRect(); const row = [...document.querySelectorAll('.lines .row')].find((row) => row.getBoundingClientRect().bottom > box.top); return row && [row.innerText, Math.round(row.getBoundingClientRect().top - box.top)]; })()";
    browser
        .until("it stands", "document.querySelector('button[aria-pressed]').getAttribute('aria-pressed') === 'false'");
    let before = browser.until("a row", top);
    seen.ask(40);
    browser.until("those that came", "document.querySelector('.fresh')?.innerText === '40 new'");
    assert_eq!(browser.run(&format!("return {top}")), before, "the line under the eyes stays");
    // Keys of the browser's own and of the page.
    browser.run("document.querySelector('.lines').focus()");
    browser.press("\u{e011}");
    browser.until("the first line", "document.querySelector('.lines').scrollTop === 0");
    browser.press("\u{e00f}");
    browser.until("a page further", "document.querySelector('.lines').scrollTop > 200");
    // The browser may still be on its way down by the key before: as a person would, the key is pressed until it helps.
    let at_end =
        "const box = document.querySelector('.lines'); return box.scrollHeight - box.scrollTop - box.clientHeight < 2";
    let begun = std::time::Instant::now();
    while browser.run(at_end) != true {
        assert!(begun.elapsed().as_secs() < 60, "the last line does not come: {}", browser.text());
        browser.press("\u{e010}");
    }
    browser.until("it follows", "!document.querySelector('.fresh')");
    seen.ask(1);
    browser.until("one more", "/^191 lines/.test(document.querySelector('.title .dim').innerText)");
    seen.is_quiet();
}
