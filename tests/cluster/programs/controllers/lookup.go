package executor

// Lookup makes gjsonLabels what labels.Labels asks for since apimachinery 0.34; Argo Workflows 4.0.5 knows 0.33.
// It is laid into the vendored package for the time of the build (tests/cluster/programs/build.py).
func (g gjsonLabels) Lookup(label string) (string, bool) { return g.Get(label), g.Has(label) }
