"""A real Kubernetes with the real controllers on this machine, and the tests on it.

By hand, as root (docs/test-node.md):

    make cluster-up                    build what is not built, start the node, give it the images
    python -m tests.cluster kubectl get pods --all-namespaces
    python -m tests.cluster status     says which KUBECONFIG to export
    make cluster-down                  end it; no process, mount, interface, rule or cgroup is left

In tests, which run by `make cluster-test` and never by `make test`:

    def test_a_pod_runs(cluster: Cluster, namespace: str) -> None:
        cluster.apply(pod)                                  # an object, a YAML text, a file or a kustomization's folder
        cluster.wait("pod/it", condition("Ready"), namespace)
        assert "hello" in cluster.logs("pod/it", namespace)

What is where
    programs/   Go modules at pinned versions, and `build.py`, which builds them into build/cluster/bin
    images/     what those programs and Debian's become, under the names that upstream's manifests use
    node/       the node: `parts.py` is how each program is started, `inside.py` the order, `node.py` the outside
    cluster.py  `Cluster`: kubectl, apply, get, objects, delete, logs, events, exec; wait, wait_gone, wait_available;
                kill, kill_all, restart_node; import_image; forward and in_pod_network (to reach Services as a person
                or as a pod does), `machine` (where pods reach servers of the test's own process), `env` (for programs
                that work on the cluster, such as `slipway`)
    own.py      the node as a `Cluster`;  kind.py: one that is there, when KUBECONFIG names it
    upstream.py upstream's manifests as k8s/platform names them on GitHub, served from the Go modules
    installed.py the platform on it, by `slipway platform up`; `secrets` is what is in each Secret
    conftest.py the fixtures: `cluster` and `platform` (one for the whole run), `namespace` (one for each test), and
                `from_dockerfile("loop", "ghcr.io/…/loop:test")`, which builds a target and returns `name@sha256:…`

The node has no way to the internet: an image is there because it was imported, or its pull fails at once. Its pods
reach each other, the API server, and this machine at `cluster.machine`. NetworkPolicies are not enforced.
"""
