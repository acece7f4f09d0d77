//! kind and k3d, which cannot be had here: scripts stand in for them and for Docker, write down what they are asked, and
//! hand archives to a real containerd, which is the cluster's node.

use std::path::Path;

use images::ship::{Loader, Nodes, Owner, Programs, Sent, Ship};

use crate::made::{app, image, keep};
use crate::started::{containerd, executable};

fn script(folder: &Path, name: &str, text: &str) -> std::ffi::OsString {
    let file = folder.join(name);
    let log = folder.join(format!("{name}.log"));
    executable(&file, &format!("#!/bin/sh\nset -e\necho \"$*\" >> {}\n{text}", log.display()));
    file.into()
}

async fn loaded_by(loader: Loader, node: &str, loads: &str, role: &str, others: &str) {
    let (containerd, socket) = containerd();
    let folder = tempfile::tempdir_in(containerd.folder.path()).unwrap();
    let ctr = format!("ctr --address {socket}");
    // Docker: lists the nodes, runs ctr in one.
    let docker = format!(
        "case \"$1\" in\nps) printf '{node}\\t{role}\\n{others}' ;;\n\
         exec) [ \"$2 $3 $4\" = '-i {node} ctr' ]; shift 4; exec {ctr} \"$@\" ;;\n*) exit 9 ;;\nesac\n"
    );
    // The tool: checks its arguments, looks into the archive, has containerd take it in.
    let tool = format!(
        "{loads}\n[ -s \"$archive\" ]\ntar tf \"$archive\" | grep -q '^oci-layout$'\n\
         tar xOf \"$archive\" index.json | grep -q io.containerd.image.name\n\
         tar tf \"$archive\" | grep -c blobs >> \"$0.blobs\"\n\
         {ctr} -n k8s.io images import --all-platforms --digests \"$archive\" >/dev/null\n"
    );
    let programs = Programs {
        docker: script(folder.path(), "docker", &docker),
        kind: script(folder.path(), "kind", &tool),
        k3d: script(folder.path(), "k3d", &tool),
        ..Programs::default()
    };
    let app = app(loader.name());
    let ship = Nodes::new(loader, "dev", &programs, Owner::new(&app, "here"));
    let (map, edited) = (image(&app, "map", 1), image(&app, "map", 2));
    let sent = ship.put(&[&map]).await.unwrap();
    assert_eq!((sent.layers, sent.notices.len()), (2, 0), "{sent:?}");
    assert_eq!(ship.put(&[&map]).await.unwrap(), Sent::default());
    let sent = ship.put(&[&edited]).await.unwrap();
    assert_eq!((sent.layers, sent.notices.len()), (1, 0), "{sent:?}");
    let blobs = std::fs::read_to_string(folder.path().join(format!("{}.blobs", loader.name()))).unwrap();
    assert_eq!(blobs, "4\n3\n", "two layers and two documents, then one layer less");
    assert_eq!(ship.stock().await.unwrap().images, 2);
    let pruned = ship.prune(&keep(&[ship.reference(&edited)])).await.unwrap();
    assert_eq!((pruned.removed, pruned.kept), (1, 1));
    let asked = std::fs::read_to_string(folder.path().join("docker.log")).unwrap();
    assert!(
        asked.lines().all(|line| line.starts_with("ps ") || line.starts_with(&format!("exec -i {node} "))),
        "{asked}"
    );
}

#[tokio::test]
async fn kind_loads_an_archive() {
    let loads = "[ \"$1 $2 $4 $5\" = 'load image-archive --name dev' ]; archive=$3";
    loaded_by(Loader::Kind, "dev-control-plane", loads, "control-plane", "dev-lb\\texternal-load-balancer\\n").await;
}

#[tokio::test]
async fn k3d_imports_an_archive() {
    let loads = "[ \"$1 $2 $4 $5\" = 'image import --cluster dev' ]; archive=$3";
    loaded_by(Loader::K3d, "k3d-dev-server-0", loads, "server", "k3d-dev-serverlb\\tloadbalancer\\n").await;
}

#[tokio::test]
async fn a_loader_that_loads_nothing_is_found_out() {
    let (containerd, socket) = containerd();
    let folder = tempfile::tempdir_in(containerd.folder.path()).unwrap();
    let docker = format!(
        "case \"$1\" in\nps) printf 'dev-control-plane\\tcontrol-plane\\n' ;;\n\
         exec) shift 4; exec ctr --address {socket} \"$@\" ;;\nesac\n"
    );
    let programs = Programs {
        docker: script(folder.path(), "docker", &docker),
        kind: script(folder.path(), "kind", "exit 0\n"),
        ..Programs::default()
    };
    let app = app("nothing");
    let ship = Nodes::new(Loader::Kind, "dev", &programs, Owner::new(&app, "here"));
    let said = ship.put(&[&image(&app, "map", 1)]).await.unwrap_err().to_string();
    assert!(said.contains("is not there though it was taken in"), "{said}");
    let programs = Programs { docker: script(folder.path(), "empty", "exit 0\n"), ..programs };
    let ship = Nodes::new(Loader::Kind, "dev", &programs, Owner::new(&app, "here"));
    let said = ship.missing(&[]).await.unwrap_err().to_string();
    assert!(said.contains("find the nodes of the kind cluster dev") && said.contains("no node of it runs"), "{said}");
}
