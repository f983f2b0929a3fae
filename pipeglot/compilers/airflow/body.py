"""The body of a DAG's function: its tasks are made, in their groups, and put in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pipeglot.compilers.airflow.groups import Group
from pipeglot.compilers.airflow.pods import POD
from pipeglot.compilers.airflow.tasks import Task
from pipeglot.compilers.python_text import WIDTH, Names, assigned, call, literal, named


class Body:
    """Its lines. functions, objects: what the function of each task is called, and the task that comes of it.

    pods: the words of tasks that are pods, and have no function, for an indent.
    """

    def __init__(
        self,
        top: Group,
        tasks: list[Task],
        functions: Mapping[str, str],
        objects: Mapping[str, str],
        names: Names,
        pods: Mapping[str, Callable[[int], list[str]]],
    ) -> None:
        self.top = top
        self.tasks = {task.id: task for task in tasks}
        self.task_functions = functions
        self.objects = objects
        self.pods = pods
        self.used: set[str] = set()
        mapped = [group for group in top.groups() if group.over]
        self.group_functions = {group.id: names.new(group.id) for group in mapped}
        self.given = self._given()
        self.named = self._named()

    def functions(self) -> list[str]:
        """The functions of mapped groups, each without the indent of its first line."""
        return [self._function(group) for group in self.top.groups() if group.over]

    def made(self) -> list[str]:
        """Where all tasks are made."""
        return list(self._made(self.top, 4))

    def wires(self) -> list[str]:
        """What comes before each task; what is mapped over comes before it by itself."""
        last = [task for task in self.tasks.values() if task.last]
        found = [self._every(last[0])] if last else []
        for task in self.tasks.values():
            if task.last:
                found.append(f"    every_task >> {self.objects[task.id]}")
            elif not task.mapped:
                found += self._wire(task, 4)
        return found

    # --- groups -------------------------------------------------------------------------------------------------------

    def _given(self) -> dict[str, list[str]]:
        """Of the tasks in a mapped group, those that something outside comes after: what its function returns."""
        asked = [
            (self.tasks[before], task.mapped)
            for task in self.tasks.values()
            for before in task.after
            if before in self.tasks
        ]
        outside = {task.id for task, mapped in asked if task.mapped and task.mapped != mapped}
        found: dict[str, list[str]] = {}
        for task in self.tasks.values():
            if task.id in outside:
                found.setdefault(task.mapped, []).append(self.objects[task.id])
        return found

    def _named(self) -> set[str]:
        """The tasks that are spoken of again once they are made."""
        found: set[str] = set()
        for task in self.tasks.values():
            found |= {task.over, *task.after}
            if task.last or set(task.after) - {task.over, task.told}:
                found.add(task.id)
        return found

    def _function(self, group: Group) -> str:
        self.used |= {"task_group"}
        name, label = self.group_functions[group.id], group.id.rpartition(".")[2]
        head = "@task_group" if name == label else call("@task_group", named({"group_id": label}), indent=4).lstrip()
        lines = [f"    {head}", f"    def {name}(item):", *self._made(group, 8)]
        wires = [line for task in group.tasks() for line in self._wire(task, 8)]
        if wires:
            lines += ["", *wires]
        given = self.given.get(group.id)
        if given:
            lines += [_returned(given)]
        return "\n".join(lines)

    # --- tasks --------------------------------------------------------------------------------------------------------

    def _made(self, group: Group, indent: int) -> Iterator[str]:
        for one in group.members:
            if isinstance(one, Task):
                yield self._task(one, indent)
            elif one.over:
                yield self._expanded(one, indent)
            else:
                self.used |= {"TaskGroup"}
                yield call("with TaskGroup", [literal(one.id.rpartition(".")[2])], indent=indent, tail=":")
                yield from self._made(one, indent + 4)

    def _task(self, task: Task, indent: int) -> str:
        name, function = self.objects[task.id], self.task_functions[task.id]
        words, tail = [], _teardown(task) if task.teardown else ""
        if task.kind == "empty":
            self.used |= {"EmptyOperator"}
            function, words = "EmptyOperator", named({"task_id": task.id, "trigger_rule": task.rule})
        elif task.id in self.pods:
            function, words, tail = self._pod(task, indent, tail)
        elif task.told:
            words = [f"{self.objects[task.told]}.output"]
        elif task.mapped:
            words = ["item"]
        elif task.over:
            function, words = f"{function}.expand", [f"item={self.objects[task.over]}"]
        if task.id not in self.named:
            return call(function, words, indent=indent, tail=tail)
        return assigned(name, function, words, indent=indent, tail=tail)

    def _pod(self, task: Task, indent: int, tail: str) -> tuple[str, list[str], str]:
        self.used |= {POD}
        words = self.pods[task.id](indent)
        if task.mapped:
            return POD, [*words, "env_vars=item"], tail
        if task.over:
            return f"{POD}.partial", words, f".expand(env_vars={self._items(task.over)})"
        return POD, words, tail

    def _items(self, task: str) -> str:
        """What is mapped over."""
        return f"{self.objects[task]}.output.map(index)" if task in self.pods else self.objects[task]

    def _expanded(self, group: Group, indent: int) -> str:
        """The call of a mapped group's function."""
        given = self.given.get(group.id, [])
        head = f"{self.group_functions[group.id]}.expand"
        words = [f"item={self._items(group.over)}"]
        if not given:
            return call(head, words, indent=indent)
        if len(given) == 1:
            return assigned(given[0], head, words, indent=indent)
        line = call(f"{', '.join(given)} = {head}", words, indent=indent)
        if len(line.partition("\n")[0]) <= WIDTH:
            return line
        space = " " * indent
        inner = "".join(f"{space}    {one},\n" for one in given)
        return f"{space}(\n{inner}{call(f') = {head}', words, indent=indent)}"

    def _wire(self, task: Task, indent: int) -> Iterator[str]:
        before = [self.objects[one] for one in task.after if one not in (task.over, task.told)]
        if not before:
            return
        space = " " * indent
        line = f"{space}{before[0] if len(before) == 1 else '[' + ', '.join(before) + ']'} >> {self.objects[task.id]}"
        if len(line) <= WIDTH:
            yield line
            return
        inner = "".join(f"{space}    {one},\n" for one in before)
        yield f"{space}[\n{inner}{space}] >> {self.objects[task.id]}"

    def _every(self, last: Task) -> str:
        """The list of all but the last tasks, on lines of its own."""
        inner = "".join(f"        {self.objects[one]},\n" for one in last.after)
        return f"    every_task = [\n{inner}    ]"


def own_name(task: Task) -> str:
    """What a task is called inside its group; Airflow puts the group's id before it."""
    return task.id.removeprefix(f"{task.groups[-1]}.") if task.groups else task.id


def _returned(given: list[str]) -> str:
    line = f"        return {', '.join(given)}"
    if len(line) <= WIDTH:
        return line
    inner = "".join(f"            {one},\n" for one in given)
    return f"        return (\n{inner}        )"


def _teardown(task: Task) -> str:
    """Only the one that asks the ledger fails the run."""
    return ".as_teardown(on_failure_fail_dagrun=True)" if task.kind == "outcome" else ".as_teardown()"
