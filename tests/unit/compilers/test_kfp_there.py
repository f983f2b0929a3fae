"""What KFP tells of the tasks of a run, and of their logs, and what we make of it.

The nodes are those that Argo makes of what KFP 2.17.0's compiler writes: which there are, and which come after which.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeglot.compilers import rest
from pipeglot.compilers.kfp import argo
from pipeglot.compilers.kfp.deployer import KfpDeployer
from pipeglot.compilers.kfp.names import Names
from pipeglot.compilers.kfp.stack import KfpStack
from pipeglot.compilers.kfp.tasks_there import tasks
from pipeglot.compilers.remote import EngineTask
from pipeglot.core.errors import EngineError
from tests.servers import canned

WORKFLOW = "flights-x7k2p"
ROOT = f"{WORKFLOW}.root"
SPEC: dict[str, Any] = {
    "root": {
        "dag": {
            "tasks": {
                "a": {"componentRef": {"name": "comp-a"}, "taskInfo": {"name": "a"}, "retryPolicy": {}},
                "executor": {"componentRef": {"name": "comp-a"}},
                "loop": {"componentRef": {"name": "comp-loop"}, "parameterIterator": {}},
            }
        }
    },
    "components": {
        "comp-a": {"executorLabel": "a"},
        "comp-loop": {
            "dag": {
                "tasks": {
                    "in-b": {"componentRef": {"name": "comp-b"}, "taskInfo": {"name": "in.b"}},
                    "inner": {"componentRef": {"name": "comp-inner"}, "parameterIterator": {}},
                }
            }
        },
        "comp-inner": {
            "dag": {"tasks": {"deep": {"componentRef": {"name": "comp-b"}, "retryPolicy": {}}}},
        },
        "comp-b": {"executorLabel": "b"},
    },
}


class Nodes:
    """The nodes of a run, as KFP tells of them."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self.add(WORKFLOW, "")
        self.add(f"{ROOT}-driver", WORKFLOW, "SUCCEEDED")
        self.add(ROOT, f"{ROOT}-driver")

    def add(self, node: str, after: str, state: str = "RUNNING") -> None:
        self.found[node] = {"task_id": f"{len(self.found)}", "display_name": node.rpartition(".")[2], "state": state}
        if after:
            child = {"pod_name": argo.node_id(WORKFLOW, node)}
            self.found[after].setdefault("child_tasks", []).append(child)

    def task(self, dag: str, name: str, *states: str, after: str = "", tries: bool = False) -> None:
        """One of a container: its state, and that of each try."""
        driver, task = f"{dag}.{name}-driver", f"{dag}.{name}"
        self.add(driver, after or dag, "SUCCEEDED")
        self.add(task, driver, states[0])
        if tries and states[1:]:
            self.add(f"{task}.executor", task, states[0])
            for number, state in enumerate(states[1:]):
                self.add(f"{task}.executor({number})", f"{task}.executor", state)
        elif states[1:]:
            self.add(f"{task}.executor", task, states[1])

    def item(self, dag: str, loop: str, number: int) -> str:
        """An item of a loop. Returns the node that its tasks are in."""
        node, group = f"{dag}.{loop}", f"{dag}.{loop}.iteration-iterations"
        if node not in self.found:
            self.add(node, dag)
            self.add(f"{node}.iteration-driver", node, "SUCCEEDED")
            self.add(group, f"{node}.iteration-driver")
        item = f"{group}({number}:{number})"
        self.add(item, group)
        self.add(f"{item}.iteration-item-driver", item, "SUCCEEDED")
        self.add(f"{item}.iteration-item", f"{item}.iteration-item-driver")
        return f"{item}.iteration-item"

    def told(self, spec: dict[str, Any] = SPEC) -> dict[tuple[str, int, tuple[int, ...]], tuple[str, int]]:
        found = tasks([*reversed(self.found.values())], spec, 100)
        return {(one.step, one.number, one.item): (one.state, one.attempt) for one in found}


@pytest.mark.parametrize(
    ("node", "digest"),
    [
        ("dag-diamond-xfww2.A(0)", 990947287),
        ("wf-retry-pol[0].run-dag.A(0)", 3148069997),
        ("parameter-aggregation-one-will-fail2-jt776.one-will-fail(0:0)", 1842114754),
    ],
)
def test_the_ids_are_argos(node: str, digest: int) -> None:
    """From `workflow/controller/operator_test.go` of Argo Workflows."""
    assert argo.node_id("any", node) == f"any-{digest}"


def test_what_pods_are_called() -> None:
    node = f"{ROOT}.a.executor"
    digest = argo.node_id("", node)[1:]
    plain, retried = f"{WORKFLOW}-system-container-impl-{digest}", f"{WORKFLOW}-retry-system-container-impl-{digest}"
    assert argo.pod_names(WORKFLOW, node, retries=False) == [plain, retried, f"{WORKFLOW}-{digest}"]
    assert argo.pod_names(WORKFLOW, node, retries=True) == [retried, plain, f"{WORKFLOW}-{digest}"]
    assert {len(one.removesuffix(f"-{digest}")) for one in argo.pod_names("w" * 250, node, retries=True)[:2]} == {242}


def test_before_anything_has_begun() -> None:
    assert list(tasks([], SPEC, 100)) == []
    assert Nodes().told() == {}


def test_tasks_and_their_tries() -> None:
    nodes = Nodes()
    nodes.task(ROOT, "a", "RUNNING", "FAILED", "FAILED", "RUNNING", tries=True)
    nodes.task(ROOT, "executor", "SUCCEEDED", "SUCCEEDED", after=f"{ROOT}.a.executor(2)")
    assert nodes.told() == {("a", -1, ()): ("running", 3), ("executor", -1, ()): ("succeeded", 1)}
    (found, _) = tasks(list(nodes.found.values()), SPEC, 100)
    assert found.id.split() == argo.pod_names(WORKFLOW, f"{ROOT}.a.executor(2)", retries=True)


def test_items_of_loops() -> None:
    nodes = Nodes()
    for number, state in enumerate(("SUCCEEDED", "FAILED")):
        item = nodes.item(ROOT, "loop", number)
        nodes.task(item, "in-b", state, state)
        nodes.task(nodes.item(item, "inner", 0), "deep", "RUNNING", "FAILED", "RUNNING", tries=True)
    nodes.task(nodes.item(f"{ROOT}.loop.iteration-iterations(1:1).iteration-item", "inner", 1), "deep", "RUNNING")
    assert nodes.told() == {
        ("in.b", 0, ()): ("succeeded", 1),
        ("deep", -1, (0, 0)): ("running", 2),
        ("in.b", 1, ()): ("failed", 1),
        ("deep", -1, (1, 0)): ("running", 2),
        ("deep", -1, (1, 1)): ("running", 0),
    }


def test_items_as_older_releases_have_them() -> None:
    nodes = Nodes()
    nodes.add(f"{ROOT}.loop-driver", ROOT, "SUCCEEDED")
    nodes.add(f"{ROOT}.loop-iterations", f"{ROOT}.loop-driver")
    item = f"{ROOT}.loop-iterations(0:0)"
    nodes.add(item, f"{ROOT}.loop-iterations")
    nodes.add(f"{item}.iteration", item)
    nodes.task(f"{item}.iteration", "in-b", "RUNNING", "RUNNING")
    assert nodes.told() == {("in.b", 0, ()): ("running", 1)}


@pytest.mark.parametrize(
    ("own", "other", "told"),
    [
        ("FAILED", "FAILED", "retrying"),
        ("RUNNING", "FAILED", "running"),
        ("FAILED", "RUNNING", "running"),
        ("PENDING", "FAILED", "waiting"),
        ("FAILED", "SUCCEEDED", "running"),
    ],
)
def test_whose_try_is_whose_nothing_tells(own: str, other: str, told: str) -> None:
    """So a task is called waiting only where no try of that name runs."""
    nodes = Nodes()
    nodes.task(ROOT, "a", "RUNNING", own, tries=True)
    nodes.task(nodes.item(nodes.item(ROOT, "loop", 0), "inner", 0), "deep", "RUNNING", other, tries=True)
    assert nodes.told()["a", -1, ()] == (told, 1)


@pytest.mark.parametrize(("state", "told"), [("SKIPPED", "skipped"), ("PENDING", "waiting"), ("FAILED", "failed")])
def test_a_task_without_a_pod(state: str, told: str) -> None:
    nodes = Nodes()
    nodes.task(ROOT, "a", state)
    assert nodes.told() == {("a", -1, ()): (told, 0)}


def test_no_task_is_called_as_what_is_below_one() -> None:
    names = Names()
    assert [names.new(name) for name in ("executor", "iteration", "iteration_item", "root", "a")] == [
        "executor-2",
        "iteration-2",
        "iteration-item-2",
        "root-2",
        "a",
    ]


# --- logs -------------------------------------------------------------------------------------------------------------

LOGS = "/apis/v1alpha1/runs/r1/nodes"
GONE = {"error_message": 'pods "p1" not found', "error_details": "…"}


@pytest.fixture
def server() -> Iterator[canned.Server]:
    found = canned.Server()
    yield found
    found.close()


def log(server: canned.Server, pods: str = "p1 p2 p3") -> str:
    stack = KfpStack(name="prod", store="s3://ml/prod", api_url=server.url)
    return KfpDeployer(stack).log("flights", "r1", EngineTask("a", -1, "running", 1, id=pods))


def test_the_log_of_the_pod_that_there_is(server: canned.Server) -> None:
    server.answers[f"GET {LOGS}/p1/log"] = [(200, GONE)]
    server.answers[f"GET {LOGS}/p2/log"] = [(200, '{"error_message": 3}\nis no error, but what a step has printed\n')]
    assert log(server) == '{"error_message": 3}\nis no error, but what a step has printed\n'
    assert [path for _, path, _, _ in server.asked] == [f"{LOGS}/{pod}/log" for pod in ("p1", "p2")]


def test_why_there_is_no_log(server: canned.Server) -> None:
    """KFP says 200 before it looks."""
    for pod in ("p1", "p2", "p3"):
        server.answers[f"GET {LOGS}/{pod}/log"] = [(200, GONE)]
    assert log(server) == 'KFP has no log of it: pods "p1" not found\n'
    assert log(server, "") == ""


@pytest.mark.parametrize("answer", [(404, {"code": 5, "message": "Not Found"}), (200, "<!doctype html><html></html>")])
def test_an_address_that_gives_no_logs(server: canned.Server, answer: tuple[int, Any]) -> None:
    """As that of KFP's pages, which send on `v1beta1` and `v2beta1` alone."""
    server.default = answer
    told = "there is no `/apis/v1alpha1`; the API server's own address has it"
    assert log(server) == f"KFP gives no logs at {server.url}: {told}\n"


def test_logs_that_are_refused(server: canned.Server) -> None:
    server.default = (403, {"message": "no"})
    with pytest.raises(EngineError, match=r"does not let us `GET /apis/v1alpha1/runs/r1/nodes/p1/log`: no"):
        log(server)


def test_of_a_long_log_the_end_is_kept(server: canned.Server) -> None:
    lines = [f"{number:>9}\n" for number in range(1_500_000)]
    server.default = (200, "".join(lines))
    found = log(server)
    assert 4 << 20 <= len(found) + 10 <= 10 << 20
    assert found.splitlines(keepends=True) == lines[-len(found) // 10 :]


def test_an_answer_that_is_too_large(server: canned.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_MOST", 1 << 20)
    server.default = (200, {"pipelines": ["x" * (1 << 20)]})
    told = "the KFP of stack `prod` answers `GET /apis/v2beta1/runs/r1` with more than 1 MiB"
    with pytest.raises(EngineError, match=told):
        KfpDeployer(KfpStack(name="prod", store="s3://ml/prod", api_url=server.url)).status("flights", "r1")
