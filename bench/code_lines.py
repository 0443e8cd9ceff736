"""Count code lines: lines that hold a token of Python which is neither a comment nor a docstring.

`python -m bench.code_lines [FOLDER ...]` prints one line per folder; by default shared, cli and
localyun. Blank lines, comments and docstrings are free, so that explaining the code never counts against it.
"""

import ast
import sys
import tokenize
from pathlib import Path

FOLDERS = ("shared", "cli", "localyun")
_NO_CODE = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)


def code_lines(path: Path) -> int:
    """Return the number of code lines in a Python file."""
    source = path.read_text("utf-8")
    docstrings = {line for first, last in _docstrings(ast.parse(source)) for line in range(first, last + 1)}
    with path.open("rb") as file:
        tokens = [token for token in tokenize.tokenize(file.readline) if token.type not in _NO_CODE]
    lines = {line for token in tokens[1:] for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - docstrings)


def _docstrings(tree: ast.AST) -> list[tuple[int, int]]:
    """Return the first and last line of every docstring."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, holders) and node.body]
    firsts = [body[0] for body in bodies]
    return [
        (first.lineno, first.end_lineno or first.lineno)
        for first in firsts
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    ]


def main() -> None:
    """Print the count of every folder, and their sum."""
    counts = {folder: sum(map(code_lines, Path(folder).rglob("*.py"))) for folder in sys.argv[1:] or FOLDERS}
    for folder, count in counts.items():
        print(f"{count:7,}  {folder}")
    print(f"{sum(counts.values()):7,}  together")


if __name__ == "__main__":
    main()
