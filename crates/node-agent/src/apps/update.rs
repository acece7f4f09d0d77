//! A newer bundle of an app that runs: what has changed is taken over in place, and put back where the new does not live.

use std::sync::Arc;

use bytes::Bytes;
use local_cluster::{Environment, Spec};
use protocol::Swap;

use super::{DeployedService, NodeApps, RunningApp, deployed, file_of};
use crate::bundle::NodeBundle;

impl NodeApps {
    pub(super) async fn take_over(
        self: &Arc<Self>,
        before: &RunningApp,
        bundle: &Arc<NodeBundle>,
    ) -> Result<Vec<DeployedService>, String> {
        let old = &before.bundle;
        let mut app = RunningApp { bundle: bundle.clone(), ..before.clone() };
        if app.public() != before.public() && !app.backend.hosts_bind_front() && !app.backend.leads_front() {
            let words = "its public listener changes, which this Docker engine does not do while the app runs";
            return Err(format!("{words}: `dyn node remove {}` on the node, then push again", bundle.app));
        }
        let new: Vec<&String> = bundle.services.keys().filter(|name| !old.services.contains_key(*name)).collect();
        for service in &new {
            // Users are led there once all is well.
            let spec = Spec { front: None, ..self.spec(bundle, service) };
            let endpoint = app.backend.endpoint(spec).await.map_err(|error| error.to_string())?;
            app.hosts.insert((*service).clone(), endpoint.here);
            app.endpoints.insert((*service).clone(), endpoint);
        }
        let taken = self.change(before, &app, &new).await;
        let done = match taken {
            Ok(done) => done,
            Err(error) => {
                self.put_back(before, &app, &new).await;
                return Err(error);
            }
        };
        for gone in old.services.keys().filter(|name| !bundle.services.contains_key(*name)) {
            if let Err(error) = app.backend.remove(gone).await {
                tracing::warn!(service = gone, %error, "a service could not be ended");
            }
            app.hosts.remove(gone);
            app.endpoints.remove(gone);
        }
        self.running.lock().insert(bundle.app.clone(), app);
        Ok(done)
    }

    async fn change(
        &self,
        before: &RunningApp,
        app: &RunningApp,
        new: &[&String],
    ) -> Result<Vec<DeployedService>, String> {
        let mut done = Vec::new();
        for service in new {
            self.furnish(app, service).await?;
            self.begin(app, service).await?;
            done.push(deployed(service, &app.bundle.services[*service].version, "started"));
        }
        for (service, now) in app.bundle.services.iter().filter(|(name, _)| before.bundle.services.contains_key(*name))
        {
            let was = &before.bundle.services[service];
            let (config, old) = (app.config(service), before.config(service));
            self.furnish(app, service).await?;
            let how = if was.env != now.env {
                let environment = Environment { open: now.env.clone(), ..Environment::default() };
                app.backend.renew(service, environment).await.map_err(|error| error.to_string())?;
                self.begin(app, service).await?;
                "started anew"
            } else {
                if config.peers != old.peers || config.route != old.route || config.front != old.front {
                    self.tell(app, service, "/_dyninka/reload", Bytes::new()).await?;
                }
                if was.library == now.library {
                    "as it was"
                } else {
                    self.swap(app, service, &now.library).await?;
                    "taken over"
                }
            };
            done.push(deployed(service, &now.version, how));
        }
        if app.public() != before.public() {
            app.lead()?;
        }
        Ok(done)
    }

    async fn swap(&self, app: &RunningApp, service: &str, library: &str) -> Result<(), String> {
        let body = serde_json::to_vec(&Swap { library: file_of(library) }).map_err(|error| error.to_string())?;
        self.tell(app, service, "/_dyninka/swap", body.into()).await
    }

    /// Has all services be as they were.
    async fn put_back(&self, before: &RunningApp, app: &RunningApp, new: &[&String]) {
        for service in new {
            drop(app.backend.remove(service).await);
        }
        for (service, was) in &before.bundle.services {
            let back = async {
                self.furnish(before, service).await?;
                let now = app.bundle.services.get(service);
                if now.is_some_and(|now| now.env != was.env) {
                    let environment = Environment { open: was.env.clone(), ..Environment::default() };
                    app.backend.renew(service, environment).await.map_err(|error| error.to_string())?;
                    return self.begin(before, service).await;
                }
                self.tell(before, service, "/_dyninka/reload", Bytes::new()).await?;
                match now {
                    Some(now) if now.library != was.library => self.swap(before, service, &was.library).await,
                    _ => Ok(()),
                }
            };
            if let Err(error) = back.await {
                tracing::warn!(service, error, "a service could not be put back as it was");
            }
        }
        if app.public() != before.public()
            && let Err(error) = before.lead()
        {
            tracing::warn!(error, "users could not be led to where they were");
        }
    }
}
