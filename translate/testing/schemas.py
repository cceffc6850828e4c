"""What holds for components of every kind: a schema that can be read, described and relied on."""

from __future__ import annotations

from translate.testing.rules import Case


def check_schema(case: Case) -> None:
    """Summary, docstring and description of every choice; defaults that pass their own validation; a JSON Schema."""
    schema, summary = case.entry.schema, case.entry.component.summary
    case.require(summary.strip() and "\n" not in summary, "docs", "the record's summary must be one line of text")
    case.require(schema.summary, "docs", "the factory has no docstring")
    for choice in schema.choices:
        case.require(choice.description, "docs", f"parameter '{choice.name}' has no line under Args in the docstring")
    for choice in schema.choices:
        if not choice.required and not choice.takes_spec:
            problems = [
                text for path, text in schema.validate({choice.name: choice.default})[1] if path[0] == choice.name
            ]
            case.require(not problems, "defaults", f"the default of '{choice.name}' is refused: {' '.join(problems)}")
        elif choice.takes_spec and not choice.required:
            case.require(choice.default is None, "defaults", f"'{choice.name}' takes a spec; its default must be None")
    with case.trying("schema", "making its JSON Schema"):
        schema.json_schema()
