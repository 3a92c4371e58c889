"""Cut GitHub's published GraphQL schema down to the mutation that this template sends.

  npm pack @octokit/graphql-schema@15.26.1 && tar xzf octokit-graphql-schema-15.26.1.tgz
  python tests/workflows/github/trim_graphql.py package/schema.graphql

Writes api.graphql beside this file. Of an object only the fields named here are kept; inputs, enums and scalars are
whole, so that what GitHub would refuse is refused. Descriptions are dropped. The whole schema is 1.2 MB; its notice is
in NOTICE.
"""

from __future__ import annotations

import sys
from pathlib import Path

from graphql import parse, print_ast
from graphql.language import ast

FIELDS = {
    "Query": {"id"},
    "Node": {"id"},
    "Mutation": {"enablePullRequestAutoMerge"},
    "EnablePullRequestAutoMergePayload": {"clientMutationId", "pullRequest"},
    "PullRequest": {"id", "number", "autoMergeRequest"},
    "AutoMergeRequest": {"enabledAt", "mergeMethod"},
}
WHOLE = {"EnablePullRequestAutoMergeInput", "PullRequestMergeMethod", "DateTime", "GitObjectID"}


def main(source: Path) -> None:
    """Read the schema at ``source``, write api.graphql."""
    kept = []
    for definition in parse(source.read_text(encoding="utf-8"), no_location=True).definitions:
        assert isinstance(definition, ast.TypeSystemDefinitionNode)
        name = getattr(definition, "name", None)
        if name is None or name.value not in FIELDS.keys() | WHOLE:
            continue
        if isinstance(definition, ast.ObjectTypeDefinitionNode | ast.InterfaceTypeDefinitionNode):
            fields = FIELDS[name.value]
            definition.fields = tuple(it for it in definition.fields if it.name.value in fields)
            definition.interfaces = tuple(it for it in definition.interfaces if it.name.value in FIELDS)
            assert {it.name.value for it in definition.fields} == fields, name.value
        kept.append(definition)
    for node in [part for definition in kept for part in _parts(definition)]:
        node.description = None
    Path(__file__).with_name("api.graphql").write_text(
        "\n\n".join(print_ast(definition) for definition in kept) + "\n", encoding="utf-8"
    )


def _parts(definition: ast.Node) -> list[ast.Node]:
    """A definition, its fields, its values and its fields' arguments."""
    fields = [*(getattr(definition, "fields", None) or ()), *(getattr(definition, "values", None) or ())]
    return [definition, *fields, *(it for field in fields for it in getattr(field, "arguments", None) or ())]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
