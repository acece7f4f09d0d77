//! Jobs on the page: tenants, attempts, dead letters and bills, and the deeds of a person to one.

use crate::Seen;

const APP: &str = "use dyninka::prelude::*;

#[service]
fn seed() -> u64 { 7 }

#[service(attempts = 1)]
fn work(id: u64) -> Result<u64> { if id == 13 { Err(Error::permanent(\"no thirteen\")) } else { Ok(id * 2) } }

#[dyninka::main]
fn main() { work(seed()) }
";

/// `dyn jobs run`, and the id that it prints.
fn asked(seen: &Seen, arguments: &[&str]) -> String {
    let mut command = support::dyn_command();
    let output = command.args(["jobs", "run"]).arg(&seen.file).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn jobs_are_seen_with_attempts_and_bills_queued_again_and_cancelled() {
    let seen = Seen::of(APP, &["--jobs=0"], "2 of 2 live");
    let browser = &seen.browser;
    let good = asked(&seen, &["work", "id=21"]);
    let dead = asked(&seen, &["work", "id=13"]);
    let waiting = asked(&seen, &["work", "id=4", "--delay", "1h"]);
    browser.press("7");
    browser.until("three jobs", "document.querySelectorAll('.list tbody tr').length === 3");
    browser.shows("0 of 32 workers busy · 1 job waiting · 1 dead letter");
    browser.until(
        "the tenant's row",
        "[...document.querySelectorAll('[aria-label=Tenants] tbody td')].map((cell) => cell.innerText).slice(0, 6).join() === 'default,1,1,0,1,1'",
    );

    // One that is done: its attempt, its result, its bill, and the request that it was.
    browser.run(&format!("location.hash = '#/jobs/{good}'"));
    browser.until("its result", "document.querySelector('[aria-label=\"One job\"] .value')?.innerText === '42'");
    browser.until("its attempt", "document.querySelectorAll('[aria-label=\"One job\"] tbody tr').length === 1");
    browser.until(
        "the bill",
        "(document.querySelector('[aria-label=Bills] .actions, [aria-label=Bills] button').click(), [...document.querySelectorAll('[aria-label=Bills] tbody tr')].some((row) => row.innerText.includes('work')))",
    );
    browser.until(
        "its hops",
        "(location.hash.startsWith('#/requests') || document.querySelector('[aria-label=\"One job\"] dl a[href*=trace]').click(), document.querySelectorAll('.list tbody tr').length === 1)",
    );

    // One that failed: why, and once more.
    browser.run("location.hash = '#/jobs'");
    browser.until(
        "the dead letter",
        "document.querySelector('[aria-label=\"Dead letters\"] td.mono a')?.getAttribute('href')",
    );
    browser.run("document.querySelector('[aria-label=\"Dead letters\"] td.mono a').click()");
    browser.until("the job", &format!("location.hash.includes('{dead}')"));
    browser.shows("no thirteen");
    browser.click("button", "Queue again");
    browser.until(
        "a second attempt",
        "document.querySelectorAll('[aria-label=\"One job\"] tbody tr').length === 2 && document.querySelector('[aria-label=\"One job\"] .pill').innerText === 'failed'",
    );

    // One that waits: found by its state, and cancelled only after a question.
    browser.run("location.hash = '#/jobs?state=queued'");
    browser.until("it alone", "document.querySelectorAll('.list tbody tr').length === 1");
    browser.press("j");
    browser.until("the job", &format!("location.hash.includes('{waiting}')"));
    browser.click("button", "Cancel…");
    browser.until("the question", "document.querySelector('dialog[open]')");
    assert_eq!(browser.run("return document.activeElement.innerText"), "Cancel");
    browser.click("dialog button", "Cancel the job");
    browser.until("its end", "document.querySelector('[aria-label=\"One job\"] .pill').innerText === 'cancelled'");
    browser.shows("No job that is kept matches");
    seen.look(&format!("#/jobs/{dead}"), "Jobs");
}
