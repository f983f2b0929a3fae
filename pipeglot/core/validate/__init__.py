"""Does a pipeline make sense? The rules of the IR that its types cannot say, for what is written by hand or traced.

Every problem is found in one look. Each has a code that stays, listed in `CODES`, and names the step that it is about.
"""

from __future__ import annotations

from pipeglot.core.errors import Problem
from pipeglot.core.ir import Pipeline
from pipeglot.core.validate.nodes import check_nodes
from pipeglot.core.validate.params import check_params
from pipeglot.core.validate.references import check_references
from pipeglot.core.validate.report import CODES, Report
from pipeglot.core.validate.schedules import check_schedule

__all__ = ["CODES", "validate"]


def validate(pipeline: Pipeline) -> list[Problem]:
    """All problems of a pipeline, in the order of its parts; none means that every backend may rely on the rules."""
    report = Report()
    try:
        _check(report, pipeline)
    except RecursionError:
        report.add("nesting", "pipeline", "it is nested too deeply for Python")
    return report.problems


def _check(report: Report, pipeline: Pipeline) -> None:
    report.name("name", "pipeline", pipeline.name)
    report.at_least("pipeline", "max_parallel", pipeline.max_parallel, 1)
    report.labels("pipeline", "tags", pipeline.tags)
    check_params(report, pipeline.params)
    if check_nodes(report, pipeline.nodes, hooks=(*pipeline.on_failure, *pipeline.on_success)):
        check_references(report, pipeline)
    if pipeline.schedule is not None:
        check_schedule(report, pipeline.schedule)
