//! The page of a session in a browser: beside `dyn dev`, and `dyn ui`.

use std::io::IsTerminal;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use session::{AppPlace, Home, Notices, Session};
use session_api::Client;
use tokio::sync::watch;
use web::{LinkUse, PageListener, PageOptions, PageSource, SessionPage};

pub(crate) use super::bundle::run as bundle;
use crate::arguments::{Dev, PageChoice, Ui};
use crate::fault::{Fault, Kind};
use crate::start::Signals;
use crate::{finding, speech, start};

/// A page that is to be opened, or nothing where it is off.
pub(crate) struct PagePlan(Option<(PageListener, bool)>);

/// An open page, or nothing where it is off.
#[derive(Clone)]
pub(crate) struct PageBeside(Option<Arc<SessionPage>>);

impl PagePlan {
    /// Takes the page's port before a session is started: one that was asked for and is taken is told while nothing runs.
    pub(crate) async fn new(place: &AppPlace, dev: &Dev) -> Result<Self, Fault> {
        let port = match dev.page {
            Some(PageChoice::Off) => return Ok(Self(None)),
            Some(PageChoice::Port(port)) => Some(port),
            None if is_usual(dev) => None,
            None => return Ok(Self(None)),
        };
        let name = format!("{}-{}", place.name, place.id);
        let options = PageOptions { name, folder: place.folder.clone(), port: port.filter(|port| *port != 0) };
        match PageListener::bind(options).await {
            Ok(listener) => Ok(Self(Some((listener, dev.plain || !super::view::is_possible(dev))))),
            Err(error) if port.is_some() => {
                Err(Fault::new(Kind::Machine, error.to_string()).hint("name another port with --page, or leave it out"))
            }
            // Nobody asked for it: a session does without.
            Err(error) => {
                drop(speech::err(format_args!("notice: no page in a browser: {error}")));
                Ok(Self(None))
            }
        }
    }

    /// Opens the page of a session.
    pub(crate) fn open(self, session: &Session) -> Result<PageBeside, Fault> {
        let Some((listener, is_told)) = self.0 else { return Ok(PageBeside(None)) };
        let client = Client::attach(session.socket())?;
        let (begin, notices) = (session.looking(), session.notices());
        let pictures = Arc::new(move || begin.begin());
        let page = listener.open(PageSource {
            client: Some(client),
            pictures,
            beside: Some(super::page_beside::asked()),
            notice: Arc::new(move |text| notices.add(text)),
        });
        if is_told {
            tell(&page, &session.notices());
        }
        Ok(PageBeside(Some(Arc::new(page))))
    }
}

impl PageBeside {
    /// Opens a browser at it.
    pub(crate) fn show(&self) -> Option<Result<String, String>> {
        self.0.as_ref().map(|page| show(&page.link()))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Lets nobody in any more.
    pub(crate) fn end(self) {
        drop(self);
    }
}

/// Whether a person is there to look at it.
fn is_usual(dev: &Dev) -> bool {
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    !dev.json && !is_ci && std::io::stdout().is_terminal()
}

/// A link goes to a terminal alone: what reads the lines otherwise may keep them.
fn tell(page: &SessionPage, notices: &Notices) {
    match std::io::stderr().is_terminal() {
        true => drop(speech::err(format_args!("page: {}", page.link()))),
        false => notices.add(format!("page: {}", page.address())),
    }
}

/// `dyn ui`.
pub(crate) fn ui(ui: &Ui) -> Result<(), Fault> {
    let place = Home::open()?.place(&ui.file)?;
    let words = |error: web::PageError| Fault::new(Kind::App, error.to_string());
    if ui.forget {
        web::forget(&place.folder).map_err(words)?;
        drop(speech::err("every browser that was let in is let in no more"));
        return Ok(());
    }
    if ui.cluster {
        return over_cluster(ui, &place);
    }
    if ui.goal.context.is_some() || ui.goal.namespace.is_some() {
        return Err(Fault::new(Kind::Usage, "--context and --namespace name a cluster, and the page is the session's")
            .hint("add --cluster to show what runs there"));
    }
    if session::attach(&place).is_none() {
        let file = ui.file.display();
        return Err(Fault::new(Kind::App, format!("no session of {file} is running"))
            .hint(format!("start it with `dyn dev {file}`")));
    }
    let of = match (ui.reader, ui.print) {
        (true, _) => LinkUse::Read { access: ui.access },
        (false, true) => LinkUse::Print,
        (false, false) => LinkUse::Open,
    };
    let link = link(&place.folder, of)?;
    if of != LinkUse::Open {
        drop(speech::out(link));
        return Ok(());
    }
    opened(&link, || self::link(&place.folder, LinkUse::Print))
}

/// Opens a link, or prints one that is good for longer.
fn opened(link: &str, printed: impl FnOnce() -> Result<String, Fault>) -> Result<(), Fault> {
    match show(link) {
        Ok(words) => drop(speech::err(words)),
        Err(why) => {
            drop(speech::err(format_args!("{why}; open this link yourself:")));
            drop(speech::out(printed()?));
        }
    }
    Ok(())
}

/// `dyn ui --cluster`: a page of this process's own over what runs on a cluster, which nobody acts on from there.
fn over_cluster(ui: &Ui, place: &AppPlace) -> Result<(), Fault> {
    let (app, diagnostics, _) = session::load(&ui.file);
    if finding::any_error(&diagnostics) {
        finding::print(&diagnostics);
        return Err(Fault::said(Kind::App));
    }
    start::runtime()?.block_on(async {
        let (_local, local) = watch::channel(Arc::new(session::outline(&app, &ui.file)));
        let seen = super::on_cluster::look(ui.file.clone(), ui.goal.clone(), local).await;
        let seen = seen.map_err(|why| Fault::new(Kind::App, why))?;
        let mut signals = Signals::new()?;
        start::insist()?;
        // A name and a folder of its own: cookies go to a name, whatever its port.
        let folder = place.folder.join("cluster-page");
        let options = PageOptions { name: format!("{}-{}-cluster", place.name, place.id), folder, port: None };
        let listener = PageListener::bind(options).await;
        let listener = listener.map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
        let page = listener.open(PageSource {
            client: None,
            pictures: Arc::new(move || Some(seen.clone())),
            beside: None,
            notice: Arc::new(|text| drop(speech::err(text))),
        });
        match ui.print {
            true => drop(speech::out(page.link())),
            false => opened(&page.link(), || Ok(page.link()))?,
        }
        drop(speech::err("the page ends with Ctrl-C"));
        signals.next().await;
        drop(page);
        Ok(())
    })
}

/// A link to the page of the session that has the folder.
pub(crate) fn open_link(folder: &Path) -> Result<String, Fault> {
    link(folder, LinkUse::Open)
}

fn link(folder: &Path, of: LinkUse) -> Result<String, Fault> {
    web::link(folder, of).map_err(|error| {
        Fault::new(Kind::App, error.to_string()).hint("a session opens one on a terminal, or with --page PORT")
    })
}

/// Starts the browser of the user.
pub(crate) fn show(link: &str) -> Result<String, String> {
    let own = std::env::var("BROWSER").ok().filter(|browser| !browser.is_empty());
    let known = ["xdg-open", "wslview", "open"].map(str::to_owned);
    for program in own.into_iter().chain(known) {
        let mut command = Command::new(&program);
        command.arg(link).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Ok(mut child) = command.spawn() {
            // It may run as long as the browser does.
            std::thread::spawn(move || drop(child.wait()));
            return Ok(format!("opened the page with {program}"));
        }
    }
    Err("found no program that opens a browser: neither $BROWSER, xdg-open nor wslview".to_owned())
}
