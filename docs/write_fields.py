"""Write the fields that a method takes by `Unpack[…]` into its docstring.

    python docs/write_fields.py

Type checkers show them by themselves; Jedi (Jupyter, IPython) and `help()` show the docstring. What
is written is each field's type and the first sentence of its own docstring.
"""

import ast
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = ("checks.py", "resources/contacts.py", "webhooks/_handlers.py")
HOLDERS = (*FILES, "models/contacts.py")
"""Where the TypedDicts are."""
_SECTION = re.compile(r"\n+ *Fields:\n(?: {4,}.*\n|\n)*?(?= *$)")


def typed_dicts() -> dict[str, list[str]]:
    """Read each TypedDict's fields, as lines of a list."""
    found: dict[str, list[str]] = {}
    for name in HOLDERS:
        for node in ast.parse((ROOT / "respondio_async" / name).read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and "TypedDict" in map(ast.unparse, node.bases):
                found[node.name] = list(_fields(node))
    return found


def _fields(node: ast.ClassDef) -> list[str]:
    lines: list[str] = []
    for field, after in zip(node.body, [*node.body[1:], None], strict=True):
        match field, after:
            case ast.AnnAssign(), ast.Expr(ast.Constant(str(told))):
                words = " ".join(told.split("\n\n")[0].split())
                kind = ast.unparse(field.annotation).replace(" | None", "")
                lines.append(f"- {ast.unparse(field.target)} (`{kind}`): {words}")
            case ast.AnnAssign(), _:
                raise SystemExit(f"{node.name}.{ast.unparse(field.target)} has no docstring")
            case _:
                pass
    return lines


def written(source: str, typed: dict[str, list[str]]) -> str:
    """Give a module's source with its sections as they should be."""
    lines = source.splitlines(keepends=True)
    for node in reversed(list(ast.walk(ast.parse(source)))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        taken = re.fullmatch(
            r"Unpack\['?(\w+)'?\]",
            ast.unparse((node.args.kwarg and node.args.kwarg.annotation) or node),
        )
        head = node.body[0]
        if taken is None or not ast.get_docstring(node):
            continue
        start, end = head.lineno - 1, head.end_lineno or head.lineno
        indent = " " * head.col_offset
        text = "".join(lines[start:end]).rstrip().removesuffix('"""').rstrip() + "\n" + indent
        text = _SECTION.sub("\n" + indent, text).rstrip()
        section = [
            line
            for field in typed[taken[1]]
            for line in textwrap.wrap(
                field, 100, initial_indent=f"{indent}    ", subsequent_indent=f"{indent}      "
            )
        ]
        whole = [text, "", f"{indent}Fields:", *section, f'{indent}"""', ""]
        lines[start:end] = ["\n".join(whole)]
    return "".join(lines)


def main() -> None:
    """Write the files that differ."""
    typed = typed_dicts()
    for name in FILES:
        path = ROOT / "respondio_async" / name
        path.write_text(written(path.read_text("utf-8"), typed), "utf-8")


if __name__ == "__main__":
    main()
