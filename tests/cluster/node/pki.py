"""The node's certificate authority, what it signs, and a kubeconfig for each who speaks to the API server."""

from __future__ import annotations

import json
from base64 import b64encode

import trustme

from tests.cluster.node.settings import API_SERVICE, Settings

_MASTERS = "system:masters"
# Who: its name and group, which are what it may do.
_CLIENTS = {
    "admin": ("admin", _MASTERS),
    "coredns": ("coredns", None),
    "kube-controller-manager": ("system:kube-controller-manager", None),
    "kube-proxy": ("system:kube-proxy", None),
    "kube-scheduler": ("system:kube-scheduler", None),
}


def make(settings: Settings) -> None:
    """Write settings.pki, which only root may read. What is there stays: a node that is started again is the same."""
    if settings.pki.exists():
        return
    partial = settings.pki.with_suffix(".partial")
    partial.mkdir(mode=0o700, parents=True)
    authority, front = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(partial / "ca.crt")
    authority.private_key_pem.write_to_path(partial / "ca.key")
    front.cert_pem.write_to_path(partial / "front-proxy-ca.crt")

    def client(name: str, group: str | None = None, signer: trustme.CA = authority) -> trustme.LeafCert:
        # Go refuses a certificate that names no host.
        return signer.issue_cert("client.invalid", common_name=name, organization_name=group)

    kubernetes = ["kubernetes.default.svc.cluster.local", "kubernetes.default.svc", "kubernetes.default", "kubernetes"]
    local = ["localhost", "127.0.0.1"]
    leaves = {
        "kube-apiserver": authority.issue_cert(*kubernetes, *local, API_SERVICE, settings.inside),
        "etcd": authority.issue_cert(*local, common_name="etcd"),
        "etcd-client": client("kube-apiserver"),
        "kubelet-client": client("kube-apiserver", _MASTERS),
        "front-proxy-client": client("front-proxy-client", signer=front),
        "service-accounts": client("service-accounts"),
        "kubelet": authority.issue_cert(
            settings.name, settings.inside, common_name=f"system:node:{settings.name}", organization_name="system:nodes"
        ),
        **{name: client(user, group) for name, (user, group) in _CLIENTS.items()},
    }
    for name, leaf in leaves.items():
        leaf.cert_chain_pems[0].write_to_path(partial / f"{name}.crt")
        leaf.private_key_pem.write_to_path(partial / f"{name}.key")
    for name in (*_CLIENTS, "kubelet"):
        kubeconfig = _kubeconfig(settings, authority, leaves[name])
        (partial / f"{name}.kubeconfig").write_text(json.dumps(kubeconfig, indent=1), encoding="utf-8")
    partial.rename(settings.pki)


def _kubeconfig(settings: Settings, authority: trustme.CA, leaf: trustme.LeafCert) -> dict[str, object]:
    def encoded(pem: trustme.Blob) -> str:
        return b64encode(pem.bytes()).decode()

    server = {
        "server": f"https://{settings.inside}:6443",
        "certificate-authority-data": encoded(authority.cert_pem),
    }
    user = {
        "client-certificate-data": encoded(leaf.cert_chain_pems[0]),
        "client-key-data": encoded(leaf.private_key_pem),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": settings.name, "cluster": server}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": settings.name, "context": {"cluster": settings.name, "user": "user"}}],
        "current-context": settings.name,
    }
