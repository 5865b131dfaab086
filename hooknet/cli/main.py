"""`hooknet`: finds the command, runs it, and turns what went wrong into a sentence and an exit code.

Each command is a module of this package named in `COMMANDS`, with two functions: `add_parser(subparsers)`
and `run(args) -> int`. Only the module of the command that is asked for is imported, and it imports what it
needs inside `run`: `hooknet leases` must not pay for the daemon's libraries.

Exit codes (docs/reference/cli.md): 0 ok, 1 unhealthy or failed, 2 usage, 3 daemon unreachable, 4 not found.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol

from hooknet.cli.tables import text
from hooknet.errors import CODES, EXIT_OK, EXIT_UNHEALTHY, EXIT_USAGE, HooknetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMMANDS = (
    "status",
    "leases",
    "events",
    "plugins",
    "reload",
    "reconcile",
    "config",
    "install",
    "uninstall",
    "migrate",
    "doctor",
    "daemon",
    "completion",
)
INTERRUPTED = 130


class Command(Protocol):
    """A module of a command."""

    def add_parser(self, subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


def command(name: str) -> Command:
    """The module of a command. `name` is one of `COMMANDS`."""
    return importlib.import_module(f"hooknet.cli.{name}")


def parser_for(names: Sequence[str]) -> argparse.ArgumentParser:
    """The parser that knows the commands in `names`."""
    parser: argparse.ArgumentParser = Parser(
        prog="hooknet",
        description="DHCP leases for podman containers on the LAN.",
        epilog="`hooknet COMMAND --help` says more. Exit codes: 0 ok, 1 unhealthy or failed, 2 usage, "
        "3 daemon unreachable, 4 not found.",
    )
    parser.add_argument("--version", action=Version)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        command(name).add_parser(subparsers)
    return parser


class Parser(argparse.ArgumentParser):
    """Of hooknet and of each command, which answers for its own options."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**{"formatter_class": Formatter, **how})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ever, but a command does not pass on what it does not know: the usage shown is that command's."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{near}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As ever, and names the nearest choice."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            near = did_you_mean(str(value), map(str, action.choices or ()))
            raise argparse.ArgumentError(action, f"{error.message}{near}") from None


class Formatter(argparse.HelpFormatter):
    """Every command has its help on the same line: argparse forgets by how much commands are indented."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)
        self._action_max_length = max(map(len, COMMANDS)) + 2 * self._indent_increment


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of an error, where a word is like one that is known."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


class Version(argparse.Action):
    """`--version`, looked up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version")

    def __call__(self, parser: argparse.ArgumentParser, *_rest: object) -> None:
        from hooknet import __version__

        print(f"hooknet {__version__}")
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """The console script. Returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    names = words[:1] if words and words[0] in COMMANDS else COMMANDS
    parser = parser_for(names)
    if not words:
        parser.print_help(sys.stderr)
        return EXIT_USAGE
    args = parser.parse_args(words)
    try:
        code = command(args.command).run(args)
        sys.stdout.flush()
    except HooknetError as error:
        print(f"hooknet: {text(error)}", file=sys.stderr)
        return CODES[error.kind].exit
    except BrokenPipeError:
        # The reader (head, less) has seen enough; what is still buffered must not fail at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        print(f"hooknet: {args.command} failed; {text(error)}; {remedy(error)}", file=sys.stderr)
        return EXIT_UNHEALTHY
    return code


def remedy(error: OSError) -> str:
    """What to do about what the machine refused."""
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return "run it as root"
        case errno.ENOSPC | errno.EDQUOT:
            return "free some space, then run it again"
        case errno.EROFS:
            return "that file system can't be written: run it where it can"
        case _ if error.filename is not None:
            return f"see what is in the way: namei -l {text(error.filename)}"
        case _:
            return "run it again; if it stays, please report it"
