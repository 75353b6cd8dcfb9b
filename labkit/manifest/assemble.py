"""From objects to a validated scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from labkit.errors import LabkitError
from labkit.manifest import kinds
from labkit.manifest.dumps import without_doubles
from labkit.manifest.fit import Fitted, fit, values
from labkit.manifest.known import look_at
from labkit.manifest.loaded import Loaded
from labkit.manifest.problems import Finding, Problem, raise_if_any
from labkit.manifest.scope import build_scope
from labkit.manifest.validate import problems_of


def assemble(
    objects: Sequence[Loaded],
    *,
    path: str = "<memory>",
    description: str = "",
    ignored: Sequence[str] = (),
    problems: Sequence[Problem] = (),
    base: kinds.Scenario | None = None,
) -> kinds.Scenario:
    """Return the scenario that ``objects`` make.

    Args:
        objects: every object, those that could not be decoded too.
        path: the file that the scenario is known by.
        description: the comment at its head.
        ignored: what was left out already, in words.
        problems: what reading the objects found.
        base: the scenario that these objects are a change of. Its Checks are validated no more,
            and what it made of a cluster's objects stays as it is.

    Raises:
        ManifestError: something is wrong; carries ``problems`` and all that validation finds.
    """
    old = base.objects if base and _of_cluster(base.objects) else ()
    done = set(map(id, old))
    sifted = without_doubles([each for each in objects if id(each) not in done])
    staying = [each for each in objects if id(each) in done]
    if base and old:
        fitted = Fitted([*staying, *sifted.kept], _lab_of(base, sifted.kept))
        fitted.displaced += base.displaced
    else:
        fitted = fit(sifted.kept, path)
    kept, lab = fitted.objects, fitted.lab
    scope = build_scope(lab, kept)
    # What seems to be missing may be in what could not be read.
    missing = [] if problems else [*sifted.missing, *fitted.missing]
    found = [*problems, *sifted.problems, *missing, *_several_labs(kept)]
    settled = [each for each in base.objects if each.kind == "Check"] if base else []
    found += problems_of(kept, scope, settled)
    if found:
        raise_if_any(_in_order(found, objects))
    if lab is None:
        raise LabkitError("a Lab that could not be decoded was reported by nobody")
    objects = tuple(kept)
    return kinds.Scenario(
        lab=lab,
        checks=tuple(located_checks(kept)),
        node_objects=values(kept, kinds.NodeObject),
        pods=values(kept, kinds.Pod),
        workloads=values(kept, kinds.Workload),
        services=values(kept, kinds.Service),
        endpoint_slices=values(kept, kinds.EndpointSlice),
        path=path,
        description=description,
        ignored=(*ignored, *sifted.left_out, *fitted.left_out),
        displaced=tuple(fitted.displaced),
        objects=objects,
        known=look_at(objects, scope),
    )


def _of_cluster(objects: Sequence[Loaded]) -> bool:
    return any(each.dumped for each in objects)


def _lab_of(base: kinds.Scenario, new: Sequence[Loaded]) -> kinds.Lab | None:
    """The Lab made for a cluster; one that comes in its place keeps its nodes and ranges."""
    lab = next((each for each in new if each.kind == "Lab"), None)
    if lab is None or not isinstance(lab.value, kinds.Lab):
        return base.lab if lab is None else None
    spec, made = lab.value.spec, base.lab.spec
    network = spec.network if lab.has("spec", "network") else made.network
    spec = replace(spec, nodes=spec.nodes or made.nodes, network=network)
    return replace(lab.value, spec=spec)


def _several_labs(objects: Sequence[Loaded]) -> Iterator[Problem]:
    labs = [loaded for loaded in objects if loaded.kind == "Lab"]
    for second in labs[1:]:
        message = f"a second Lab; the first is at {labs[0].locate()}"
        yield second.problem(Finding((), message, "keep one Lab in a scenario"))


def located_checks(objects: Sequence[Loaded]) -> Iterator[kinds.LocatedCheck]:
    """The Checks among ``objects``."""
    for loaded in objects:
        if isinstance(loaded.value, kinds.Check):
            yield kinds.LocatedCheck(check=loaded.value, location=loaded.locate())


def _in_order(problems: Sequence[Problem], objects: Sequence[Loaded]) -> list[Problem]:
    """Problems by file, line and column; files in the order in which they were read."""
    names = [*(each.file for each in objects), *(each.location.file for each in problems)]
    files: dict[str, int] = {}
    for name in names:
        files.setdefault(name, len(files))

    def place(problem: Problem) -> tuple[int, int, int]:
        where = problem.location
        return files[where.file], where.line, where.column

    return sorted(problems, key=place)
