//! Certificates and kubeconfigs of a node: one authority signs everything.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::Node;
use crate::exec;

/// Makes what is missing.
pub fn make(node: &Node) -> Result<()> {
    if node.state.join("pki/.complete").exists() {
        return Ok(());
    }
    authority(node)?;
    let ip = node.ip();
    let name = node.cluster_name();
    let api_names = format!(
        "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:{ip},IP:{}",
        node.service_ip(1)
    );
    certificate(node, "apiserver", "/CN=kube-apiserver", &api_names)?;
    certificate(
        node,
        "kubelet",
        &format!("/O=system:nodes/CN=system:node:{name}"),
        &format!("DNS:{name},IP:{ip},IP:127.0.0.1"),
    )?;
    certificate(node, "front", "/CN=front-proxy", "DNS:front-proxy")?;
    certificate(node, "admin", "/O=system:masters/CN=admin", "DNS:admin")?;
    certificate(node, "kcm", "/CN=system:kube-controller-manager", "DNS:kcm")?;
    certificate(
        node,
        "scheduler",
        "/CN=system:kube-scheduler",
        "DNS:scheduler",
    )?;
    certificate(node, "proxy", "/CN=system:kube-proxy", "DNS:proxy")?;
    for user in ["admin", "kcm", "scheduler", "kubelet", "proxy"] {
        kubeconfig(node, user)?;
    }
    openssl(&[
        "ecparam",
        "-genkey",
        "-name",
        "prime256v1",
        "-noout",
        "-out",
        &file(node, "sa.key"),
    ])?;
    openssl(&[
        "ec",
        "-in",
        &file(node, "sa.key"),
        "-pubout",
        "-out",
        &file(node, "sa.pub"),
    ])?;
    exec::write(&node.state.join("pki/.complete"), "")
}

fn authority(node: &Node) -> Result<()> {
    let (key, certificate) = (file(node, "ca.key"), file(node, "ca.crt"));
    let subject = format!("/CN={}-ca", node.isolation_name());
    let mut arguments = vec![
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "3650",
    ];
    arguments.extend(["-subj", &subject, "-keyout", &key, "-out", &certificate]);
    openssl(&arguments)
}

fn certificate(node: &Node, name: &str, subject: &str, names: &str) -> Result<()> {
    let path = |ending: &str| file(node, &format!("{name}.{ending}"));
    let extensions = format!(
        "keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName={names}\n"
    );
    exec::write(&PathBuf::from(path("ext")), extensions)?;
    openssl(&[
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        subject,
        "-keyout",
        &path("key"),
        "-out",
        &path("csr"),
    ])?;
    let (authority, key) = (file(node, "ca.crt"), file(node, "ca.key"));
    let mut arguments = vec!["x509", "-req", "-in"];
    let (request, result, extension_file) = (path("csr"), path("crt"), path("ext"));
    arguments.extend([
        request.as_str(),
        "-CA",
        &authority,
        "-CAkey",
        &key,
        "-CAcreateserial",
        "-days",
        "3650",
    ]);
    arguments.extend(["-extfile", &extension_file, "-out", &result]);
    openssl(&arguments)
}

fn kubeconfig(node: &Node, user: &str) -> Result<()> {
    let name = node.isolation_name();
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {name}\n  cluster:\n    server: https://{}:6443\n    certificate-authority: {}\nusers:\n- name: {user}\n  user:\n    client-certificate: {}\n    client-key: {}\ncontexts:\n- name: {name}\n  context: {{cluster: {name}, user: {user}}}\ncurrent-context: {name}\n",
        node.ip(),
        file(node, "ca.crt"),
        file(node, &format!("{user}.crt")),
        file(node, &format!("{user}.key")),
    );
    exec::write(&node.state.join(format!("pki/{user}.kubeconfig")), text)
}

fn openssl(arguments: &[&str]) -> Result<()> {
    exec::run(Command::new("openssl").args(arguments))
        .context("cannot make the node's certificates")
}

fn file(node: &Node, name: &str) -> String {
    node.state.join("pki").join(name).display().to_string()
}
