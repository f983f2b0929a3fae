"""`pipeglot completion`: a script for the user's shell, which asks `pipeglot __complete` what may come next."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator

from pipeglot.cli.arguments import ARGUMENTS, Argument
from pipeglot.cli.candidates import Candidate, Candidates
from pipeglot.cli.commands import COMMANDS, GROUPS
from pipeglot.client.text import safe_line

_BASH = r"""# pipeglot completion for bash. To install, write `eval "$(pipeglot completion bash)"` into ~/.bashrc, or:
# pipeglot completion bash > ~/.local/share/bash-completion/completions/pipeglot
_pipeglot() {
    local IFS=$'\n'
    COMPREPLY=($(pipeglot __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null))
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[/:=] ]]; then compopt -o nospace; fi
}
complete -F _pipeglot pipeglot
"""

_ZSH = r"""#compdef pipeglot
# pipeglot completion for zsh. To install: pipeglot completion zsh > ~/.zfunc/_pipeglot
# with `fpath+=~/.zfunc; autoload -Uz compinit; compinit` in ~/.zshrc
_pipeglot() {
    local line word told
    local -a open closed shown_open shown_closed
    for line in "${(@f)$(pipeglot __complete zsh "${(@)words[1,CURRENT]}" 2>/dev/null)}"; do
        [[ -z $line ]] && continue
        word=${line%%$'\t'*}
        told=$word
        [[ $line == *$'\t'* ]] && told="$word  -- ${line#*$'\t'}"
        if [[ $word == *[/:=] ]]; then open+=("$word"); shown_open+=("$told")
        else closed+=("$word"); shown_closed+=("$told"); fi
    done
    (( $#open )) && compadd -S '' -l -d shown_open -- "${open[@]}"
    (( $#closed )) && compadd -l -d shown_closed -- "${closed[@]}"
}
if [[ $funcstack[1] == _pipeglot ]]; then _pipeglot "$@"; else compdef _pipeglot pipeglot; fi
"""

_FISH = r"""# pipeglot completion for fish. To install:
# pipeglot completion fish > ~/.config/fish/completions/pipeglot.fish
complete -c pipeglot -f -a '(pipeglot __complete fish (commandline -opc) (commandline -ct) 2>/dev/null)'
"""

_OBEYED = frozenset("\"'$`\\!")
"""What a shell obeys inside of quotes too. A name of the store's that holds one is not offered there."""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def do_completion(args: argparse.Namespace) -> int:
    script = SCRIPTS[args.shell]
    if args.json:
        from pipeglot.cli.output import print_json
        from pipeglot.client.views import Completion

        print_json(Completion(shell=args.shell, script=script))
        return 0
    print(script, end="")
    return 0


def answer(shell: str, words: list[str]) -> int:
    """What the scripts ask. A shell in the middle of a line has no place for messages: what fails, offers nothing."""
    from pipeglot.core.errors import PipeglotError

    try:
        if shell == "bash":
            split, quoted = _split(words[0])
            breaks = "" if quoted else words[1] if len(words) > 1 else ""
            found = [one.word for one in candidates(split[1:])]
            fitting = [word for word in found if not (quoted and _OBEYED.intersection(word))]
            lines = [_for_bash(word, split[-1], breaks, quoted=quoted) for word in fitting]
        else:
            lines = ["\t".join(part for part in one if part) for one in candidates(words[1:])]
    except (PipeglotError, OSError):
        return 1
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _split(line: str) -> tuple[list[str], bool]:
    """As the shell would, with the word that is being written last; and whether that stands in open quotes."""
    import shlex

    for closing in ("", '"', "'", "\\"):
        try:
            words = shlex.split(f"{line}{closing}")
        except ValueError:
            continue
        written = closing or not line[-1:].isspace()
        return (words if written else [*words, ""]), closing in ('"', "'")
    return line.split(" "), False


def _for_bash(word: str, current: str, breaks: str, *, quoted: bool) -> str:
    """bash replaces what follows the last `:` or `=`, or the last `@` with what follows, if it breaks words there."""
    cut = max([0, *(current.rfind(char) + (char != "@") for char in ":=@" if char in breaks)])
    if quoted:
        return word
    return "".join(f"\\{char}" if char in " '\"\\()&;<>|$`*?[]!#" else char for char in word[cut:])


# --- what may come next -----------------------------------------------------------------------------------------------


def candidates(words: list[str]) -> list[Candidate]:
    """For the words after `pipeglot`; the last is being written, and may be empty.

    Names come from the store too, and go to a shell: what has a newline or an escape in it is not offered.
    """
    *before, current = words or [""]
    found = [Candidate(one.word, safe_line(one.about)) for one in _next(before, current)]
    return [one for one in found if one.word.startswith(current) and one.word.isprintable()]


def _next(before: list[str], current: str) -> Iterable[Candidate]:
    if not before:
        commands = [Candidate(name, about) for name, about in COMMANDS.items() if " " not in name]
        return [*commands, *(Candidate(name, about) for name, about in GROUPS.items())]
    command, rest = before[0], before[1:]
    if command in GROUPS:
        if not rest:
            names = [name for name in COMMANDS if name.startswith(f"{command} ")]
            return [Candidate(name.partition(" ")[2], COMMANDS[name]) for name in names]
        command, rest = f"{command} {rest[0]}", rest[1:]
    if command not in ARGUMENTS:
        return ()
    return _Line(command, rest).next(current)


class _Line:
    """A command line as far as it is written: which options and arguments it has."""

    def __init__(self, command: str, words: list[str]) -> None:
        self.command = command
        self.options = {flag: one for one in ARGUMENTS[command] for flag in one.flags if flag.startswith("-")}
        self.places = [one for one in ARGUMENTS[command] if not one.flags[0].startswith("-")]
        self.given: dict[str, str] = {}
        self.seen: list[Argument] = []
        self.waiting: Argument | None = None
        for word in words:
            self._take(word)

    def _take(self, word: str) -> None:
        if self.waiting is not None:
            self.given[_name(self.waiting)] = word
            self.waiting = None
        elif word in self.options:
            self.seen.append(self.options[word])
            self.waiting = self.options[word] if _takes_value(self.options[word]) else None
        elif not word.startswith("-") and self._place() is not None:
            place = self._place()
            assert place is not None
            self.given[_name(place)] = word

    def _place(self) -> Argument | None:
        return next((one for one in self.places if _name(one) not in self.given), None)

    def next(self, current: str) -> Iterable[Candidate]:
        if self.waiting is not None:
            return self._values(self.waiting, current)
        if current.startswith("--") and "=" in current:
            flag, _, value = current.partition("=")
            option = self.options.get(flag)
            found = self._values(option, value) if option else ()
            return [Candidate(f"{flag}={one.word}", one.about) for one in found if one.word.startswith(value)]
        if current.startswith("-"):
            return self._flags()
        place = self._place()
        values = list(self._values(place, current)) if place else []
        return values if values or current else self._flags()

    def _values(self, argument: Argument, current: str) -> Iterable[Candidate]:
        return Candidates(self.command, self.given).of(argument, current)

    def _flags(self) -> Iterator[Candidate]:
        for flag, option in self.options.items():
            if option not in self.seen or option.options.get("action") == "append":
                yield Candidate(flag, str(option.options.get("help", "")))
        yield Candidate("--help", "tell more about the command")


def _name(argument: Argument) -> str:
    flag = next((flag for flag in argument.flags if flag.startswith("--")), argument.flags[0])
    return str(argument.options.get("dest", flag.lstrip("-").replace("-", "_")))


def _takes_value(argument: Argument) -> bool:
    return argument.options.get("action") not in ("store_true", "store_false", "count", "help")
