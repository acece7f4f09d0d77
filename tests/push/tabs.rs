//! A push from the page, in two tabs, confirmed more often than once.

use std::process::Command;

use support::browser::Browser;
use support::dyn_command;
use support::session::Dev;

use crate::app::App;
use crate::cluster::{Namespace, kubeconfig};
use crate::rolls::comes_to;

#[test]
fn push_that_two_tabs_confirm_is_carried_out_once() {
    let (namespace, app) = (Namespace::new("tabs"), App::new());
    // The page pushes to where the kubeconfig points.
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("kubeconfig");
    std::fs::copy(kubeconfig(), &config).unwrap();
    let mut pointed = Command::new("kubectl");
    pointed.arg("--kubeconfig").arg(&config).args(["config", "set-context", "--current", "--namespace"]);
    assert!(pointed.arg(&namespace.name).output().unwrap().status.success());
    let command = || {
        let mut command = dyn_command();
        command.env("KUBECONFIG", &config);
        command
    };
    let mut dev = Dev::spawn(command(), &app.file, &["--on", "process", "--port", "0", "--page", "0"]);
    dev.ready = dev.wait_for("ready");
    let tabs = [(), ()].map(|()| {
        let printed = command().arg("ui").arg(&app.file).arg("--print").output().unwrap();
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let tab = Browser::start();
        tab.open(String::from_utf8(printed.stdout).unwrap().trim());
        tab.shows("3 of 3 live");
        tab.run("location.hash = '#/cluster'");
        tab
    });
    tabs[0].click("button", "Prepare a push");
    let confirm = "[...document.querySelectorAll('button.main')].find((one) => one.innerText.startsWith('Push to'))";
    for tab in &tabs {
        tab.until("the question", &format!("Boolean({confirm})"));
    }
    // Twice in one, and at once in the other.
    tabs[0].run(&format!("const confirm = {confirm}; confirm.click(); confirm.click()"));
    tabs[1].run(&format!("{confirm}?.click()"));
    for tab in &tabs {
        tab.until("its end", "document.querySelector('main .pill')?.innerText === 'live'");
        assert!(tab.text().contains("Push 1") && !tab.text().contains("Push 2"), "{}", tab.text());
    }
    comes_to(&namespace.url("twice"), "22");
    let plus = namespace.deployment("plus");
    assert_eq!(plus["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1", "{plus:#}");
}
