"""The rules of the tree that import-linter cannot check. Each says what it protects."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES = 300
SQL = re.compile(
    r"\b(SELECT\s+[\w*(]|INSERT\s+INTO\s|UPDATE\s+\w+\s+(AS\s+\w+\s+)?SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s*\("
    r"|CREATE\s+(TABLE|INDEX|DATABASE)\s|DROP\s+\w+\s|ALTER\s+TABLE\s|TRUNCATE\s+\w|LOCK\s+TABLE\s)"
)
NOT_OUR_NOUNS = {"job", "jobs", "hook", "hooks", "consumer", "consumers", "webhook", "webhooks"}
PRODUCERS = {"app/doorbell.py"}
# The last is not ours to run: receivers have clocks of their own.
CLOCKS = {"app/clock.py", "app/ids.py", "app/web/receiver_code/python.py"}

Finding = tuple[int, str]


@cache
def sources() -> dict[str, ast.Module]:
    """Every module of the product, by its path."""
    paths = sorted(path for folder in ("app", "worker") for path in (ROOT / folder).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def name_of(expression: ast.expr) -> str:
    """A call's target as it is written: `datetime.now`, `session.commit`."""
    return ast.unparse(expression)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def commits(tree: ast.Module) -> Iterator[Finding]:
    for call in calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "commit":
            yield call.lineno, name_of(call.func)


def docstrings(tree: ast.Module) -> set[int]:
    """The nodes that are docstrings, by identity."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                    found.add(id(statement.value))
    return found


def sql(tree: ast.Module) -> Iterator[Finding]:
    prose = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield from ((node.lineno, match.group().strip()) for match in SQL.finditer(node.value))


def broker_sends(tree: ast.Module) -> Iterator[Finding]:
    for call in calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"apply_async", "delay", "send_task"}:
            yield call.lineno, name_of(call.func)


def broker_timers(tree: ast.Module) -> Iterator[Finding]:
    for call in calls(tree):
        yield from ((call.lineno, f"{word.arg}=") for word in call.keywords if word.arg in {"countdown", "eta"})


def wall_clocks(tree: ast.Module) -> Iterator[Finding]:
    clock_calls = re.compile(r"(^|\.)(datetime\.(now|utcnow|today)|date\.today|time\.time(_ns)?)$")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and clock_calls.search(name_of(node.func)):
            yield node.lineno, name_of(node.func)
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            for alias in node.names:
                if alias.name in {"time", "time_ns"}:
                    yield node.lineno, f"from time import {alias.name}"


def words(name: str) -> set[str]:
    """The words of a name, in either spelling: `send_webhook`, `WebhookSender`. One of our nouns is two words."""
    name = name.replace("operational_webhook", "").replace("OperationalWebhook", "")
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def foreign_nouns(tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and words(node.name) & NOT_OUR_NOUNS:
            yield node.lineno, node.name


def coroutine_tasks(tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                target = decorator.func if isinstance(decorator, ast.Call) else decorator
                if name_of(target).rpartition(".")[2] in {"task", "shared_task"}:
                    yield node.lineno, node.name


RULES: dict[str, tuple[Callable[[ast.Module], Iterator[Finding]], Callable[[str], bool]]] = {
    "what commits is app/db/session.py, so that a service cannot end half of a request": (
        commits,
        lambda path: path == "app/db/session.py",
    ),
    "SQL is under app/db, but for that of the import, which speaks to two databases": (
        sql,
        lambda path: path.startswith(("app/db/", "app/svix_import/")),
    ),
    "what sends to the broker is the doorbell": (broker_sends, PRODUCERS.__contains__),
    "nothing is timed by the broker, which would keep it in a worker's memory": (broker_timers, lambda _path: False),
    "what reads the wall clock is app/clock.py (and ids), so that a test can say what time it is": (
        wall_clocks,
        CLOCKS.__contains__,
    ),
    "classes and functions use the vocabulary": (foreign_nouns, lambda _path: False),
    "no Celery task is a coroutine, which Celery would report as done without running it": (
        coroutine_tasks,
        lambda _path: False,
    ),
}


@pytest.mark.parametrize(("find", "is_allowed"), RULES.values(), ids=RULES.keys())
def test_rule_holds_everywhere(
    find: Callable[[ast.Module], Iterator[Finding]], is_allowed: Callable[[str], bool]
) -> None:
    offences = [
        f"{path}:{line}: {text}"
        for path, tree in sources().items()
        if not is_allowed(path)
        for line, text in find(tree)
    ]
    assert offences == []


BREACHES = {
    "commit": (commits, "async def f(session):\n    await session.commit()"),
    "SQL": (sql, "def f():\n    'Docs may say SELECT id.'\n    return f'SELECT id FROM {table}'"),
    "sent task": (broker_sends, "t.apply_async()"),
    "delayed task": (broker_timers, "t.apply_async(countdown=5)"),
    "wall clock": (wall_clocks, "datetime.now(UTC)"),
    "imported clock": (wall_clocks, "from time import time"),
    "foreign class": (foreign_nouns, "class WebhookSender: ..."),
    "foreign function": (foreign_nouns, "def run_job(): ..."),
    "coroutine task": (coroutine_tasks, "@shared_task(name='x')\nasync def f(): ..."),
}


@pytest.mark.parametrize(("find", "code"), BREACHES.values(), ids=BREACHES.keys())
def test_rule_notices_a_breach(find: Callable[[ast.Module], Iterator[Finding]], code: str) -> None:
    assert list(find(ast.parse(code)))


def test_modules_and_folders_use_the_vocabulary() -> None:
    assert [path for path in sources() if words(path.removesuffix(".py")) & NOT_OUR_NOUNS] == []


def test_no_file_is_longer_than_a_room() -> None:
    lengths = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_every_folder_is_named_in_the_architecture() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    folders = {f"{Path(path).parent.as_posix()}/" for path in sources()}
    assert {folder for folder in folders if f"`{folder}`" not in text} == set()


def test_every_file_and_folder_that_the_architecture_names_exists() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:app|worker|db|tests)/[\w./]*)`", text))
    assert len(named) > 20
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_module_says_what_it_knows() -> None:
    assert [path for path, tree in sources().items() if ast.get_docstring(tree) is None] == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
