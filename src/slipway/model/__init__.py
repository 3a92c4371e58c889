"""Yours: what is learnt. No Kubernetes and no GitHub in here."""
