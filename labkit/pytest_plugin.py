"""The pytest plugin: scenario files as tests, labs as fixtures.

Scenario files that hold a Lab are collected; each Check is one test. The fixtures ``lab`` and
``lab_session`` make labs from files or in code. ``@pytest.mark.labkit_needs("ip_vs")`` skips a test
with the sentence that `labkit doctor` prints where the machine lacks a feature.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Final, Protocol

import pytest

if TYPE_CHECKING:
    from labkit.kernel.features import Feature
    from labkit.lab.lab import Lab
    from labkit.lab.source import Source
    from labkit.manifest.kinds import LocatedCheck
    from labkit.probe.flow import Flow
    from labkit.probe.verdict import CheckResult

MARK: Final = "labkit.dev/v1"
NEEDS: Final = "labkit_needs"
FAILURES: Final = "labkit-failures"
SHELL: Final = "--labkit-shell-on-failure"
LABS: Final = pytest.StashKey[list["Lab"]]()
"""The labs that a test, or the session, has made and not closed."""
CHECK: Final = "check: "
"""What the name of a Check's report starts with."""
ANNOTATES_ALL: Final = "pytest_github_actions_annotate_failures"
"""A plugin that annotates whatever fails."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("labkit", "labkit: Kubernetes Service labs")
    group.addoption(
        "--labkit-dataplane", metavar="NAME", help="data plane instead of the Lab's own"
    )
    group.addoption(
        "--labkit-kube-proxy",
        metavar="PATH",
        help="the real kube-proxy of the data plane kube-proxy, instead of the one on PATH",
    )
    group.addoption(
        "--labkit-proxy-mode", metavar="MODE", help="its mode, instead of the Lab's own"
    )
    group.addoption("--labkit-seed", type=int, default=0, metavar="N", help="order of the probes")
    group.addoption(
        "--labkit-require",
        action="append",
        default=[],
        metavar="FEATURE",
        help="a feature that this machine must have: its tests fail instead of being skipped",
    )
    group.addoption(
        "--labkit-failures",
        metavar="DIR",
        default=FAILURES,
        help="where failing tests of labs leave what there is to know: the packets' path, rules, "
        f"conntrack, a capture, a smaller scenario; none: leave nothing (default: {FAILURES})",
    )
    group.addoption(
        "--labkit-keep",
        action="store_true",
        help="build the lab of a failing test again as one that stays, see labkit ps",
    )
    group.addoption(
        "--labkit-shell-on-failure",
        action="store_true",
        help="open the prompt of a failing test's lab before it is taken down",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{NEEDS}(*features): skip unless the machine has these features (see `labkit doctor`)",
    )
    if config.getoption(SHELL) and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(f"{SHELL} needs the terminal, which workers have not; give -n0")
    _check_options(config)


def _check_options(config: pytest.Config) -> None:
    """Refuse options that name what there is not, before any test: pytest says so in one line."""
    dataplane, mode = (
        config.getoption("--labkit-dataplane"),
        config.getoption("--labkit-proxy-mode"),
    )
    if dataplane is not None or mode is not None:
        from labkit.manifest.kinds import DATAPLANES, PROXY_MODES

        _one_of("--labkit-dataplane", dataplane, DATAPLANES)
        _one_of("--labkit-proxy-mode", mode, PROXY_MODES)
    if required := config.getoption("--labkit-require"):
        from labkit.kernel.features import FEATURES

        for name in required:
            _one_of("--labkit-require", name, FEATURES)


def _one_of(option: str, given: str | None, known: Iterable[str]) -> None:
    from labkit.manifest.problems import nearest, quote

    if given is not None and given not in known:
        raise pytest.UsageError(f"{option} {quote(given)} does not exist; {nearest(given, known)}")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix not in {".yaml", ".yml"} or not _holds_lab(file_path):
        return None
    scenario: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
    return scenario


def pytest_runtest_setup(item: pytest.Item) -> None:
    for running in item.session.stash.get(LABS, []):
        running.asked.clear()  # that was another test
    for marker in item.iter_markers(NEEDS):
        for name in marker.args:
            _need(item.config, name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # After the tear-down there is no lab to look at any more.
    if call.when != "teardown" and report.failed and call.excinfo is not None:
        from labkit.pytest_failure import Failure, look_into

        check = item.check if isinstance(item, CheckItem) else None
        failure = Failure(
            item=item,
            told=report.longreprtext,
            labs=_labs_of(item),
            check=check,
            flows=_flows_of(call.excinfo.value),
        )
        if said := look_into(failure):
            report.sections.append(("labkit", said))
    return report


def _labs_of(item: pytest.Item) -> list[Lab]:
    """The running labs that a test is about."""
    if isinstance(item, CheckItem):
        file = item.getparent(ScenarioFile)
        return [file.lab] if file is not None else []
    every = [*item.stash.get(LABS, []), *item.session.stash.get(LABS, [])]
    return [each for each in every if each.asked]


def _flows_of(error: BaseException) -> list[Flow]:
    """The flows of a Check that failed, those that differ first."""
    if not isinstance(error, CheckFailed):
        return []
    return [each.flow for each in error.result.observations]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In a step of a GitHub workflow, annotate the Checks that failed."""
    from labkit.lab.github import in_repository, on_github

    if not on_github() or terminalreporter.config.pluginmanager.hasplugin(ANNOTATES_ALL):
        return
    from labkit.report.github import Annotation

    for report in terminalreporter.stats.get("failed", ()):
        file, line, name = report.location
        if name.startswith(CHECK):
            place = in_repository(str(terminalreporter.config.rootpath / file))
            text = dedent(str(report.longrepr)).strip()
            found = Annotation(place, (line or 0) + 1, 1, name.removeprefix(CHECK), text)
            terminalreporter.write_line(found.command)


def _holds_lab(path: Path) -> bool:
    """Whether a YAML file holds a Lab: told from its text, as most YAML files are not ours."""
    try:
        text = path.read_text(errors="replace")
    except OSError:  # a link to nowhere, or not for us to read: not ours to complain about
        return False
    return MARK in text and "kind: Lab" in text


@cache
def _tried(name: str) -> Feature:
    """Try a feature once a session: some start several programs."""
    from labkit.kernel.features import feature
    from labkit.kernel.netns import Edge

    with Edge() as edge:
        return feature(edge, name)


def _need(config: pytest.Config, name: str) -> None:
    from labkit.errors import UsageError

    try:
        found = _tried(name)
    except UsageError as error:
        pytest.fail(str(error), pytrace=False)
    if found.available:
        return
    sentence = f"{found.name}: {found.found}; {found.remedy}"
    if name in config.getoption("--labkit-require"):
        pytest.fail(f"required here, and missing: {sentence}", pytrace=False)
    pytest.skip(sentence)


class ScenarioFile(pytest.File):
    """A scenario file. Its lab is built before its first Check and closed after its last."""

    _lab: Lab | None = None

    def collect(self) -> Iterator[CheckItem]:
        """Each Check is a test."""
        from labkit.errors import LabkitError
        from labkit.manifest.load import load

        try:
            scenario = load(self.path)
        except LabkitError as error:
            raise self.CollectError(str(error)) from error
        for check in scenario.checks:
            yield CheckItem.from_parent(self, name=check.name, check=check)

    def setup(self) -> None:
        """Build the lab; a machine that cannot is a skip, with what it lacks."""
        self._lab = _enter(self.config, self.path)

    def teardown(self) -> None:
        """Close the lab."""
        lab, self._lab = self._lab, None
        if lab is not None:
            lab.__exit__(None, None, None)

    @property
    def lab(self) -> Lab:
        """The running lab."""
        if self._lab is None:
            raise RuntimeError("pytest runs setup() before a test")
        return self._lab


class CheckFailed(Exception):  # noqa: N818 - it is a verdict
    """A Check saw something else than it expected."""

    def __init__(self, result: CheckResult) -> None:
        self.result = result
        super().__init__(result.name)


class CheckItem(pytest.Item):
    """One Check as a test."""

    def __init__(self, *, check: LocatedCheck, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]  # pytest's own constructor arguments
        self.check = check

    def runtest(self) -> None:
        """Run the Check; CheckFailed if it differs."""
        file = self.getparent(ScenarioFile)
        if file is None:
            raise RuntimeError("a Check is collected from a scenario file")
        (result,) = file.lab.check(self.check)
        if not result.passed:
            raise CheckFailed(result)

    def repr_failure(
        self,
        excinfo: pytest.ExceptionInfo[BaseException],
        style: object = None,  # noqa: ARG002 - pytest's own signature
    ) -> str:
        """The row of the table, what was expected and what was seen."""
        from labkit.errors import LabkitError
        from labkit.report import render_check

        if isinstance(excinfo.value, CheckFailed):
            return render_check(excinfo.value.result)
        if isinstance(excinfo.value, LabkitError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the Check stands; pytest counts lines from 0."""
        return self.path, self.check.location.line - 1, f"{CHECK}{self.name}"


class LabFactory(Protocol):
    """What the fixtures give: makes running labs that are closed after the test or session."""

    def __call__(self, source: Source | None = None, **options: object) -> Lab:
        """Build a lab from a scenario file, a scenario, manifests, or `labkit.Lab`'s arguments."""
        ...


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[LabFactory]:
    """Make labs for one test: ``lab("scenarios/nodeport-local.yaml")`` or ``lab(nodes=3)``."""
    yield from _factory(request.config, request.node.stash)


@pytest.fixture(scope="session")
def lab_session(request: pytest.FixtureRequest) -> Iterator[LabFactory]:
    """Make labs that live until the session ends, for tests that only look."""
    yield from _factory(request.config, request.session.stash)


def _factory(config: pytest.Config, stash: pytest.Stash) -> Iterator[LabFactory]:
    running_labs = stash.setdefault(LABS, [])
    with ExitStack() as stack:
        stack.callback(running_labs.clear)

        def make(source: Source | None = None, **options: object) -> Lab:
            running = _enter(config, source, **options)
            stack.push(running)
            running_labs.append(running)
            return running

        yield make


def _enter(config: pytest.Config, source: Source | None, **options: object) -> Lab:
    from labkit.errors import MissingFeature
    from labkit.lab.lab import Lab
    from labkit.lab.needs import features_of

    if isinstance(source, str | Path) and not Path(source).exists():
        source = config.rootpath / source
    options.setdefault("dataplane", config.getoption("--labkit-dataplane"))
    options.setdefault("kube_proxy", config.getoption("--labkit-kube-proxy"))
    options.setdefault("proxy_mode", config.getoption("--labkit-proxy-mode"))
    options.setdefault("seed", config.getoption("--labkit-seed"))
    lab = Lab(source, **options)  # type: ignore[arg-type]  # passed on as given
    for name in sorted(features_of(lab.scenario)):
        _need(config, name)
    try:
        return lab.__enter__()
    except MissingFeature as error:
        if error.feature in config.getoption("--labkit-require"):
            pytest.fail(f"required here, and missing: {error}", pytrace=False)
        pytest.skip(str(error))
