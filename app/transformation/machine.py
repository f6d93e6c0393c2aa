"""The virtual machine: QuickJS, compiled to WebAssembly, and what of the world outside it is let see.

That is nothing but the time at which the run began, as WASI's clock. There are no files, no environment, no network, no
randomness, and no memory that another run has seen: each run instantiates the module anew, which takes a tenth of a
millisecond.
"""

import struct
import threading
from collections.abc import Callable
from functools import partial
from importlib.metadata import files
from pathlib import Path
from typing import Final

from wasmtime import Caller, Config, Engine, Func, FuncType, Linker, Memory, Module, Store

from app import clock
from app.transformation.compiled import compile_or_find

_INTERPRETER: Final = ("qjs-wasi-reactor.wasm", "qjs-wasi-reactor.wasm")
# Errors of WASI (preview 1): a file that is not open; something that there is not.
_BADF: Final = 8
_NOSYS: Final = 52
_STDOUT: Final = 1
_STACK_BYTES: Final = 1_048_576
_PAIR: Final = struct.Struct("<II")


class Exited(Exception):
    """The interpreter ended itself."""


class TooMuchOutput(Exception):
    """More was printed than there is room for."""


class Machine:
    """The compiled interpreter. For all threads; compiling it takes seconds, finding it compiled some milliseconds."""

    def __init__(self) -> None:
        config = Config()
        config.consume_fuel = True
        config.epoch_interruption = True
        config.max_wasm_stack = _STACK_BYTES
        self.engine = Engine(config)
        self._module = compile_or_find(self.engine, _interpreter().read_bytes())
        self._of_thread = threading.local()

    def run(self, arguments: list[bytes], *, fuel: int, epochs: int, memory: int, output: int) -> bytes:
        """What a run of the interpreter prints. Raises wasmtime's Trap and WasmtimeError, Exited and TooMuchOutput.

        `memory` and `output` are in bytes; `epochs` is how often the engine's epoch may change meanwhile.
        """
        world = self._world()
        world.begin(output)
        with Store(self.engine) as store:
            store.set_fuel(fuel)
            store.set_epoch_deadline(epochs)
            store.set_limits(memory_size=memory, instances=1, memories=1)
            exports = world.linker.instantiate(store, self._module).exports(store)
            held, initialize, malloc, main = (
                exports[name] for name in ("memory", "_initialize", "malloc", "qjs_init_argv")
            )
            assert isinstance(held, Memory)
            assert isinstance(initialize, Func)
            assert isinstance(malloc, Func)
            assert isinstance(main, Func)
            initialize(store)
            places = [_put(store, held, malloc, argument + b"\0") for argument in arguments]
            table = struct.pack(f"<{len(places) + 1}I", *places, 0)
            main(store, len(places), _put(store, held, malloc, table))
        return bytes(world.printed)

    def _world(self) -> "_World":
        """This thread's own: it has one run at a time."""
        world: _World | None = getattr(self._of_thread, "world", None)
        if world is None:
            world = self._of_thread.world = _World(self.engine, self._module)
        return world


class _World:
    """The functions that the interpreter imports, and what becomes of their calls."""

    def __init__(self, engine: Engine, module: Module) -> None:
        self.printed = bytearray()
        self._most = self._nanoseconds = 0
        self.linker = Linker(engine)
        for wanted in module.imports:
            assert isinstance(wanted.type, FuncType)
            assert wanted.name is not None
            function = self._function(wanted.name)
            self.linker.define_func(wanted.module, wanted.name, wanted.type, function, access_caller=True)

    def begin(self, most: int) -> None:
        """A run begins, which may print so many bytes."""
        self.printed = bytearray()
        self._most = most
        # The same throughout: a clock that runs is a clock with which others can be observed.
        self._nanoseconds = int(clock.unix() * 1_000_000_000)

    def _function(self, name: str) -> Callable[..., int | None]:
        """What WASI's function of that name does here."""
        known: dict[str, Callable[..., int | None]] = {
            "clock_time_get": self._tell_time,
            "environ_get": _succeed,
            "environ_sizes_get": _tell_nothing,
            "fd_write": self._print,
            "proc_exit": _exit,
        }
        return known.get(name) or partial(_refuse, _BADF if name.startswith("fd_") else _NOSYS)

    def _tell_time(self, caller: Caller, _clock: int, _precision: int, place: int) -> int:
        _memory(caller).write(caller, struct.pack("<Q", self._nanoseconds), place)
        return 0

    def _print(self, caller: Caller, descriptor: int, vectors: int, count: int, place: int) -> int:
        memory, written = _memory(caller), 0
        for vector in range(vectors, vectors + count * _PAIR.size, _PAIR.size):
            start, size = _PAIR.unpack(memory.read(caller, vector, vector + _PAIR.size))
            if descriptor == _STDOUT and size:
                if len(self.printed) + size > self._most:
                    raise TooMuchOutput
                self.printed += memory.read(caller, start, start + size)
            written += size
        memory.write(caller, struct.pack("<I", written), place)
        return 0


def _interpreter() -> Path:
    package, name = _INTERPRETER
    found = [file for file in files(package) or () if file.name == name]
    assert found, f"the package {package} is installed without its file: install it again"
    return Path(str(found[0].locate()))


def _memory(caller: Caller) -> Memory:
    memory = caller["memory"]
    assert isinstance(memory, Memory)
    return memory


def _put(store: Store, memory: Memory, malloc: Func, value: bytes) -> int:
    """Where a value was put, which is nobody else's."""
    place: int = malloc(store, len(value))
    if not place:
        raise Exited
    memory.write(store, value, place)
    return place


def _succeed(_caller: Caller, *_arguments: int) -> int:
    return 0


def _tell_nothing(caller: Caller, count: int, size: int) -> int:
    for place in (count, size):
        _memory(caller).write(caller, bytes(4), place)
    return 0


def _exit(_caller: Caller, _code: int) -> None:
    raise Exited


def _refuse(error: int, _caller: Caller, *_arguments: int) -> int:
    return error
