"""The one place that knows the cluster: what a workflow's steps run, and what looks after them."""
