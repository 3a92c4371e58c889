"""The programs that run on the node, each built once from a pinned go.mod."""
