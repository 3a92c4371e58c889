"""The programs of a node and how each is started: this is what a Kubernetes is made of."""

from __future__ import annotations

from tests.cluster.node.settings import SERVICES, Settings

Command = list[str]


def containerd(node: Settings) -> Command:
    """Runs containers, by runc."""
    return ["containerd", "--config", f"{node.state}/etc/containerd.toml"]


def etcd(node: Settings) -> Command:
    """Keeps every object. It does not wait for the disk: what must outlive a power cut is not kept here."""
    client, peer = "https://127.0.0.1:2379", "http://127.0.0.1:2380"
    return [
        "etcd",
        f"--name={node.name}",
        f"--data-dir={node.state}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={node.name}={peer}",
        f"--cert-file={node.pki}/etcd.crt",
        f"--key-file={node.pki}/etcd.key",
        f"--trusted-ca-file={node.pki}/ca.crt",
        "--client-cert-auth",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(node: Settings) -> Command:
    """What everybody speaks to."""
    return [
        "kube-apiserver",
        f"--advertise-address={node.inside}",
        f"--service-cluster-ip-range={SERVICES}",
        "--etcd-servers=https://127.0.0.1:2379",
        f"--etcd-cafile={node.pki}/ca.crt",
        f"--etcd-certfile={node.pki}/etcd-client.crt",
        f"--etcd-keyfile={node.pki}/etcd-client.key",
        f"--tls-cert-file={node.pki}/kube-apiserver.crt",
        f"--tls-private-key-file={node.pki}/kube-apiserver.key",
        f"--client-ca-file={node.pki}/ca.crt",
        f"--kubelet-certificate-authority={node.pki}/ca.crt",
        f"--kubelet-client-certificate={node.pki}/kubelet-client.crt",
        f"--kubelet-client-key={node.pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={node.pki}/service-accounts.key",
        f"--service-account-signing-key-file={node.pki}/service-accounts.key",
        f"--requestheader-client-ca-file={node.pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={node.pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={node.pki}/front-proxy-client.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged",
        "--profiling=false",
    ]


def controller_manager(node: Settings) -> Command:
    """Makes pods of Deployments and Jobs, volumes of claims, tokens of service accounts."""
    return [
        "kube-controller-manager",
        *_served_for(node, "kube-controller-manager"),
        f"--service-account-private-key-file={node.pki}/service-accounts.key",
        f"--root-ca-file={node.pki}/ca.crt",
        f"--cluster-signing-cert-file={node.pki}/ca.crt",
        f"--cluster-signing-key-file={node.pki}/ca.key",
        f"--requestheader-client-ca-file={node.pki}/front-proxy-ca.crt",
        "--use-service-account-credentials",
        "--enable-hostpath-provisioner",
    ]


def scheduler(node: Settings) -> Command:
    """Gives pods to the node."""
    return ["kube-scheduler", *_served_for(node, "kube-scheduler")]


def kubelet(node: Settings) -> Command:
    """Runs the node's pods."""
    return [
        "kubelet",
        f"--config={node.state}/etc/kubelet.yaml",
        f"--kubeconfig={node.pki}/kubelet.kubeconfig",
        f"--root-dir={node.state}/kubelet",
        f"--cert-dir={node.state}/kubelet/pki",
        f"--hostname-override={node.name}",
        f"--node-ip={node.inside}",
    ]


def proxy(node: Settings) -> Command:
    """Leads a Service's address to its pods."""
    return ["kube-proxy", f"--config={node.state}/etc/kube-proxy.yaml"]


def dns(node: Settings) -> Command:
    """Knows the Services' names. It listens on the bridge that the pods hang on."""
    return ["coredns", "-conf", f"{node.state}/etc/Corefile"]


def _served_for(node: Settings, user: str) -> Command:
    kubeconfig = f"{node.pki}/{user}.kubeconfig"
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    ]
