"""`hooknet completion bash|zsh|fish`: prints a completion script, made from the commands themselves.

bash: hooknet completion bash > /etc/bash_completion.d/hooknet; zsh: into a file named _hooknet in a folder of
$fpath; fish: into ~/.config/fish/completions/hooknet.fish.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

SHELLS = ("bash", "zsh", "fish")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "completion", help="print a shell's completion script", description=__doc__
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(args: argparse.Namespace) -> int:
    from hooknet.cli.main import COMMANDS, parser_for

    nodes = tree("hooknet", parser_for(COMMANDS))
    print({"bash": bash, "zsh": zsh, "fish": fish}[args.shell](nodes), end="")
    return 0


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `values`: what may follow it; None for a flag, empty for anything (a file, most likely)."""

    names: tuple[str, ...]
    values: tuple[str, ...] | None
    help: str


@dataclass(frozen=True, slots=True)
class Node:
    """A command and the words that may follow it. `path`: the words that lead here, `hooknet` first."""

    path: str
    words: dict[str, str]
    options: tuple[Option, ...]

    @property
    def everything(self) -> str:
        return " ".join([*self.words, *(name for option in self.options for name in option.names)])


def tree(path: str, parser: argparse.ArgumentParser) -> list[Node]:
    """The commands below `path`, itself first."""
    words: dict[str, str] = {}
    options: list[Option] = []
    below: list[Node] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to look at a parser
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001 - as above
            for name, sub in action.choices.items():
                words[name] = helps.get(name, "")
                below += tree(f"{path} {name}", sub)
        elif action.option_strings:
            values = None if action.nargs == 0 else tuple(str(choice) for choice in action.choices or ())
            help_text = (action.help or "").replace("%(default)s", str(action.default))
            options.append(Option(tuple(action.option_strings), values, help_text))
        else:
            words |= {str(choice): "" for choice in action.choices or ()}
    return [Node(path, words, tuple(options)), *below]


def steps(nodes: list[Node]) -> list[str]:
    """Each `path word` that leads to a deeper command."""
    return [node.path for node in nodes if " " in node.path]


def valued(nodes: list[Node]) -> list[tuple[str, tuple[str, ...]]]:
    """Each `path|option` that takes a value, with its choices."""
    return [
        (f"{node.path}|{name}", option.values)
        for node in nodes
        for option in node.options
        if option.values is not None
        for name in option.names
    ]


def alternatives(patterns: list[str]) -> str:
    return "|".join(f'"{pattern}"' for pattern in patterns)


def bash(nodes: list[Node]) -> str:
    choices = [
        f'    "{key}") COMPREPLY=($(compgen -W "{" ".join(values)}" -- "$cur")); return ;;'
        for key, values in valued(nodes)
        if values
    ]
    files = alternatives([key for key, values in valued(nodes) if not values])
    words = [
        f'    "{node.path}") COMPREPLY=($(compgen -W "{node.everything}" -- "$cur")) ;;' for node in nodes
    ]
    return "\n".join(
        [
            "# bash completion for hooknet, made by `hooknet completion bash`",
            "_hooknet() {",
            '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" path=hooknet word',
            "  COMPREPLY=()",
            '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
            f'    case "$path $word" in {alternatives(steps(nodes))}) path="$path $word" ;; esac',
            "  done",
            '  case "$path|$prev" in',
            *choices,
            f'    {files}) COMPREPLY=($(compgen -f -- "$cur")); return ;;',
            "  esac",
            '  case "$path" in',
            *words,
            "  esac",
            "}",
            "complete -F _hooknet hooknet",
            "",
        ]
    )


def zsh(nodes: list[Node]) -> str:
    choices = [
        f'    "{key}") compadd -- {" ".join(values)}; return ;;' for key, values in valued(nodes) if values
    ]
    files = alternatives([key for key, values in valued(nodes) if not values])
    words = [f'    "{node.path}") compadd -- {node.everything} ;;' for node in nodes]
    return "\n".join(
        [
            "#compdef hooknet",
            "# zsh completion for hooknet, made by `hooknet completion zsh`",
            "_hooknet() {",
            "  local place=hooknet word",
            '  for word in "${(@)words[2,CURRENT-1]}"; do',
            f'    case "$place $word" in {alternatives(steps(nodes))}) place="$place $word" ;; esac',
            "  done",
            '  case "$place|${words[CURRENT-1]}" in',
            *choices,
            f"    {files}) _files; return ;;",
            "  esac",
            '  case "$place" in',
            *words,
            "  esac",
            "}",
            # autoloaded from $fpath: this file is the function's first call; sourced: register it
            'if [[ "${funcstack[1]}" == _hooknet ]]; then _hooknet "$@"; else compdef _hooknet hooknet; fi',
            "",
        ]
    )


def fish(nodes: list[Node]) -> str:
    lines = [
        "# fish completion for hooknet, made by `hooknet completion fish`",
        "function __hooknet_place",
        "  set -l place hooknet",
        "  for word in (commandline -opc)[2..-1]",
        '    switch "$place $word"',
        f"      case {' '.join(fish_quote(step) for step in steps(nodes))}",
        '        set place "$place $word"',
        "    end",
        "  end",
        '  test "$place" = "$argv[1]"',
        "end",
        "complete -c hooknet -f",
    ]
    for node in nodes:
        start = f"complete -c hooknet -n {fish_quote(f'__hooknet_place {fish_quote(node.path)}')}"
        lines += [f"{start} -a {word} -d {fish_quote(text)}" for word, text in node.words.items()]
        lines += [f"{start} {fish_option(option)}" for option in node.options]
    return "\n".join([*lines, ""])


def fish_option(option: Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    if option.values is None:
        takes = ""
    elif option.values:
        takes = f" -x -a {fish_quote(' '.join(option.values))}"
    else:
        takes = " -r -F"
    return f"{names}{takes} -d {fish_quote(option.help)}"


def fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
