//! `dyn data serve`: the server, in the foreground.

use std::net::SocketAddr;
use std::path::Path;

use data::DataSettings;
use data_server::{DataServerError, DataServerOptions, DataServerStart};
use session::{DataServerFiles, Home};

use super::settings;
use crate::fault::{Fault, Kind};
use crate::speech;
use crate::start::Signals;

pub(super) async fn run(
    config: Option<&Path>,
    catalog: Option<&Path>,
    (listen, door): (SocketAddr, Option<SocketAddr>),
    token: Option<&Path>,
) -> Result<(), Fault> {
    let DataServerFiles { folder, address: address_file, token: usual } = Home::open()?.data_server();
    let wrong = |error: std::io::Error| Fault::new(Kind::Machine, format!("cannot use {}: {error}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(wrong)?;
    let settings: Option<DataSettings> = config.map(settings::read).transpose()?;
    let options = DataServerOptions {
        listen,
        door,
        catalog: catalog.map_or_else(|| folder.join("catalog.db"), Path::to_owned),
        token: token.map_or(usual, Path::to_owned),
        settings,
        takes: false,
    };
    let token = options.token.clone();
    let mut signals = Signals::new()?;
    let end = async move {
        signals.next().await;
    };
    let own = std::cell::Cell::new(None);
    let ready = |DataServerStart { address, door, has_others }| {
        own.set(Some(address));
        if let Err(error) = std::fs::write(&address_file, address.to_string()) {
            drop(speech::err(format_args!("notice: other commands need --server http://{address}: {error}")));
        }
        drop(speech::out(format_args!("listening on http://{address}; the token is in {}", token.display())));
        if let Some(door) = door {
            drop(speech::out(format_args!("the door is at http://{door}")));
        }
        if let Some(file) = config.filter(|_| has_others) {
            let file = file.display();
            drop(speech::err(format_args!(
                "notice: the catalog has other settings than {file}, and keeps them: `dyn data plan {file}` shows the \
                 difference, `dyn data apply {file}` takes it"
            )));
        }
    };
    let ended = data_server::run(options, ready, end).await;
    // What is not there any more is nobody's address; that of another server stays.
    let is_own = |text: String| own.get().is_some_and(|address| text == address.to_string());
    if std::fs::read_to_string(&address_file).is_ok_and(is_own) {
        drop(std::fs::remove_file(&address_file));
    }
    ended.map_err(|error| match error {
        DataServerError::Settings(mistakes) => settings::refused(&mistakes),
        DataServerError::Listen { address, source } if source.kind() == std::io::ErrorKind::AddrInUse => {
            let option = if Some(address) == door { "--door" } else { "--listen" };
            Fault::new(Kind::Machine, format!("cannot listen on {address}: the address is in use"))
                .hint(format!("{option} 127.0.0.1:0 picks a free port"))
        }
        error @ DataServerError::Store(_) if address_file.exists() => {
            Fault::new(Kind::Machine, error).hint("a data server runs here already: `dyn data status` asks it")
        }
        error => Fault::new(Kind::Machine, error),
    })
}
