"""Machine code that is kept from one process to the next, where nobody else can write it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from wasmtime import Config, Engine, Func, Instance, Module, Store, wat2wasm

from app.transformation.compiled import compile_or_find, digested, seed_of

SEVEN: Final = bytes(wat2wasm('(module (func (export "tell") (result i32) i32.const 7))'))
EIGHT: Final = bytes(wat2wasm('(module (func (export "tell") (result i32) i32.const 8))'))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "postrider"


def told(engine: Engine, module: Module) -> int:
    store = Store(engine)
    tell = Instance(store, module, []).exports(store)["tell"]
    assert isinstance(tell, Func)
    found: int = tell(store)
    return found


def plant(engine: Engine, folder: Path) -> Path:
    """A file that passes for SEVEN's and tells 8: so it can be seen whether it is used."""
    folder.mkdir(mode=0o700)
    file = folder / "interpreter"
    file.write_bytes(digested(seed_of(SEVEN), bytes(Module(engine, EIGHT).serialize())))
    file.chmod(0o600)
    return file


def test_what_one_process_compiled_another_finds(engine: Engine, folder: Path) -> None:
    assert told(engine, compile_or_find(engine, SEVEN)) == 7
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    kept = file.read_bytes()
    assert told(engine, compile_or_find(engine, SEVEN)) == 7
    # Another interpreter takes its place.
    assert told(engine, compile_or_find(engine, EIGHT)) == 8
    assert file.read_bytes() != kept
    assert list(folder.iterdir()) == [file]
    file.unlink()
    folder.rmdir()
    plant(engine, folder)
    assert told(engine, compile_or_find(engine, SEVEN)) == 8


def _open_folder(file: Path) -> None:
    file.parent.chmod(0o777)


def _open_file(file: Path) -> None:
    file.chmod(0o660)


def _link_folder(file: Path) -> None:
    folder = file.parent
    folder.symlink_to(folder.rename(folder.with_name("elsewhere")))


def _link_file(file: Path) -> None:
    file.symlink_to(file.rename(file.with_name("elsewhere")))


def _spoil(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


def _compile_otherwise(file: Path) -> None:
    config = Config()
    config.consume_fuel = True
    file.write_bytes(digested(seed_of(SEVEN), bytes(Module(Engine(config), EIGHT).serialize())))


@pytest.mark.parametrize(
    "change", [_open_folder, _open_file, _link_folder, _link_file, _spoil, _truncate, _compile_otherwise]
)
def test_what_others_may_have_written_or_is_not_whole_is_not_used(
    engine: Engine, folder: Path, change: Callable[[Path], None]
) -> None:
    change(plant(engine, folder))
    assert told(engine, compile_or_find(engine, SEVEN)) == 7


def test_without_a_folder_it_is_compiled(engine: Engine, folder: Path) -> None:
    folder.write_text("a file where the folder would be")
    assert told(engine, compile_or_find(engine, SEVEN)) == 7
