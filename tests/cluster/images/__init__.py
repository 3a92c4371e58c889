"""Container images without registry or daemon: files of this machine under the names that manifests use."""
